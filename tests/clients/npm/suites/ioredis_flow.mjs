// Pipelines, transactions, blocking commands and scripts of ioredis.
import assert from 'node:assert/strict';
import { all_bytes, assert_own, by_deadline, eventually, mailbox, own, unseen } from './support.mjs';

export function flow_sections(open, { resp3 }) {
    return {
        async pipelines(defer) {
            const redis = await open(defer);
            const results = await redis.pipeline().set('p:a', own('a')).get('p:a').incr('p:a').del('p:a').exec();
            assert.deepEqual(results.slice(0, 2), [[null, 'OK'], [null, own('a')]]);
            assert.match(results[2][0].message, /^ERR value is not an integer/);
            assert.deepEqual(results[3], [null, 1]);
            const array = await redis.pipeline([['set', 'p:b', own('b')], ['get', 'p:b']]).exec();
            assert_own(array[1][1], 'b');
            const long = redis.pipeline();
            for (let i = 0; i < 5000; ++i) long.set(`p:${i}`, own(i)).get(`p:${i}`);
            const replies = await long.exec();
            for (let i = 0; i < 5000; ++i) assert_own(replies[2 * i + 1][1], String(i));
            const gone = redis.pipeline();
            for (let i = 0; i < 5000; ++i) gone.unlink(`p:${i}`);
            assert.ok((await gone.exec()).every(([error, count]) => error === null && count === 1));
            // What weir answers itself stands between what the server answers.
            const mixed = await redis.pipeline().ping().set('p:c', own('c')).echo('e').get('p:c').dbsize().time()
                .get('p:c').exec();
            assert.deepEqual(mixed.slice(0, 4).map(([, reply]) => reply), ['PONG', 'OK', 'e', own('c')]);
            assert_own(mixed[6][1], 'c');
        },

        async auto_pipelining(defer) {
            const redis = await open(defer, { enableAutoPipelining: true });
            const numbers = Array.from({ length: 1000 }, (_, i) => i);
            await Promise.all(numbers.map((i) => redis.set(`ap:${i}`, own(i))));
            const values = await Promise.all(numbers.map((i) => redis.get(`ap:${i}`)));
            values.forEach((value, i) => assert_own(value, String(i)));
            const mixed = await Promise.allSettled([redis.get('ap:1'), redis.lpush('ap:1', 'x'), redis.get('ap:2')]);
            assert.deepEqual(mixed.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled']);
            assert_own(mixed[2].value, '2');
            assert.equal(await redis.del(numbers.map((i) => `ap:${i}`)), 1000);
        },

        async transactions(defer) {
            const redis = await open(defer);
            const results = await redis.multi().set('t:a', own('a')).get('t:a').incr('t:a').keys('t:*')
                .exec();
            assert.deepEqual(results.slice(0, 2), [[null, 'OK'], [null, own('a')]]);
            assert.match(results[2][0].message, /^ERR value is not an integer/);
            assert.deepEqual(results[3], [null, ['t:a']]);

            redis.multi({ pipeline: false });
            assert.equal(await redis.set('t:b', own('b')), 'QUEUED');
            assert.deepEqual(await redis.exec(), [[null, 'OK']]);

            redis.multi({ pipeline: false });
            await redis.set('t:b', own('lost'));
            assert.equal(await redis.discard(), 'OK');
            assert_own(await redis.get('t:b'), 'b');

            await assert.rejects(redis.multi().set('t:b', own('lost')).call('get').exec(), (error) => {
                assert.match(error.message, /^EXECABORT Transaction discarded because of previous errors/);
                assert.match(error.previousErrors[0].message, /wrong number of arguments for 'get'/);
                return true;
            });
            assert_own(await redis.get('t:b'), 'b');
            await assert.rejects(redis.call('exec'), { message: 'ERR EXEC without MULTI' });
            await assert.rejects(redis.discard(), { message: 'ERR DISCARD without MULTI' });

            const with_names = await redis.multi().rpush('t:l', own('1')).lmpop(1, 't:l', 'LEFT').type('t:a')
                .scan(0, 'MATCH', 't:*', 'COUNT', 10_000).exec();
            assert.deepEqual(with_names[1], [null, ['t:l', [own('1')]]]);
            assert.deepEqual(with_names[3][1][1].sort(), ['t:a', 't:b']);

            const binary = await redis.multi().setBuffer('t:bin', all_bytes).getBuffer('t:bin').exec();
            assert.ok(all_bytes.equals(binary[1][1]));
        },

        async watch(defer) {
            const redis = await open(defer);
            const other = await open(defer);
            await redis.set('w:a', own('1'));
            await redis.watch('w:a', 'w:b');
            await other.set('w:a', own('2'));
            assert.equal(await redis.multi().set('w:a', own('3')).exec(), null);
            assert_own(await redis.get('w:a'), '2');

            await redis.watch('w:a');
            assert_own((await redis.multi().get('w:a').exec())[0][1], '2');

            await redis.watch('w:a');
            await other.set('w:a', own('4'));
            await redis.unwatch();
            assert.deepEqual(await redis.multi().set('w:a', own('5')).exec(), [[null, 'OK']]);

            await redis.watch('w:b');
            await other.flushdb();
            assert.notEqual(await redis.multi().set('w:b', own('6')).exec(), null);
            await redis.watch('w:b');
            await other.flushdb();
            assert.equal(await redis.multi().set('w:b', own('7')).exec(), null);

            // Optimistic counting by many at once: every increment counts.
            const clients = await Promise.all(Array.from({ length: 5 }, () => open(defer)));
            await redis.set('w:n', 0);
            await Promise.all(clients.map(async (client) => {
                for (let done = 0; done < 5;) {
                    await client.watch('w:n');
                    const seen = Number(await client.get('w:n'));
                    if (await client.multi().set('w:n', seen + 1).exec() !== null) ++done;
                }
            }));
            assert.equal(await redis.get('w:n'), '25');
        },

        async blocking(defer) {
            const redis = await open(defer);
            const blocked = await open(defer);
            const asks = [
                ['blpop', ['b:l', 'b:l2', 30], () => redis.rpush('b:l2', own('1')), ['b:l2', own('1')]],
                ['brpop', ['b:l', 30], () => redis.rpush('b:l', own('2')), ['b:l', own('2')]],
                ['blmove', ['b:l', 'b:to', 'LEFT', 'RIGHT', 30], () => redis.rpush('b:l', own('3')), own('3')],
                ['brpoplpush', ['b:l', 'b:to', 30], () => redis.rpush('b:l', own('4')), own('4')],
                ['blmpop', [30, 2, 'b:l', 'b:l2', 'LEFT', 'COUNT', 2], () => redis.rpush('b:l', own('5'), own('6')),
                    ['b:l', [own('5'), own('6')]]],
                ['bzpopmin', ['b:z', 30], () => redis.zadd('b:z', 1.5, own('7')), ['b:z', own('7'), '1.5']],
                ['bzpopmax', ['b:z', 30], () => redis.zadd('b:z', 2, own('8')), ['b:z', own('8'), '2']],
                ['bzmpop', [30, 1, 'b:z', 'MIN'], () => redis.zadd('b:z', 3, own('9')), ['b:z', [[own('9'), '3']]]],
            ];
            for (const [command, args, feed, expected] of asks) {
                const reply = blocked[command](...args);
                await until_blocked(redis, 1);
                await feed();
                assert.deepEqual(await reply, expected, command);
            }
            const id = await redis.xadd('b:x', '*', 'f', own('old'));
            const read = blocked.xread('BLOCK', 30_000, 'STREAMS', 'b:x', '$');
            await until_blocked(redis, 1);
            await redis.xadd('b:x', '*', 'f', own('new'));
            const [[stream, [[, fields]]]] = await read;
            assert.deepEqual([stream, ...fields], ['b:x', 'f', own('new')]);
            await redis.xgroup('CREATE', 'b:x', 'g', '$');
            const group = blocked.xreadgroup('GROUP', 'g', 'c', 'BLOCK', 30_000, 'STREAMS', 'b:x', '>');
            await until_blocked(redis, 1);
            const second = await redis.xadd('b:x', '*', 'f', own('newer'));
            assert.deepEqual(await group, [['b:x', [[second, ['f', own('newer')]]]]]);
            assert.ok(id < second);

            assert.equal(await blocked.blpop('b:none', 0.05), null);
            assert.equal(await blocked.bzpopmin('b:none', 0.05), null);
            assert.equal(await blocked.xread('BLOCK', 50, 'STREAMS', 'b:x', '$'), null);
            assert.equal(await redis.wait(0, 10), 0);
            assert.deepEqual(await redis.multi().blpop('b:none', 0).ping().exec(), [[null, null], [null, 'PONG']]);
        },

        async blocked_client_leaves(defer) {
            const redis = await open(defer);
            const blocked = await open(defer);
            blocked.blpop('bl:q', 0).catch(() => {});
            await until_blocked(redis, 1);
            blocked.disconnect();
            await until_blocked(redis, 0);
            await redis.rpush('bl:q', own('kept'));
            assert.deepEqual(await redis.lrange('bl:q', 0, -1), [own('kept')]);

            const unblocked = await open(defer);
            const id = await unblocked.client('ID');
            const reply = unblocked.blpop('bl:none', 0);
            await until_blocked(redis, 1);
            assert.equal(await redis.client('UNBLOCK', id), 1);
            assert.equal(await reply, null);
            const failing = assert.rejects(unblocked.blpop('bl:none', 0),
                { message: /^UNBLOCKED client unblocked via CLIENT UNBLOCK/ });
            await until_blocked(redis, 1);
            assert.equal(await redis.client('UNBLOCK', id, 'ERROR'), 1);
            await failing;

            // A list as a queue between many: each element reaches one.
            const taken = new mailbox();
            const workers = await Promise.all(Array.from({ length: 10 }, () => open(defer)));
            const working = workers.map(async (worker) => {
                for (;;) {
                    const [, element] = await worker.blpop('bl:work', 30);
                    if (element === 'stop') return;
                    taken.put(element);
                }
            });
            for (let i = 0; i < 200; ++i) await redis.rpush('bl:work', own(i));
            const seen = (await taken.take_all(200)).map(([element]) => element);
            seen.forEach((element) => assert_own(element));
            assert.equal(new Set(seen).size, 200);
            await redis.rpush('bl:work', ...workers.map(() => 'stop'));
            await by_deadline(Promise.all(working), 'the workers');
        },

        async scripts(defer) {
            const redis = await open(defer);
            const lua = unseen(`
                local old = redis.call('GET', KEYS[1])
                redis.call('SET', KEYS[1], ARGV[1])
                return old`);
            redis.defineCommand('swap', { numberOfKeys: 1, lua });
            assert.equal(await redis.swap('lua:a', own('1')), null);
            assert_own(await redis.swap('lua:a', own('2')), '1');
            assert_own(await redis.swapBuffer('lua:a', own('3')), '2');
            redis.defineCommand('many', { lua: unseen('return {#KEYS, ARGV[1], 2.7, false, {ok = "fine"}}') });
            assert.deepEqual(await redis.many(2, 'lua:a', 'lua:b', own('x')), [2, own('x'), 2, null, 'fine']);
            redis.defineCommand('fails', { numberOfKeys: 1, lua: unseen('return redis.error_reply("MYERR no")') });
            await assert.rejects(redis.fails('lua:a'), { name: 'ReplyError', message: 'MYERR no' });
            redis.defineCommand('wrong', { numberOfKeys: 1, lua: unseen('return redis.call("LPUSH", KEYS[1], 1)') });
            await assert.rejects(redis.wrong('lua:a'), { message: /^WRONGTYPE / });

            const plain = unseen('return redis.call("GET", KEYS[1])');
            await assert.rejects(redis.evalsha('0'.repeat(40), 0), { message: /^NOSCRIPT No matching script/ });
            const sha = await redis.script('LOAD', plain);
            assert.deepEqual(await redis.script('EXISTS', sha, '0'.repeat(40)), [1, 0]);
            assert_own(await redis.evalsha(sha, 1, 'lua:a'), '3');
            assert_own(await redis.eval(plain, 1, 'lua:a'), '3');
            assert_own(await redis.call('EVAL_RO', plain, 1, 'lua:a'), '3');
            assert_own(await redis.call('EVALSHA_RO', sha, 1, 'lua:a'), '3');
            await assert.rejects(redis.eval('return 1 +', 0), { message: /^ERR Error compiling script/ });

            const fresh = await open(defer, { scripts: { fetch: { numberOfKeys: 1, lua: unseen(plain) } } });
            const piped = await fresh.pipeline().fetch('lua:a').set('lua:b', own('b')).fetch('lua:b').exec();
            assert.deepEqual(piped, [[null, own('3')], [null, 'OK'], [null, own('b')]]);
            fresh.defineCommand('inside', { numberOfKeys: 1, lua: unseen(plain) });
            const inside = await fresh.multi().set('lua:c', own('c')).inside('lua:c').exec();
            assert.deepEqual(inside, [[null, 'OK'], [null, own('c')]]);
            const automatic = await open(defer, { enableAutoPipelining: true });
            automatic.defineCommand('add', { numberOfKeys: 1, lua: unseen('return redis.call("INCRBY", KEYS[1], ARGV[1])') });
            const sums = await Promise.all(Array.from({ length: 50 }, () => automatic.add('lua:n', 2)));
            assert.equal(Math.max(...sums), 100);
            if (resp3) {
                const three = unseen('redis.setresp(3); return redis.call("HGETALL", KEYS[1])');
                await redis.hset('lua:h', 'f', own('v'));
                assert.deepEqual(await redis.eval(three, 1, 'lua:h'), ['f', own('v')]);
            }
        },
    };
}

// Until so many of this tenant's clients are blocked: what the flags of CLIENT LIST tell.
export async function until_blocked(redis, count) {
    await eventually(`${count} blocked`, async () => {
        const clients = (await redis.client('LIST')).trim().split('\n');
        return clients.filter((line) => / flags=\S*b/.test(line)).length === count;
    });
}
