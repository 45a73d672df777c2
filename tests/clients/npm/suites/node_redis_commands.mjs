// Commands of every type with the replies node-redis makes of them, binary values, iterators.
import assert from 'node:assert/strict';
import { all_bytes, assert_own, own } from './support.mjs';

// The majors differ in small things: booleans or numbers, objects without prototype, names of fields.
function plain(reply) {
    if (typeof reply === 'boolean') return Number(reply);
    if (reply === null || typeof reply !== 'object' || Buffer.isBuffer(reply)) return reply;
    if (reply instanceof Map) return plain(Object.fromEntries(reply));
    if (Array.isArray(reply)) return reply.map(plain);
    return Object.fromEntries(Object.entries(reply).map(([name, value]) => [name, plain(value)]));
}

const same = (reply, expected) => assert.deepEqual(plain(reply), expected);

export function command_sections({ open, major, resp, with_buffers }) {
    // What iterators give: single elements up to major 4, pages since.
    async function collected(iterator) {
        const seen = [];
        for await (const page of iterator) seen.push(...(major >= 5 ? page : [page]));
        return seen;
    }

    return {
        async strings(defer) {
            const redis = await open(defer);
            same(await redis.set('s:a', own('a')), 'OK');
            assert_own(await redis.get('s:a'), 'a');
            same(await redis.set('s:a', own('x'), { NX: true }), null);
            assert_own(await redis.set('s:a', own('b'), { EX: 100, GET: true }), 'a');
            assert.ok(await redis.ttl('s:a') > 90);
            assert_own(await redis.getEx('s:a', { PERSIST: true }), 'b');
            same(await redis.ttl('s:a'), -1);
            same(await redis.append('s:a', '!'), own('b!').length);
            same(await redis.getRange('s:a', -2, -1), 'b!');
            same(await redis.mSet({ 's:b': own('1'), 's:c': own('2') }), 'OK');
            same(await redis.mGet(['s:b', 's:none', 's:c']), [own('1'), null, own('2')]);
            same(await redis.mSetNX([['s:c', 'x'], ['s:d', 'x']]), 0);
            same(await redis.incrBy('s:n', 41), 41);
            same(await redis.incr('s:n'), 42);
            same(await redis.incrByFloat('s:f', 1.5), '1.5');
            assert_own(await redis.getDel('s:c'), '2');
            same(await redis.lcsLen('s:b', 's:b'), own('1').length);
            await assert.rejects(redis.incr('s:a'), { message: /^ERR value is not an integer/ });
        },

        async keys(defer) {
            const redis = await open(defer);
            await redis.mSet({ 'k:1': own('1'), 'k:2': own('2'), 'k:3': own('3') });
            same((await redis.keys('k:*')).sort(), ['k:1', 'k:2', 'k:3']);
            same(await redis.exists(['k:1', 'k:none']), 1);
            same(await redis.type('k:1'), 'string');
            same(await redis.rename('k:1', 'k:one'), 'OK');
            same(await redis.renameNX('k:2', 'k:one'), 0);
            same(await redis.copy('k:one', 'k:copy'), major >= 5 ? 1 : 1);
            same(await redis.expire('k:copy', 100), 1);
            same(await redis.expire('k:copy', 50, 'GT'), 0);
            assert.ok(await redis.pTTL('k:copy') > 90_000);
            same(await redis.persist('k:copy'), 1);
            const binary = with_buffers(redis);
            const dumped = await binary.dump('k:copy');
            same(await redis.restore('k:restored', 0, dumped), 'OK');
            assert_own(await redis.get('k:restored'), '1');
            same(await redis.objectEncoding('k:one'), 'embstr');
            assert.ok(await redis.memoryUsage('k:one') > 0);
            same(await redis.touch(['k:one', 'k:copy']), 2);
            same(await redis.unlink(['k:restored', 'k:copy']), 2);
            same(await redis.del(['k:one', 'k:2', 'k:3']), 3);
            await assert.rejects(redis.rename('k:1', 'k:x'), { message: 'ERR no such key' });
        },

        async hashes_and_lists(defer) {
            const redis = await open(defer);
            same(await redis.hSet('h', { name: own('n'), city: own('c') }), 2);
            same(await redis.hGetAll('h'), { name: own('n'), city: own('c') });
            same(await redis.hGetAll('h:none'), {});
            same(await redis.hmGet('h', ['name', 'none']), [own('n'), null]);
            same(await redis.hIncrBy('h', 'age', 3), 3);
            same(await redis.hExists('h', 'age'), 1);
            same(await redis.hDel('h', 'age'), 1);
            same((await redis.hKeys('h')).sort(), ['city', 'name']);
            (await redis.hVals('h')).forEach((value) => assert_own(value));

            same(await redis.rPush('l', ['1', '2', '3'].map(own)), 3);
            same(await redis.lRange('l', 0, -1), ['1', '2', '3'].map(own));
            assert_own(await redis.lPop('l'), '1');
            same(await redis.lPos('l', own('3')), 1);
            assert_own(await redis.lMove('l', 'l:to', 'LEFT', 'RIGHT'), '2');
            same(await redis.lmPop(['l:none', 'l'], 'LEFT', { COUNT: 5 }), ['l', [own('3')]]);
            same(await redis.lmPop(['l:none'], 'LEFT'), null);
            await assert.rejects(redis.get('l:to'), { message: /^WRONGTYPE / });
        },

        async sets_and_sorted_sets(defer) {
            const redis = await open(defer);
            await redis.sAdd('set:1', ['a', 'b', 'c'].map(own));
            await redis.sAdd('set:2', ['b', 'c', 'd'].map(own));
            same([...await redis.sInter(['set:1', 'set:2'])].sort(), ['b', 'c'].map(own));
            same(await redis.sInterCard(['set:1', 'set:2']), 2);
            same(await redis.sUnionStore('set:3', ['set:1', 'set:2']), 4);
            same(await redis.smIsMember('set:1', [own('a'), own('d')]), [1, 0]);
            assert_own(await redis.sRandMember('set:1'));

            const most = major >= 5 ? Infinity : 99;  // major 4 makes NaN of what Redis calls inf
            same(await redis.zAdd('z', [{ score: 1, value: own('a') }, { score: 2.5, value: own('b') },
                { score: most, value: own('c') }]), 3);
            same(await redis.zScore('z', own('b')), 2.5);
            same(await redis.zRangeWithScores('z', 0, -1), [{ value: own('a'), score: 1 },
                { value: own('b'), score: 2.5 }, { value: own('c'), score: most }]);
            same(await redis.zRange('z', '(1', '+inf', { BY: 'SCORE', LIMIT: { offset: 0, count: 1 } }), [own('b')]);
            same(await redis.zIncrBy('z', 1, own('b')), 3.5);
            same(await redis.zPopMin('z'), { value: own('a'), score: 1 });
            same(await redis.zUnionStore('z:u', ['z', 'z']), 2);
            same(await redis.zScore('z:u', own('b')), 7);
            same(await redis.zInter(['z', 'z:u']), [own('b'), own('c')]);
            const popped = plain(await redis.zmPop(['z:none', 'z:u'], 'MIN'));
            assert.equal(popped.key, 'z:u');
            assert.deepEqual(popped.members ?? popped.elements, [{ value: own('b'), score: 7 }]);
            same(await redis.zRank('z', own('c')), 1);
        },

        async streams(defer) {
            const redis = await open(defer);
            const id = await redis.xAdd('x', '*', { field: own('1') });
            await redis.xAdd('x', '*', { field: own('2') }, { TRIM: { strategy: 'MAXLEN', threshold: 100 } });
            same(await redis.xLen('x'), 2);
            same(await redis.xRange('x', '-', '+', { COUNT: 1 }), [{ id, message: { field: own('1') } }]);
            same(await redis.xGroupCreate('x', 'g', '0'), 'OK');
            if (major !== 5 || resp === 2) {
                const read = plain(await redis.xRead([{ key: 'x', id: '0' }, { key: 'x:none', id: '0' }], { COUNT: 10 }));
                assert.deepEqual(read.map(({ name, messages }) => [name, messages.length]), [['x', 2]]);
                const group = plain(await redis.xReadGroup('g', 'alice', { key: 'x', id: '>' }, { COUNT: 1 }));
                assert.deepEqual(group, [{ name: 'x', messages: [{ id, message: { field: own('1') } }] }]);
            } else {
                const read = plain(await redis.sendCommand(['XREAD', 'STREAMS', 'x', '0']));
                assert.deepEqual(Object.keys(read), ['x']);
                await redis.xReadGroup('g', 'alice', { key: 'x', id: '>' }, { COUNT: 1 });
            }
            same((await redis.xPending('x', 'g')).pending, 1);
            same((await redis.xAutoClaim('x', 'g', 'bob', 0, '0')).messages, [{ id, message: { field: own('1') } }]);
            same(await redis.xAck('x', 'g', id), 1);
            const info = plain(await redis.xInfoStream('x'));
            assert.equal(info.length, 2);
            same((await redis.xInfoGroups('x'))[0].name, 'g');
            await assert.rejects(redis.xReadGroup('nogroup', 'c', { key: 'x', id: '>' }), {
                message: "NOGROUP No such key 'x' or consumer group 'nogroup' in XREADGROUP with GROUP option" });
        },

        async geo_bits_counts_and_sorting(defer) {
            const redis = await open(defer);
            same(await redis.geoAdd('geo', [{ longitude: 13.361389, latitude: 38.115556, member: own('Palermo') },
                { longitude: 15.087269, latitude: 37.502669, member: own('Catania') }]), 2);
            same(await redis.geoSearch('geo', { longitude: 15, latitude: 37 }, { radius: 100, unit: 'km' }),
                [own('Catania')]);
            same(await redis.geoSearchStore('geo:near', 'geo', { longitude: 15, latitude: 37 },
                { radius: 200, unit: 'km' }), 2);
            assert.ok(Math.abs(await redis.geoDist('geo', own('Palermo'), own('Catania'), 'km') - 166.27) < 0.1);
            same(await redis.setBit('bits', 7, 1), 0);
            same(await redis.bitCount('bits'), 1);
            same(await redis.bitOp('NOT', 'bits:not', 'bits'), 1);
            same(await redis.bitField('bits', [{ operation: 'INCRBY', encoding: 'u8', offset: 0, increment: 10 },
                { operation: 'GET', encoding: 'u4', offset: 0 }]), [11, 0]);
            same(await redis.pfAdd('pf', ['a', 'b', 'c']), 1);
            same(await redis.pfCount('pf'), 3);
            await redis.rPush('sort:ids', ['1', '2']);
            await redis.mSet({ 'sort:w_1': '20', 'sort:w_2': '10', 'sort:v_1': own('one'), 'sort:v_2': own('two') });
            same(await redis.sort('sort:ids', { BY: 'sort:w_*', GET: ['#', 'sort:v_*'] }),
                ['2', own('two'), '1', own('one')]);
            same(await redis.sortStore('sort:ids', 'sort:out', { DIRECTION: 'DESC' }), 2);
        },

        async binary(defer) {
            const redis = await open(defer);
            const binary = with_buffers(redis);
            const key = Buffer.concat([Buffer.from('bin:'), all_bytes]);
            const value = Buffer.concat([Buffer.from(own('')), all_bytes]);
            await redis.set(key, value);
            assert.ok(value.equals(await binary.get(key)));
            assert.ok(key.equals((await binary.keys('bin:*'))[0]));
            const large = Buffer.alloc(3_000_000, own('large '));
            await redis.set('bin:large', large);
            assert.ok(large.equals(await binary.get('bin:large')));
            await redis.hSet('bin:h', key, value);
            assert.ok(value.equals(await binary.hGet('bin:h', key)));
            await redis.set('käse:→', own('ünïcode ✓'));
            assert_own(await redis.get('käse:→'), 'ünïcode ✓');
            await redis.set('', own('empty'));
            assert_own(await redis.get(''), 'empty');
            assert.equal(await redis.unlink(['', 'bin:large', key]), 3);
        },

        async iterators(defer) {
            const redis = await open(defer);
            const count = 500;
            const batch = redis.multi();
            for (let i = 0; i < count; ++i) {
                batch.set(`scan:${i}`, own(i)).hSet('scan-h', `f${i}`, own(i)).sAdd('scan-s', own(i))
                    .zAdd('scan-z', { score: i, value: own(i) });
            }
            await batch.execAsPipeline();
            const keys = new Set(await collected(redis.scanIterator({ MATCH: 'scan:*', COUNT: 50 })));
            assert.deepEqual(keys, new Set(Array.from({ length: count }, (_, i) => `scan:${i}`)));
            same([...new Set(await collected(redis.scanIterator({ MATCH: 'scan*', TYPE: 'hash' })))], ['scan-h']);
            const fields = await collected(redis.hScanIterator('scan-h', { COUNT: 100 }));
            assert.equal(new Set(fields.map(({ field }) => field)).size, count);
            fields.forEach(({ value }) => assert_own(value));
            const members = await collected(redis.sScanIterator('scan-s', { MATCH: own('1*') }));
            assert.equal(new Set(members).size, 111);
            const scored = await collected(redis.zScanIterator('scan-z'));
            assert.equal(new Set(scored.map(({ value }) => value)).size, count);
            await assert.rejects(redis.sendCommand(['SCAN', 'nonsense']), { message: 'ERR invalid cursor' });
        },

        async server_talk(defer) {
            const redis = await open(defer, { database: 5 });
            same(await redis.flushDb(), 'OK');
            same(await redis.dbSize(), 0);
            same(await redis.randomKey(), null);
            await redis.set('only', own('one'));
            same(await redis.randomKey(), 'only');
            same(await redis.flushDb(), 'OK');
            same(await redis.exists('only'), 0);
            assert.match(await redis.info(), /redis_version:/);
            same((await redis.role()).role, 'master');
            same(await redis.ping(), 'PONG');
            same(await redis.echo('e'), 'e');
            assert.ok(await redis.commandCount() > 100);
            same(await redis.commandGetKeys(['MSET', 'a', '1', 'b', '2']), ['a', 'b']);
            const described = await redis.commandInfo(['get']);
            assert.equal(described[0].name, 'get');
            assert.ok(await redis.time());
            await assert.rejects(redis.sendCommand(['NOSUCH', 'a']), {
                message: "ERR unknown command 'NOSUCH', with args beginning with: 'a' " });
        },
    };
}
