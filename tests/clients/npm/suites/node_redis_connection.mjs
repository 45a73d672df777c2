// Connections of node-redis: options, pub/sub, what happens when they are cut, events.
import assert from 'node:assert/strict';
import { all_bytes, assert_own, event, eventually, host, mailbox, own, port, relay } from './support.mjs';
import { until_blocked } from './node_redis_flow.mjs';

export function connection_sections({ open, resp, major, leave }) {
    // Talks through a piece of network that can be cut, and comes back at once.
    const through = (network) => ({
        socket: { host: '127.0.0.1', port: network.port, reconnectStrategy: () => 10 },
    });

    return {
        async connecting(defer) {
            const redis = await open(defer, { name: 'worker-1', url: `redis://${host}:${port}/3` });
            assert.equal(await redis.clientGetName(), 'worker-1');
            const info = await redis.clientInfo();
            assert.equal(info.name, 'worker-1');
            assert.equal(info.db, 3);
            assert.equal(info.id, await redis.clientId());
            await redis.clientSetName('worker-2');
            assert.ok((await redis.clientList()).some(({ id, name }) => id === info.id && name === 'worker-2'));
            const other = redis.duplicate();
            await other.connect();
            await other.set('c:a', own('a'));
            assert_own(await redis.get('c:a'), 'a');
            const [value, bye] = await Promise.all([other.get('c:a'), other.quit()]);
            assert_own(value, 'a');
            assert.equal(bye, 'OK');
            assert.equal(other.isOpen, false);
            await assert.rejects(other.ping(), (error) => error.constructor.name === 'ClientClosedError');
            await redis.flushDb();
        },

        async databases(defer) {
            const redis = await open(defer);
            await redis.set('db:a', own('zero'));
            await redis.select(3);
            await redis.flushDb();
            await redis.set('db:a', own('three'));
            await redis.select(0);
            assert_own(await redis.get('db:a'), 'zero');
            await redis.select(3);
            assert_own(await redis.get('db:a'), 'three');
            assert.equal(Number(await redis.move('db:a', 4)), 1);
            await redis.select(4);
            assert_own(await redis.get('db:a'), 'three');
            await redis.flushDb();
            await assert.rejects(redis.select(99), { message: 'ERR DB index is out of range' });
        },

        async pubsub(defer) {
            const publisher = await open(defer);
            const subscriber = await open(defer);
            const messages = new mailbox();
            const patterns = new mailbox();
            const shards = new mailbox();
            await subscriber.subscribe(['ch:1', 'ch:2'], messages.put);
            await subscriber.pSubscribe('ch:*', patterns.put);
            await subscriber.sSubscribe('sh:1', shards.put);
            assert.equal(await publisher.publish('ch:1', own('hello')), 2);
            assert.deepEqual(await messages.take(), [own('hello'), 'ch:1']);
            assert.deepEqual((await patterns.take()).slice(0, 2), [own('hello'), 'ch:1']);
            assert.equal(await publisher.sPublish('sh:1', own('shard')), 1);
            assert.deepEqual(await shards.take(), [own('shard'), 'sh:1']);
            assert.deepEqual((await publisher.pubSubChannels()).sort(), ['ch:1', 'ch:2']);
            assert.deepEqual({ ...await publisher.pubSubNumSub(['ch:1', 'ch:none']) }, { 'ch:1': 1, 'ch:none': 0 });
            assert.equal(await publisher.pubSubNumPat(), 1);
            assert.deepEqual(await publisher.pubSubShardChannels(), ['sh:1']);
            if (resp === 3) {
                await subscriber.set('ps:a', own('a'));
                assert_own(await subscriber.get('ps:a'), 'a');
            }
            for (let i = 0; i < 1000; ++i) publisher.publish('ch:2', own(i)).catch(() => {});
            const many = await messages.take_all(1000);
            many.forEach((message, i) => assert.deepEqual(message, [own(i), 'ch:2']));
            await subscriber.unsubscribe('ch:1');
            assert.equal(await publisher.publish('ch:1', own('pattern only')), 1);
            await subscriber.pUnsubscribe('ch:*');  // without a name the libraries wait for a count of 0
            await subscriber.unsubscribe();
            await subscriber.sUnsubscribe('sh:1');
            assert.equal(await publisher.publish('ch:2', own('nobody')), 0);
            await subscriber.set('ps:b', own('b'));
            assert_own(await subscriber.get('ps:b'), 'b');
            assert.ok(messages.empty());

            const binary = new mailbox();
            await subscriber.subscribe('bin', binary.put, true);
            await publisher.publish('bin', all_bytes);
            const [body, channel] = await binary.take();
            assert.ok(all_bytes.equals(body) && channel.equals(Buffer.from('bin')));
            await leave(subscriber);
            await eventually('nobody subscribed', async () => (await publisher.pubSubChannels()).length === 0);
        },

        async reconnecting(defer) {
            const network = await relay.start();
            defer(() => network.stop());
            const direct = await open(defer);
            const subscriber = await open(defer, through(network), { may_break: true });
            const worker = await open(defer, { ...through(network), database: 2, name: 'cut' }, { may_break: true });
            const messages = new mailbox();
            const ids = await Promise.all([subscriber, worker].map(async (client) => String(await client.clientId())));
            await subscriber.subscribe('re:ch', messages.put);
            await subscriber.pSubscribe('re:p*', messages.put);
            await direct.select(2);
            const waiting = worker.blPop('re:q', 0);
            waiting.catch(() => {});
            await until_blocked(direct, 1);
            const back = [subscriber, worker].map((client) => event(client, 'ready'));
            network.cut();
            await Promise.all(back);
            // Until the server has noticed, what is published may go to a connection that is no more.
            await eventually('the old connections gone', async () =>
                (await direct.sendCommand(['CLIENT', 'LIST', 'ID', ...ids])).trim() === '');
            await eventually('subscribed again', async () => await direct.publish('re:ch', own('1')) === 1);
            assert.deepEqual((await messages.take()).slice(0, 2), [own('1'), 're:ch']);
            await eventually('pattern again', async () => await direct.publish('re:pat', own('2')) === 1);
            assert.deepEqual((await messages.take()).slice(0, 2), [own('2'), 're:pat']);
            // A command that was sent is not sent again; the place it took on the server is free.
            await assert.rejects(waiting);
            await until_blocked(direct, 0);
            await worker.set('re:a', own('a'));
            assert_own(await direct.get('re:a'), 'a');
            assert.equal(await worker.clientGetName(), 'cut');
            const gone = event(worker, 'error');
            network.down();
            await gone;
            const kept = worker.set('re:b', own('kept'));
            network.up();
            assert.equal(await kept, 'OK');
            assert_own(await direct.get('re:b'), 'kept');
            await direct.flushDb();
        },

        async killed(defer) {
            const killer = await open(defer);
            const victim = await open(defer, { socket: { host, port, reconnectStrategy: () => 10 }, name: 'victim' },
                { may_break: true });
            const id = await victim.clientId();
            const ready = event(victim, 'ready');
            assert.equal(await killer.clientKill({ filter: 'ID', id }), 1);
            await ready;
            const reborn = await victim.clientId();
            assert.notEqual(reborn, id);
            assert.equal((await killer.clientList({ ID: [String(reborn)] }))[0].name, 'victim');
        },

        async keyspace_events(defer) {
            const redis = await open(defer);
            const listener = await open(defer);
            const events = new mailbox();
            await listener.pSubscribe(['__keyspace@0__:ev:*', '__keyevent@0__:expired'], events.put);
            await redis.set('ev:a', own('a'), { PX: 20 });
            const take = () => events.take('an event; does the server have notify-keyspace-events KEA?');
            assert.deepEqual((await take()).slice(0, 2), ['set', '__keyspace@0__:ev:a']);
            assert.deepEqual((await take()).slice(0, 2), ['expire', '__keyspace@0__:ev:a']);
            await eventually('expiry', async () => Number(await redis.exists('ev:a')) === 0);
            const both = [await take(), await take()].map((message) => message.slice(0, 2)).sort();
            assert.deepEqual(both, [['ev:a', '__keyevent@0__:expired'], ['expired', '__keyspace@0__:ev:a']]);
        },

        ...(major >= 5 && {
            async resetting(defer) {
                const redis = await open(defer, { name: 'reset-me' });
                await redis.watch('reset:a');
                await redis.sendCommand(['MULTI']);
                await redis.set('reset:a', own('never'));
                await redis.reset();
                assert.equal(Number(await redis.exists('reset:a')), 0);
                assert.equal(await redis.clientGetName(), 'reset-me');
                assert_own(await redis.echo(own('e')), 'e');
            },
        }),
    };
}
