// Connections of ioredis: their options, pub/sub, what happens when they are cut, events.
import assert from 'node:assert/strict';
import { assert_own, event, eventually, host, mailbox, own, port, relay, all_bytes } from './support.mjs';
import { until_blocked } from './ioredis_flow.mjs';

// What a client says when the network is cut, and nothing else.
const broken = /ECONNRESET|EPIPE|closed/;

export function connection_sections(open, { Redis, resp3 }) {
    return {
        async connecting(defer) {
            const lazy = await open(defer, { lazyConnect: true }, { wait: false });
            assert.equal(lazy.status, 'wait');
            await lazy.connect();
            assert.equal(lazy.status, 'ready');
            const [major, minor] = String(lazy.serverInfo?.redis_version ?? '7.0').split('.').map(Number);
            assert.ok(major * 100 + minor >= 700);

            const named = await open(defer, { connectionName: 'worker-1' });
            assert.equal(await named.client('GETNAME'), 'worker-1');
            assert.equal(await named.client('SETNAME', 'worker-2'), 'OK');
            const id = await named.client('ID');
            const list = await named.client('LIST');
            assert.match(list, new RegExp(`id=${id} .* name=worker-2 `));
            assert.match(await named.client('INFO'), /name=worker-2 /);
            assert.equal(await named.client('NO-EVICT', 'ON'), 'OK');
            const hurried = await open(defer, { enableReadyCheck: false, commandTimeout: 3000, keepAlive: 1000 });
            assert.equal(await hurried.ping(), 'PONG');
            const other = lazy.duplicate();
            defer(() => other.disconnect());
            assert.equal(await other.ping(), 'PONG');
            assert.equal(await other.quit(), 'OK');
            await eventually('the end', () => other.status === 'end');
            await assert.rejects(other.ping(), { message: 'Connection is closed.' });
        },

        async databases(defer) {
            const zero = await open(defer);
            const three = await open(defer, { db: 3 });
            const by_url = new Redis(`redis://${host}:${port}/3`);
            defer(() => by_url.disconnect());
            await three.flushdb();
            await zero.set('db:a', own('zero'));
            await three.set('db:a', own('three'));
            assert_own(await by_url.get('db:a'), 'three');
            assert_own(await zero.get('db:a'), 'zero');
            assert.equal(await zero.select(3), 'OK');
            assert_own(await zero.get('db:a'), 'three');
            const piped = await zero.pipeline().select(0).get('db:a').select(3).get('db:a').exec();
            assert.deepEqual(piped.map(([, reply]) => reply), ['OK', own('zero'), 'OK', own('three')]);
            await zero.select(0);
            assert.equal(await zero.move('db:a', 4), 1);
            assert.equal(await zero.copy('db:a', 'db:b', 'DB', 3), 0);
            await zero.select(4);
            assert_own(await zero.get('db:a'), 'zero');
            assert.equal(await zero.copy('db:a', 'db:b', 'DB', 3), 1);
            assert_own(await three.get('db:b'), 'zero');
            await assert.rejects(zero.select(99), { message: 'ERR DB index is out of range' });
            await zero.flushdb();
        },

        async key_prefix(defer) {
            const redis = await open(defer, { keyPrefix: 'kp:' });
            const plain = await open(defer);
            await redis.set('a', own('a'));
            assert_own(await plain.get('kp:a'), 'a');
            await redis.mset('b', own('b'), 'c', own('c'));
            assert.deepEqual(await plain.mget('kp:b', 'kp:c'), [own('b'), own('c')]);
            await redis.zadd('z1', 1, 'm');
            assert.equal(await redis.zunionstore('z2', 2, 'z1', 'z1'), 1);
            assert.equal(await plain.zscore('kp:z2', 'm'), '2');
            await redis.xadd('x', '*', 'f', own('v'));
            assert.equal((await redis.xread('STREAMS', 'x', '0'))[0][0], 'kp:x');
        },

        async pubsub(defer) {
            const publisher = await open(defer);
            const subscriber = await open(defer);
            const messages = new mailbox();
            const patterns = new mailbox();
            const shards = new mailbox();
            subscriber.on('message', messages.put);
            subscriber.on('pmessage', patterns.put);
            // The library counts shard channels together with the others, so they get a client of their own.
            const shard_subscriber = await open(defer);
            shard_subscriber.on('smessage', shards.put);
            assert.equal(await subscriber.subscribe('ch:1', 'ch:2'), 2);
            assert.equal(await subscriber.psubscribe('ch:*', '*[12]'), 4);
            assert.equal(await shard_subscriber.ssubscribe('sh:1'), 1);
            assert.equal(await publisher.publish('ch:1', own('hello')), 3);
            assert.deepEqual(await messages.take(), ['ch:1', own('hello')]);
            // In which order several patterns are served is the server's affair.
            assert.deepEqual((await patterns.take_all(2)).sort(),
                [['*[12]', 'ch:1', own('hello')], ['ch:*', 'ch:1', own('hello')]]);
            assert.equal(await publisher.spublish('sh:1', own('shard')), 1);
            assert.deepEqual(await shards.take(), ['sh:1', own('shard')]);
            assert.deepEqual((await publisher.pubsub('CHANNELS')).sort(), ['ch:1', 'ch:2']);
            assert.deepEqual(await publisher.pubsub('NUMSUB', 'ch:1', 'ch:none'), ['ch:1', 1, 'ch:none', 0]);
            assert.equal(await publisher.pubsub('NUMPAT'), 2);
            assert.deepEqual(await publisher.pubsub('SHARDCHANNELS'), ['sh:1']);
            assert.equal(await subscriber.unsubscribe('ch:1'), 3);
            assert.equal(await subscriber.punsubscribe('*[12]'), 2);
            assert.equal(await publisher.publish('ch:1', own('again')), 1);
            assert.deepEqual(await patterns.take(), ['ch:*', 'ch:1', own('again')]);
            if (resp3) {
                await publisher.set('ps:a', own('a'));
                assert_own(await subscriber.get('ps:a'), 'a');
            } else {
                await assert.rejects(subscriber.get('ps:a'), { message: /^Connection in subscriber mode/ });
            }
            await subscriber.ping();
            for (let i = 0; i < 1000; ++i) publisher.publish('ch:2', own(i)).catch(() => {});
            const many = await messages.take_all(1000);
            many.forEach(([channel, text], i) => assert.deepEqual([channel, text], ['ch:2', own(i)]));
            assert.equal(await subscriber.punsubscribe('ch:*'), 1);
            assert.equal(await subscriber.unsubscribe(), 0);
            assert.equal(await shard_subscriber.sunsubscribe(), 0);
            assert.equal(await publisher.publish('ch:2', own('nobody')), 0);
            assert.equal(await subscriber.set('ps:b', own('b')), 'OK');
            assert.ok(messages.empty());

            const binary = new mailbox();
            subscriber.on('messageBuffer', binary.put);
            await subscriber.subscribe(all_bytes);
            assert.equal(await publisher.publish(all_bytes, all_bytes), 1);
            const [channel, body] = await binary.take();
            assert.ok(all_bytes.equals(channel) && all_bytes.equals(body));
            subscriber.disconnect();
            await eventually('nobody subscribed', async () => await publisher.publish('ch:2', 'x') === 0
                && (await publisher.pubsub('CHANNELS')).length === 0);
        },

        async reconnecting(defer) {
            const network = await relay.start();
            defer(() => network.stop());
            const direct = await open(defer);
            const options = { port: network.port, host: '127.0.0.1', retryStrategy: () => 10, maxRetriesPerRequest: null };
            const subscriber = await open(defer, options, { errors: broken });
            const worker = await open(defer, { ...options, db: 2, connectionName: 'cut' },
                { errors: broken });
            const messages = new mailbox();
            subscriber.on('message', messages.put);
            subscriber.on('pmessage', messages.put);
            const ids = await Promise.all([subscriber, worker].map((client) => client.client('ID')));
            await subscriber.subscribe('re:ch');
            await subscriber.psubscribe('re:p*');
            await direct.select(2);
            const waiting = worker.blpop('re:q', 0);
            await until_blocked(direct, 1);
            const back = [subscriber, worker].map((client) => event(client, 'ready'));
            network.cut();
            await Promise.all(back);
            // Until the server has noticed, what is published or pushed may go to a connection that is no more.
            await eventually('the old connections gone', async () => (await direct.client('LIST', 'ID', ...ids)).trim() === '');
            // Subscriptions, the database and the unanswered pop come back by themselves.
            await eventually('subscribed again', async () => await direct.publish('re:ch', own('1')) === 1);
            assert.deepEqual(await messages.take(), ['re:ch', own('1')]);
            await eventually('pattern again', async () => await direct.publish('re:pat', own('2')) === 1);
            assert.deepEqual(await messages.take(), ['re:p*', 're:pat', own('2')]);
            await until_blocked(direct, 1);
            await direct.rpush('re:q', own('popped'));
            assert.deepEqual(await waiting, ['re:q', own('popped')]);
            assert.equal(await worker.client('GETNAME'), 'cut');

            // While the network is down commands wait in the client; a client that may not retry fails them.
            const impatient = await open(defer, { ...options, maxRetriesPerRequest: 1 },
                { errors: broken });
            const closed = event(impatient, 'close');
            network.down();
            await closed;
            const kept = worker.set('re:a', own('kept'));
            await assert.rejects(impatient.get('re:a'), { name: 'MaxRetriesPerRequestError' });
            network.up();
            assert.equal(await kept, 'OK');
            assert_own(await direct.get('re:a'), 'kept');
            // The library does not expect to be closed while it is restoring what a connection had.
            await Promise.all([impatient, worker, subscriber].map((client) => client.ping()));
            await direct.flushdb();
        },

        async killed(defer) {
            const killer = await open(defer);
            const victim = await open(defer, { connectionName: 'victim', retryStrategy: () => 10 },
                { errors: broken });
            const id = await victim.client('ID');
            const ready = event(victim, 'ready');
            assert.equal(await killer.client('KILL', 'ID', id), 1);
            await ready;
            const reborn = await victim.client('ID');
            assert.notEqual(reborn, id);
            assert.match(await killer.client('LIST', 'ID', reborn), /name=victim/);
            await assert.rejects(killer.client('KILL', '127.0.0.1:1'), { message: 'ERR No such client' });
        },

        async keyspace_events(defer) {
            const redis = await open(defer);
            const listener = await open(defer);
            const events = new mailbox();
            const by_key = new mailbox();
            listener.on('message', events.put);
            listener.on('pmessage', (pattern, channel, message) => by_key.put(channel, message));
            await listener.subscribe('__keyevent@0__:expired', '__keyevent@0__:del');
            await listener.psubscribe('__keyspace@0__:ev:*');
            await redis.set('ev:a', own('a'), 'PX', 20);
            assert.deepEqual(await by_key.take('an event; does the server have notify-keyspace-events KEA?'),
                ['__keyspace@0__:ev:a', 'set']);
            assert.deepEqual(await by_key.take(), ['__keyspace@0__:ev:a', 'expire']);
            await eventually('expiry', async () => await redis.exists('ev:a') === 0);
            assert.deepEqual(await by_key.take(), ['__keyspace@0__:ev:a', 'expired']);
            assert.deepEqual(await events.take(), ['__keyevent@0__:expired', 'ev:a']);
            await redis.lpush('ev:list', own('1'));
            await redis.del('ev:list');
            assert.deepEqual(await by_key.take_all(2), [['__keyspace@0__:ev:list', 'lpush'],
                ['__keyspace@0__:ev:list', 'del']]);
            assert.deepEqual(await events.take(), ['__keyevent@0__:del', 'ev:list']);
        },

        async reset_and_modes(defer) {
            const redis = await open(defer, { db: 1 });
            await redis.client('SETNAME', 'to-be-forgotten');
            redis.multi({ pipeline: false });
            await redis.set('reset:a', own('never'));
            assert.equal(await redis.reset(), 'RESET');
            assert.equal(await redis.client('GETNAME'), null);
            assert.equal(await redis.exists('reset:a'), 0);
            assert.match(await redis.readonly().catch((error) => error.message),
                /^(ERR This instance has cluster support disabled|OK)$/);  // Valkey 8 says OK
        },
    };
}
