// Redlock on ioredis: locks taken, extended, contended for, held while something is done.
import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import Redlock, { ExecutionError, ResourceLockedError } from 'redlock';
import { assert_own, event, eventually, host, own, port, program } from './suites/support.mjs';

async function connect(defer) {
    const client = new Redis({ host, port });
    defer(() => client.disconnect());
    await event(client, 'ready');
    return client;
}

// A lock's value is the library's own random text.
async function locksmith(defer, settings = {}) {
    const client = await connect(defer);
    const redlock = new Redlock([client], { retryCount: 0, driftFactor: 0.01, ...settings });
    const surprises = [];
    redlock.on('error', (error) => {
        if (!(error instanceof ResourceLockedError)) surprises.push(error);
    });
    defer(() => assert.deepEqual(surprises, []));
    return { client, redlock };
}

await program({
    async flush(defer) {
        const client = await connect(defer);
        await client.flushall();
        assert.equal(await client.dbsize(), 0);
    },

    async acquire_and_release(defer) {
        const { client, redlock } = await locksmith(defer);
        const lock = await redlock.acquire(['lock:a', 'lock:b'], 10_000);
        assert.equal(await client.get('lock:a'), lock.value);
        assert.equal(await client.get('lock:b'), lock.value);
        assert.ok(await client.pttl('lock:a') > 9000);
        await assert.rejects(redlock.acquire(['lock:b'], 1000), (error) => {
            assert.ok(error instanceof ExecutionError);
            return true;
        });
        await lock.release();
        assert.equal(await client.exists('lock:a', 'lock:b'), 0);
        const again = await redlock.acquire(['lock:b'], 10_000);
        await again.release();
        await assert.rejects(lock.release(), ExecutionError);
    },

    async extend(defer) {
        const { client, redlock } = await locksmith(defer);
        const lock = await redlock.acquire(['lock:e'], 5000);
        const longer = await lock.extend(20_000);
        assert.ok(await client.pttl('lock:e') > 15_000);
        await client.del('lock:e');
        await assert.rejects(longer.extend(1000), ExecutionError);
        const short = await redlock.acquire(['lock:s'], 30);
        await eventually('expired', async () => await client.exists('lock:s') === 0);
        const next = await redlock.acquire(['lock:s'], 10_000);
        await assert.rejects(short.extend(1000), { message: 'Cannot extend an already-expired lock.' });
        await next.release();
    },

    async contend(defer) {
        const { client } = await locksmith(defer);
        let inside = 0;
        await client.set('contended', 0);
        await Promise.all(Array.from({ length: 6 }, async (_, i) => {
            const { client: mine, redlock } = await locksmith(defer, { retryCount: -1, retryDelay: 15, retryJitter: 10 });
            for (let round = 0; round < 3; ++round) {
                const lock = await redlock.acquire(['lock:c'], 20_000);
                assert.equal(++inside, 1, 'alone inside');
                // Read, then write: only right when nobody comes between.
                const seen = Number(await mine.get('contended'));
                await mine.rpush('order', own(i));
                await mine.set('contended', seen + 1);
                --inside;
                await lock.release();
            }
        }));
        assert.equal(await client.get('contended'), '18');
        (await client.lrange('order', 0, -1)).forEach((value) => assert_own(value));
    },

    async using(defer) {
        const { client, redlock } = await locksmith(defer, { automaticExtensionThreshold: 3500 });
        const result = await redlock.using(['lock:u'], 4000, async (signal) => {
            const value = await client.get('lock:u');
            // Held for longer than it was taken for: the library extends it.
            const until = performance.now() + 4300;
            await eventually('longer than the lock', async () => {
                assert.equal(await client.get('lock:u'), value);
                return performance.now() > until;
            });
            assert.equal(signal.aborted, false);
            return own('done');
        });
        assert_own(result, 'done');
        assert.equal(await client.exists('lock:u'), 0);

        await redlock.using(['lock:u'], 4000, async (signal) => {
            await client.set('lock:u', own('stolen'));
            await eventually('told that the lock is lost', async () => signal.aborted);
            assert.ok(signal.error instanceof Error);
        }).catch((error) => assert.ok(error instanceof ExecutionError));
        await client.del('lock:u');
    },

    async only_own(defer) {
        const client = await connect(defer);
        assert.deepEqual((await client.keys('*')).sort(), ['contended', 'order']);
        await client.flushall();
    },
});
