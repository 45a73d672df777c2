// Commands of every type, binary values, scan streams, as users of ioredis write them.
import assert from 'node:assert/strict';
import { all_bytes, assert_own, own } from './support.mjs';

export function command_sections(open, { resp3 }) {
    return {
        async strings(defer) {
            const redis = await open(defer);
            assert.equal(await redis.set('s:a', own('a')), 'OK');
            assert_own(await redis.get('s:a'), 'a');
            assert.equal(await redis.set('s:a', own('b'), 'NX'), null);
            assert_own(await redis.set('s:a', own('b'), 'EX', 100, 'GET'), 'a');
            assert.ok(await redis.ttl('s:a') > 90);
            assert_own(await redis.getex('s:a', 'PERSIST'), 'b');
            assert.equal(await redis.ttl('s:a'), -1);
            assert.equal(await redis.append('s:a', '!'), own('b!').length);
            assert.equal(await redis.setrange('s:a', 0, tenant_letter()), own('b!').length);
            assert_own(await redis.get('s:a'), 'b!');
            assert.equal(await redis.getrange('s:a', -2, -1), 'b!');
            assert.equal(await redis.mset({ 's:b': own('1'), 's:c': own('2') }), 'OK');
            assert.equal(await redis.mset(new Map([['s:d', own('3')]])), 'OK');
            assert.deepEqual(await redis.mget('s:b', 's:c', 's:d', 's:none'), [own('1'), own('2'), own('3'), null]);
            assert.equal(await redis.msetnx('s:d', own('x'), 's:e', own('x')), 0);
            assert.equal(await redis.incr('s:n'), 1);
            assert.equal(await redis.incrby('s:n', 41), 42);
            assert.equal(await redis.decr('s:n'), 41);
            assert.equal(await redis.incrbyfloat('s:f', 1.5), '1.5');
            assert_own(await redis.getdel('s:d'), '3');
            assert.equal(await redis.strlen('s:d'), 0);
            assert.equal(await redis.lcs('s:b', 's:c', 'LEN'), own('').length);
            await assert.rejects(redis.incr('s:a'), { name: 'ReplyError', message: /^ERR value is not an integer/ });
        },

        async keys(defer) {
            const redis = await open(defer);
            await redis.mset('k:1', own('1'), 'k:2', own('2'), 'k:3', own('3'));
            assert.deepEqual((await redis.keys('k:*')).sort(), ['k:1', 'k:2', 'k:3']);
            assert.equal(await redis.exists('k:1', 'k:2', 'k:none'), 2);
            assert.equal(await redis.type('k:1'), 'string');
            assert.equal(await redis.rename('k:1', 'k:one'), 'OK');
            assert.equal(await redis.renamenx('k:2', 'k:one'), 0);
            await assert.rejects(redis.rename('k:1', 'k:x'), { message: 'ERR no such key' });
            assert.equal(await redis.copy('k:one', 'k:copy'), 1);
            assert_own(await redis.get('k:copy'), '1');
            assert.equal(await redis.touch('k:one', 'k:copy'), 2);
            assert.equal(await redis.pexpire('k:copy', 100_000), 1);
            assert.ok(await redis.pttl('k:copy') > 90_000);
            assert.equal(await redis.expire('k:copy', 50, 'GT'), 0);
            assert.ok(await redis.expiretime('k:copy') > Date.now() / 1000);
            assert.equal(await redis.persist('k:copy'), 1);
            const dumped = await redis.dumpBuffer('k:copy');
            assert.equal(await redis.restore('k:restored', 0, dumped), 'OK');
            assert_own(await redis.get('k:restored'), '1');
            await assert.rejects(redis.restore('k:restored', 0, dumped), { message: /^BUSYKEY/ });
            assert.equal(await redis.object('ENCODING', 'k:one'), 'embstr');
            assert.ok(await redis.memory('USAGE', 'k:one') > 0);
            assert.equal(await redis.unlink('k:restored', 'k:copy'), 2);
            assert.equal(await redis.del(['k:one', 'k:2', 'k:3']), 3);
            assert.deepEqual(await redis.keys('k:*'), []);
        },

        async hashes(defer) {
            const redis = await open(defer);
            assert.equal(await redis.hset('h', { name: own('n'), city: own('c') }), 2);
            assert.equal(await redis.hset('h', new Map([['age', '7']])), 1);
            assert.deepEqual({ ...await redis.hgetall('h') }, { name: own('n'), city: own('c'), age: '7' });
            assert.deepEqual({ ...await redis.hgetall('h:none') }, {});
            assert.deepEqual(await redis.hmget('h', 'name', 'none'), [own('n'), null]);
            assert.equal(await redis.hincrby('h', 'age', 3), 10);
            assert.equal(await redis.hincrbyfloat('h', 'age', 0.5), '10.5');
            assert.equal(await redis.hdel('h', 'age'), 1);
            assert.deepEqual((await redis.hkeys('h')).sort(), ['city', 'name']);
            (await redis.hvals('h')).forEach((value) => assert_own(value));
            assert.equal((await redis.hrandfield('h', 2, 'WITHVALUES')).flat().length, 4);
            assert.equal(await redis.hsetnx('h', 'name', 'x'), 0);
            assert.equal(await redis.hlen('h'), 2);
        },

        async lists(defer) {
            const redis = await open(defer);
            assert.equal(await redis.rpush('l', own('1'), own('2'), own('3')), 3);
            assert.equal(await redis.lpush('l', own('0')), 4);
            assert.deepEqual(await redis.lrange('l', 0, -1), ['0', '1', '2', '3'].map(own));
            assert_own(await redis.lpop('l'), '0');
            assert.deepEqual(await redis.rpop('l', 2), [own('3'), own('2')]);
            assert.equal(await redis.linsert('l', 'BEFORE', own('1'), own('b')), 2);
            assert.equal(await redis.lpos('l', own('1')), 1);
            assert_own(await redis.lmove('l', 'l:other', 'LEFT', 'RIGHT'), 'b');
            assert.deepEqual(await redis.lmpop(2, 'l:none', 'l', 'LEFT', 'COUNT', 5), ['l', [own('1')]]);
            assert.equal(await redis.lmpop(1, 'l', 'LEFT'), null);
            assert.equal(await redis.lset('l:other', 0, own('z')), 'OK');
            assert.equal(await redis.ltrim('l:other', 0, 0), 'OK');
            assert_own(await redis.lindex('l:other', 0), 'z');
            await assert.rejects(redis.get('l:other'), { message: /^WRONGTYPE Operation against a key/ });
        },

        async sets(defer) {
            const redis = await open(defer);
            await redis.sadd('set:1', ['a', 'b', 'c'].map(own));
            await redis.sadd('set:2', ['b', 'c', 'd'].map(own));
            assert.deepEqual((await redis.sinter('set:1', 'set:2')).sort(), ['b', 'c'].map(own));
            assert.equal(await redis.sintercard(2, 'set:1', 'set:2'), 2);
            assert.deepEqual(await redis.sdiff('set:1', 'set:2'), [own('a')]);
            assert.equal(await redis.sunionstore('set:3', 'set:1', 'set:2'), 4);
            assert.deepEqual(await redis.smismember('set:1', own('a'), own('d')), [1, 0]);
            assert.equal(await redis.smove('set:1', 'set:2', own('a')), 1);
            assert_own(await redis.srandmember('set:1'));
            assert_own(await redis.spop('set:1'));
            assert.equal(await redis.scard('set:1'), 1);
        },

        async sorted_sets(defer) {
            const redis = await open(defer);
            assert.equal(await redis.zadd('z', 1, own('a'), 2.5, own('b'), '+inf', own('c')), 3);
            assert.equal(await redis.zscore('z', own('b')), '2.5');
            assert.deepEqual(await redis.zrange('z', 0, -1, 'WITHSCORES'),
                [own('a'), '1', own('b'), '2.5', own('c'), 'inf']);
            assert.deepEqual(await redis.zrangebyscore('z', '(1', '+inf', 'LIMIT', 0, 1), [own('b')]);
            assert.equal(await redis.zadd('z', 'GT', 'CH', 9, own('b')), 1);
            assert.equal(await redis.zincrby('z', 1, own('b')), '10');
            assert.deepEqual(await redis.zpopmin('z'), [own('a'), '1']);
            await redis.zadd('z:2', 5, own('b'));
            assert.equal(await redis.zunionstore('z:u', 2, 'z', 'z:2', 'WEIGHTS', 1, 2, 'AGGREGATE', 'SUM'), 2);
            assert.equal(await redis.zscore('z:u', own('b')), '20');
            assert.deepEqual(await redis.zinter(2, 'z', 'z:2'), [own('b')]);
            const [key, popped] = await redis.zmpop(2, 'z:none', 'z:2', 'MIN');
            assert.equal(key, 'z:2');
            assert.deepEqual(popped, [[own('b'), '5']]);
            assert.equal(await redis.zrank('z', own('c')), 1);
            assert.equal(await redis.zrangestore('z:top', 'z', 0, 0), 1);
            assert.equal(await redis.zremrangebyrank('z', 0, -1), 2);
        },

        async streams(defer) {
            const redis = await open(defer);
            const id = await redis.xadd('x', '*', 'field', own('1'));
            await redis.xadd('x', 'MAXLEN', '~', 1000, '*', 'field', own('2'));
            assert.equal(await redis.xlen('x'), 2);
            const [[first, fields]] = await redis.xrange('x', '-', '+', 'COUNT', 1);
            assert.equal(first, id);
            assert_own(fields[1], '1');
            const read = await redis.xread('COUNT', 10, 'STREAMS', 'x', 'x:none', '0', '0');
            assert.deepEqual(read.map(([key, entries]) => [key, entries.length]), [['x', 2]]);
            await redis.xgroup('CREATE', 'x', 'g', '0');
            await assert.rejects(redis.xgroup('CREATE', 'x', 'g', '0'), { message: /^BUSYGROUP/ });
            const [[stream, entries]] = await redis.xreadgroup('GROUP', 'g', 'alice', 'COUNT', 1, 'STREAMS', 'x', '>');
            assert.equal(stream, 'x');
            assert_own(entries[0][1][1], '1');
            assert.equal((await redis.xpending('x', 'g'))[0], 1);
            const [, claimed] = await redis.xautoclaim('x', 'g', 'bob', 0, '0');
            assert.equal(claimed[0][0], id);
            assert.equal(await redis.xack('x', 'g', id), 1);
            const info = await redis.xinfo('STREAM', 'x');
            assert.equal(info[info.indexOf('length') + 1], 2);
            assert.equal(await redis.xtrim('x', 'MAXLEN', 0), 2);
            await assert.rejects(redis.xreadgroup('GROUP', 'nogroup', 'c', 'STREAMS', 'x', '>'), (error) => {
                assert.equal(error.message,
                    "NOGROUP No such key 'x' or consumer group 'nogroup' in XREADGROUP with GROUP option");
                return true;
            });
        },

        async geo_bits_and_counts(defer) {
            const redis = await open(defer);
            assert.equal(await redis.geoadd('geo', 13.361389, 38.115556, own('Palermo'), 15.087269, 37.502669,
                own('Catania')), 2);
            assert.deepEqual(await redis.geosearch('geo', 'FROMLONLAT', 15, 37, 'BYRADIUS', 100, 'km'),
                [own('Catania')]);
            assert.equal(await redis.georadius('geo', 15, 37, 200, 'km', 'STORE', 'geo:near'), 2);
            assert.equal(await redis.zcard('geo:near'), 2);
            assert.ok(Math.abs(await redis.geodist('geo', own('Palermo'), own('Catania'), 'km') - 166.27) < 0.1);
            assert.equal(await redis.setbit('bits', 7, 1), 0);
            assert.equal(await redis.bitcount('bits'), 1);
            assert.equal(await redis.bitpos('bits', 1), 7);
            assert.equal(await redis.bitop('NOT', 'bits:not', 'bits'), 1);
            assert.deepEqual(await redis.bitfield('bits', 'INCRBY', 'u8', 0, 10, 'GET', 'u4', 0), [11, 0]);
            assert.equal(await redis.pfadd('pf', 'a', 'b', 'c'), 1);
            assert.equal(await redis.pfmerge('pf:all', 'pf'), 'OK');
            assert.equal(await redis.pfcount('pf:all'), 3);
        },

        async sorting(defer) {
            const redis = await open(defer);
            await redis.rpush('sort:ids', 1, 2, 3);
            await redis.mset('sort:w_1', 30, 'sort:w_2', 20, 'sort:w_3', 10);
            await redis.mset('sort:v_1', own('one'), 'sort:v_2', own('two'), 'sort:v_3', own('three'));
            assert.deepEqual(await redis.sort('sort:ids', 'BY', 'sort:w_*', 'GET', '#', 'GET', 'sort:v_*'),
                ['3', own('three'), '2', own('two'), '1', own('one')]);
            assert.equal(await redis.sort('sort:ids', 'BY', 'nosort', 'STORE', 'sort:out'), 3);
            assert.deepEqual(await redis.lrange('sort:out', 0, -1), ['1', '2', '3']);
        },

        async binary(defer) {
            const redis = await open(defer);
            const key = Buffer.concat([Buffer.from('bin:'), all_bytes]);
            const value = Buffer.concat([Buffer.from(own('')), all_bytes]);
            await redis.set(key, value);
            assert.ok(value.equals(await redis.getBuffer(key)));
            const [found] = await redis.keysBuffer('bin:*');
            assert.ok(key.equals(found));
            await redis.hset('bin:h', key, value);
            const [field, content] = Object.entries(await redis.hgetallBuffer('bin:h')).flat();
            assert.equal(typeof field, 'string');
            assert.ok(value.equals(content));
            const large = Buffer.alloc(3_000_000, own('large '));
            await redis.set('bin:large', large);
            assert.ok(large.equals(await redis.getBuffer('bin:large')));
            assert.ok(value.equals(await redis.callBuffer('GET', key)));
            await redis.set('', own('empty'));
            assert_own(await redis.get(''), 'empty');
            await redis.set('käse:→', own('ünïcode ✓'));
            assert_own(await redis.get('käse:→'), 'ünïcode ✓');
            assert.ok((await redis.keys('*')).includes('käse:→'));
            assert.equal(await redis.unlink('', 'bin:large'), 2);
        },

        async scan_streams(defer) {
            const redis = await open(defer);
            const count = 500;
            const pipeline = redis.pipeline();
            for (let i = 0; i < count; ++i) {
                pipeline.set(`scan:${i}`, own(i)).hset('scan-h', `f${i}`, own(i)).sadd('scan-s', own(i))
                    .zadd('scan-z', i, own(i));
            }
            await pipeline.exec();
            const collected = async (stream) => {
                const seen = [];
                for await (const page of stream) seen.push(...page);
                return seen;
            };
            const keys = new Set(await collected(redis.scanStream({ match: 'scan:*', count: 50 })));
            assert.deepEqual(keys, new Set(Array.from({ length: count }, (_, i) => `scan:${i}`)));
            const hashes = new Set(await collected(redis.scanStream({ match: 'scan*', type: 'hash' })));
            assert.deepEqual(hashes, new Set(['scan-h']));
            const binary = await collected(redis.scanBufferStream({ match: 'scan:1?' }));
            assert.deepEqual(new Set(binary.map(String)), new Set(Array.from({ length: 10 }, (_, i) => `scan:1${i}`)));
            const fields = await collected(redis.hscanStream('scan-h', { count: 100 }));
            assert.equal(new Set(fields.filter((_, i) => i % 2 === 0)).size, count);
            fields.filter((_, i) => i % 2 === 1).forEach((value) => assert_own(value));
            const members = await collected(redis.sscanStream('scan-s', { match: own('1*') }));
            assert.equal(new Set(members).size, 111);
            const scored = await collected(redis.zscanStream('scan-z'));
            assert.equal(new Set(scored.filter((_, i) => i % 2 === 0)).size, count);
            await assert.rejects(redis.scan('nonsense'), { message: 'ERR invalid cursor' });
        },

        async whole_keyspace(defer) {
            const redis = await open(defer, { db: 5 });
            await redis.flushdb();
            assert.equal(await redis.dbsize(), 0);
            assert.equal(await redis.randomkey(), null);
            await redis.set('only', own('one'));
            assert.equal(await redis.randomkey(), 'only');
            assert.equal(await redis.dbsize(), 1);
            assert.equal(await redis.flushdb('ASYNC'), 'OK');
            assert.equal(await redis.exists('only'), 0);
        },

        async server_talk(defer) {
            const redis = await open(defer);
            assert.match(await redis.info(), /redis_version:/);
            assert.match(await redis.info('server'), /(redis|server)_mode:standalone/);
            assert.equal((await redis.time()).length, 2);
            assert.equal((await redis.role())[0], 'master');
            assert.equal(await redis.echo(own('e')), own('e'));
            assert.equal(await redis.ping(), 'PONG');
            assert.equal(await redis.ping('hello'), 'hello');
            assert.ok(await redis.command('COUNT') > 100);
            assert.deepEqual(await redis.command('GETKEYS', 'MSET', 'a', '1', 'b', '2'), ['a', 'b']);
            assert.match(await redis.lolwut(), /(Redis|Valkey) ver/);
            await assert.rejects(redis.call('NOSUCH', 'a', 'b'), {
                name: 'ReplyError',
                message: "ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' ",
            });
            await assert.rejects(redis.call('GET'), { message: "ERR wrong number of arguments for 'get' command" });
            const by_callback = await new Promise((resolve, reject) => {
                redis.set('cb', own('cb'), () => redis.get('cb', (error, value) => error ? reject(error) : resolve(value)));
            });
            assert_own(by_callback, 'cb');
        },

        // ioredis 6 speaks RESP3 and hands out RESP3's own shapes when asked to.
        ...(resp3 && {
            async resp3_shapes(defer) {
                const redis = await open(defer, { replyMapping: 'resp3' });
                await redis.zadd('r3:z', 1.5, own('m'));
                assert.equal(await redis.zscore('r3:z', own('m')), 1.5);
                assert.deepEqual(await redis.zrange('r3:z', 0, -1, 'WITHSCORES'), [[own('m'), 1.5]]);
                await redis.hset('r3:h', 'f', own('v'));
                assert.deepEqual({ ...await redis.hgetall('r3:h') }, { f: own('v') });
                await redis.xadd('r3:x', '*', 'f', own('v'));
                const read = await redis.xread('STREAMS', 'r3:x', '0');
                assert.deepEqual(Object.keys(read), ['r3:x']);
                assert.equal(await redis.hget('r3:none', 'f'), null);
                const hello = await redis.hello();
                assert.equal(hello.proto, 3);
            },
        }),
    };
}

// The first letter of the tenant's word: what SETRANGE may write without changing it.
function tenant_letter() {
    return own('')[0];
}
