// Client-side caching over RESP3: node-redis' own cache, and CLIENT TRACKING by hand.
import assert from 'node:assert/strict';
import { assert_own, event, eventually, mailbox, own, relay } from './support.mjs';

export function caching_sections({ library, open }) {
    const hits = (cache) => cache.stats().hitCount;

    return {
        async cache(defer) {
            const writer = await open(defer);
            const cache = new library.BasicClientSideCache({ ttl: 0, maxEntries: 100, evictPolicy: 'LRU' });
            const reader = await open(defer, { clientSideCache: cache });
            const invalidated = new mailbox();
            cache.on('invalidate', (key) => invalidated.put(key === null ? null : String(key)));
            await writer.set('csc:a', own('1'));
            await writer.hSet('csc:h', 'f', own('h'));
            assert_own(await reader.get('csc:a'), '1');
            assert_own(await reader.get('csc:a'), '1');
            assert.equal(hits(cache), 1);
            assert_own(await reader.hGet('csc:h', 'f'), 'h');
            await writer.set('csc:a', own('2'));
            assert.deepEqual(await invalidated.take('an invalidation'), ['csc:a']);
            assert_own(await reader.get('csc:a'), '2');
            assert_own(await reader.hGet('csc:h', 'f'), 'h');
            assert.equal(hits(cache), 2);

            // Several keys of one command, deletion, expiry, and what another database does not concern.
            await writer.mSet({ 'csc:m1': own('m1'), 'csc:m2': own('m2') });
            assert.deepEqual(await reader.mGet(['csc:m1', 'csc:m2']), [own('m1'), own('m2')]);
            await writer.del('csc:m2');
            assert.deepEqual(await invalidated.take(), ['csc:m2']);
            assert.deepEqual(await reader.mGet(['csc:m1', 'csc:m2']), [own('m1'), null]);
            await writer.set('csc:x', own('x'), { PX: 2000 });
            assert_own(await reader.get('csc:x'), 'x');
            await eventually('expiry', async () => Number(await writer.exists('csc:x')) === 0);
            assert.deepEqual(await invalidated.take(), ['csc:x']);
            assert.equal(await reader.get('csc:x'), null);

            // A flush takes everything with it, by name or all at once.
            assert_own(await reader.get('csc:a'), '2');
            await writer.flushDb();
            await eventually('invalidated by FLUSHDB', async () => await reader.get('csc:a') === null);
        },

        async cache_survives_reconnect(defer) {
            const network = await relay.start();
            defer(() => network.stop());
            const writer = await open(defer);
            const cache = new library.BasicClientSideCache();
            const reader = await open(defer, {
                clientSideCache: cache,
                socket: { host: '127.0.0.1', port: network.port, reconnectStrategy: () => 10 },
            }, { may_break: true });
            await writer.set('csr:a', own('1'));
            assert_own(await reader.get('csr:a'), '1');
            const ready = event(reader, 'ready');
            network.down();
            await writer.set('csr:a', own('2'));
            network.up();
            await ready;
            assert_own(await reader.get('csr:a'), '2');
            await writer.set('csr:a', own('3'));
            await eventually('invalidated after reconnecting', async () => await reader.get('csr:a') === own('3'));
        },

        async pool_cache(defer) {
            const writer = await open(defer);
            const cache = new library.BasicPooledClientSideCache({ maxEntries: 100 });
            const pool = library.createClientPool({ ...open.options }, { minimum: 2, maximum: 3, clientSideCache: cache });
            pool.on('error', () => {});
            await pool.connect();
            defer(() => pool.destroy());
            await writer.set('cp:a', own('1'));
            for (let i = 0; i < 10; ++i) assert_own(await pool.get('cp:a'), '1');
            assert.ok(hits(cache) >= 9);
            await writer.set('cp:a', own('2'));
            await eventually('invalidated', async () => await pool.get('cp:a') === own('2'));
        },

        async tracking_by_hand(defer) {
            const writer = await open(defer);
            const track = async (...options) => {
                const client = await open(defer, { emitInvalidate: true });
                const keys = new mailbox();
                client.on('invalidate', (key) => keys.put(key === null ? null : String(key)));
                // The library has it on already, without options, and the mode does not change while it is on.
                assert.equal(await client.sendCommand(['CLIENT', 'TRACKING', 'OFF']), 'OK');
                assert.equal(await client.sendCommand(['CLIENT', 'TRACKING', 'ON', ...options]), 'OK');
                return { client, keys };
            };
            const plain = await track();
            await writer.set('tr:a', own('1'));
            assert_own(await plain.client.get('tr:a'), '1');
            await writer.set('tr:a', own('2'));
            assert.deepEqual(await plain.keys.take('what a client read'), ['tr:a']);

            const broadcast = await track('BCAST', 'PREFIX', 'tr:b', 'PREFIX', 'tr:c');
            await writer.set('tr:a', own('3'));
            await writer.set('tr:b1', own('b'));
            await writer.set('tr:c1', own('c'));
            assert.deepEqual((await broadcast.keys.take_all(2, 'broadcast key')).flat().sort(), ['tr:b1', 'tr:c1']);
            const info = await broadcast.client.sendCommand(['CLIENT', 'TRACKINGINFO']);
            assert.deepEqual([...info.prefixes].sort(), ['tr:b', 'tr:c']);
            assert.deepEqual([...info.flags].sort(), ['bcast', 'on']);
            await assert.rejects(broadcast.client.sendCommand(['CLIENT', 'TRACKING', 'ON', 'BCAST', 'PREFIX', 'tr:bb']), {
                message: /^ERR Prefix 'tr:bb' overlaps with an existing prefix 'tr:b'/ });
            const all = await track('BCAST', 'NOLOOP');
            await all.client.set('tr:own', own('x'));
            await writer.set('tr:other', own('y'));
            assert.deepEqual(await all.keys.take('what another wrote, of all keys'), ['tr:other']);

            const chosen = await track('OPTIN');
            assert_own(await chosen.client.get('tr:a'), '3');
            const [, value] = await Promise.all([chosen.client.sendCommand(['CLIENT', 'CACHING', 'YES']),
                chosen.client.get('tr:b1')]);
            assert_own(value, 'b');
            await writer.set('tr:a', own('4'));
            await writer.set('tr:b1', own('b2'));
            assert.deepEqual(await chosen.keys.take('what was opted in'), ['tr:b1']);
            assert.equal(await chosen.client.sendCommand(['CLIENT', 'GETREDIR']), 0);
            assert.equal(await chosen.client.sendCommand(['CLIENT', 'TRACKING', 'OFF']), 'OK');
            assert.equal(await chosen.client.sendCommand(['CLIENT', 'GETREDIR']), -1);

            // Redirected to another connection of this tenant.
            const redirected = await open(defer, { emitInvalidate: true });
            const keys = new mailbox();
            redirected.on('invalidate', (key) => keys.put(String(key)));
            const id = await redirected.clientId();
            const source = await track('REDIRECT', String(id));
            assert.equal(await source.client.sendCommand(['CLIENT', 'GETREDIR']), id);
            assert_own(await source.client.get('tr:a'), '4');
            await writer.set('tr:a', own('5'));
            assert.deepEqual(await keys.take('a redirected key'), ['tr:a']);
        },
    };
}
