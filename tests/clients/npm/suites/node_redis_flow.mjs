// Pipelines, transactions, pools, blocking commands and scripts of node-redis.
import assert from 'node:assert/strict';
import { assert_own, by_deadline, eventually, own, unseen } from './support.mjs';

export async function until_blocked(redis, count) {
    await eventually(`${count} blocked`, async () =>
        (await redis.clientList()).filter(({ flags }) => flags.includes('b')).length === count);
}

export function flow_sections({ library, open, major, resp, leave }) {
    const with_keys = (NUMBER_OF_KEYS, SCRIPT, more = {}) => library.defineScript({
        NUMBER_OF_KEYS,
        SCRIPT,
        ...(major >= 5
            ? { parseCommand: (parser, keys, ...args) => { parser.pushKeys(keys); parser.push(...args); } }
            : { transformArguments: (keys, ...args) => [...keys, ...args] }),
        transformReply: more.transformReply ?? undefined,
    });

    // A connection of one's own for what has state: a pool since major 5, isolated execution before.
    async function isolated(defer) {
        if (major >= 5) {
            const pool = library.createClientPool({ ...open.options }, { minimum: 1, maximum: 4 });
            pool.on('error', () => {});
            await pool.connect();
            defer(() => pool.destroy());
            return (work) => pool.execute(work);
        }
        const redis = await open(defer, { isolationPoolOptions: { max: 4 } });
        return (work) => redis.executeIsolated(work);
    }

    return {
        async pipelines(defer) {
            const redis = await open(defer);
            const numbers = Array.from({ length: 2000 }, (_, i) => i);
            // Commands of one tick share a write.
            await Promise.all(numbers.map((i) => redis.set(`p:${i}`, own(i))));
            (await Promise.all(numbers.map((i) => redis.get(`p:${i}`)))).forEach((value, i) => assert_own(value, i));
            const mixed = await Promise.allSettled([redis.get('p:1'), redis.ping(), redis.lPush('p:1', 'x'),
                redis.dbSize(), redis.get('p:2')]);
            assert.deepEqual(mixed.map(({ status }) => status),
                ['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
            assert_own(mixed[4].value, '2');
            const replies = await redis.multi().set('p:a', own('a')).get('p:a').dbSize().execAsPipeline();
            assert.equal(replies[0], 'OK');
            assert_own(replies[1], 'a');
            assert.equal(await redis.unlink(numbers.map((i) => `p:${i}`)), 2000);
        },

        async transactions(defer) {
            const redis = await open(defer);
            const replies = await redis.multi().set('t:a', own('a')).get('t:a').hSet('t:h', 'f', own('v'))
                .hGetAll('t:h').keys('t:*').exec();
            assert.deepEqual([replies[0], replies[1], { ...replies[3] }], ['OK', own('a'), { f: own('v') }]);
            assert.deepEqual([...replies[4]].sort(), ['t:a', 't:h']);
            await assert.rejects(redis.multi().get('t:a').incr('t:a').get('t:a').exec(), (error) => {
                assert.equal(error.constructor.name, 'MultiErrorReply');
                assert.deepEqual(error.errorIndexes, [1]);
                assert_own(error.replies[2], 'a');
                return true;
            });
            await assert.rejects(redis.multi().set('t:a', own('lost')).addCommand(['GET']).exec(), /EXECABORT|wrong number/);
            assert_own(await redis.get('t:a'), 'a');
            const popped = await redis.multi().zAdd('t:z', { score: 1, value: own('m') }).zmPop(['t:z'], 'MIN').exec();
            assert.equal(popped[1].key, 't:z');
            const select = await redis.multi().select(2).set('t:two', own('two')).select(0).exists('t:two').exec();
            assert.equal(Number(select[3]), 0);
        },

        async watch(defer) {
            const redis = await open(defer);
            const run_isolated = await isolated(defer);
            await redis.set('w:a', own('1'));
            await assert.rejects(run_isolated(async (client) => {
                await client.watch(['w:a', 'w:b']);
                await redis.set('w:a', own('2'));
                return client.multi().set('w:a', own('3')).exec();
            }), (error) => error.constructor.name === 'WatchError');
            assert_own(await redis.get('w:a'), '2');
            const [done] = await run_isolated(async (client) => {
                await client.watch('w:a');
                return client.multi().get('w:a').exec();
            });
            assert_own(done, '2');
            await run_isolated(async (client) => {
                await client.watch('w:a');
                await redis.set('w:a', own('4'));
                await client.unwatch();
                assert.deepEqual(await client.multi().set('w:a', own('5')).exec(), ['OK']);
            });
            await redis.set('w:n', '0');
            await Promise.all(Array.from({ length: 4 }, async () => {
                for (let counted = 0; counted < 5;) {
                    try {
                        await run_isolated(async (client) => {
                            await client.watch('w:n');
                            const seen = Number(await client.get('w:n'));
                            await client.multi().set('w:n', String(seen + 1)).exec();
                        });
                        ++counted;
                    } catch (error) {
                        if (error.constructor.name !== 'WatchError') throw error;
                    }
                }
            }));
            assert.equal(await redis.get('w:n'), '20');
        },

        async blocking(defer) {
            const redis = await open(defer);
            const blocked = await open(defer);
            const asks = [
                [() => blocked.blPop(['b:l', 'b:l2'], 30), () => redis.rPush('b:l2', own('1')),
                    { key: 'b:l2', element: own('1') }],
                [() => blocked.brPop('b:l', 30), () => redis.rPush('b:l', own('2')), { key: 'b:l', element: own('2') }],
                [() => blocked.blMove('b:l', 'b:to', 'LEFT', 'RIGHT', 30), () => redis.rPush('b:l', own('3')), own('3')],
                [() => blocked.blmPop(30, ['b:l'], 'LEFT', { COUNT: 2 }), () => redis.rPush('b:l', [own('4'), own('5')]),
                    ['b:l', [own('4'), own('5')]]],
                [() => blocked.bzPopMin('b:z', 30), () => redis.zAdd('b:z', { score: 1.5, value: own('6') }),
                    { key: 'b:z', value: own('6'), score: 1.5 }],
                [() => blocked.bzPopMax(['b:z0', 'b:z'], 30), () => redis.zAdd('b:z', { score: 2, value: own('7') }),
                    { key: 'b:z', value: own('7'), score: 2 }],
            ];
            for (const [ask, feed, expected] of asks) {
                const reply = ask();
                await until_blocked(redis, 1);
                await feed();
                assert.deepEqual({ ...await reply }, { ...expected }, String(ask));
            }
            await redis.xAdd('b:x', '*', { f: own('old') });
            await redis.xGroupCreate('b:x', 'g', '$');
            const read = blocked.xReadGroup('g', 'c', { key: 'b:x', id: '>' }, { BLOCK: 30_000 });
            await until_blocked(redis, 1);
            const id = await redis.xAdd('b:x', '*', { f: own('new') });
            const entries = await read;
            assert.ok(JSON.stringify(entries).includes(own('new')) && JSON.stringify(entries).includes(id));
            assert.ok(JSON.stringify(entries).includes('"b:x"'));
            assert.equal(await blocked.blPop('b:none', 0.05), null);
            assert.equal(await blocked.bzPopMin('b:none', 0.05), null);
            assert.equal(await redis.wait(0, 10), 0);

            // A blocked client that leaves frees its place, and takes nothing with it.
            const leaving = await open(defer);
            leaving.blPop('b:q', 0).catch(() => {});
            await until_blocked(redis, 1);
            await leave(leaving);
            await until_blocked(redis, 0);
            await redis.rPush('b:q', own('kept'));
            assert.deepEqual(await redis.lRange('b:q', 0, -1), [own('kept')]);

            const number = await blocked.clientId();
            const waiting = blocked.blPop('b:none', 0);
            await until_blocked(redis, 1);
            assert.equal(Number(await redis.sendCommand(['CLIENT', 'UNBLOCK', String(number)])), 1);
            assert.equal(await waiting, null);
        },

        async many_blocked(defer) {
            const run_isolated = await isolated(defer);
            const redis = await open(defer);
            const waiting = Array.from({ length: 4 }, (_, i) => run_isolated((client) => client.blPop(`mb:${i}`, 30)));
            await until_blocked(redis, 4);
            for (let i = 0; i < 4; ++i) await redis.rPush(`mb:${i}`, own(i));
            const popped = await by_deadline(Promise.all(waiting), 'four pops');
            popped.forEach(({ key, element }, i) => assert.deepEqual([key, element], [`mb:${i}`, own(i)]));
        },

        async scripts(defer) {
            const swap = with_keys(1, unseen(`
                local old = redis.call('GET', KEYS[1])
                redis.call('SET', KEYS[1], ARGV[1])
                return old`));
            const fails = with_keys(1, unseen('return redis.error_reply("MYERR no")'));
            const redis = await open(defer, { scripts: { swap, fails } });
            assert.equal(await redis.swap(['lua:a'], own('1')), null);
            assert_own(await redis.swap(['lua:a'], own('2')), '1');
            await assert.rejects(redis.fails(['lua:a']), { message: 'MYERR no' });
            // In MULTI the first call of a script is EVAL, those after it EVALSHA.
            const twice = await redis.multi().swap(['lua:a'], own('3')).swap(['lua:a'], own('4')).exec();
            assert.deepEqual([...twice], [own('2'), own('3')]);

            const text = unseen('return redis.call("GET", KEYS[1])');
            await assert.rejects(redis.evalSha('0'.repeat(40)), { message: /^NOSCRIPT / });
            const sha = await redis.scriptLoad(text);
            assert.deepEqual((await redis.scriptExists([sha, '0'.repeat(40)])).map(Number), [1, 0]);
            assert_own(await redis.evalSha(sha, { keys: ['lua:a'] }), '4');
            assert_own(await redis.eval(text, { keys: ['lua:a'], arguments: [] }), '4');
            assert_own(await redis.evalRo(text, { keys: ['lua:a'] }), '4');
            await assert.rejects(redis.eval('return 1 +'), { message: /^ERR Error compiling script/ });
            const unscripted = await Promise.all(Array.from({ length: 20 }, () => redis.swap(['lua:b'], own('s'))));
            assert.equal(unscripted.filter((old) => old === null).length, 1);
            if (resp === 3) {
                await redis.hSet('lua:h', 'f', own('v'));
                const reply = await redis.eval(unseen('redis.setresp(3); return redis.call("HGETALL", KEYS[1])'),
                    { keys: ['lua:h'] });
                assert.deepEqual({ ...reply }, { f: own('v') });
            }
        },
    };
}
