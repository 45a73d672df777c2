// rate-limiter-flexible on ioredis and on node-redis: scripts, transactions, an insurance when Redis is away.
import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import limiters from 'rate-limiter-flexible';
import { createClient } from 'redis';
import { event, eventually, host, port, program, relay, tenant } from './suites/support.mjs';

const { BurstyRateLimiter, RateLimiterMemory, RateLimiterQueue, RateLimiterRedis, RateLimiterUnion, RLWrapperBlackAndWhite } = limiters;

const clients = {
    async ioredis(defer, options = {}) {
        const client = new Redis({ host, port, enableOfflineQueue: false, ...options });
        client.on('error', () => {});
        defer(() => client.disconnect());
        await event(client, 'ready');
        return client;
    },
    async node_redis(defer, { port: through = port } = {}) {
        const client = createClient({ socket: { host, port: through, reconnectStrategy: () => 10 }, disableOfflineQueue: true });
        client.on('error', () => {});
        await client.connect();
        defer(() => client.destroy());
        return client;
    },
};

// What consume() rejects with when there are no points left.
async function refused(attempt) {
    const refusal = await attempt.then(() => assert.fail('consumed more than there is'), (reason) => reason);
    if (refusal instanceof Error) throw refusal;
    return refusal;
}

const sections = {
    async flush(defer) {
        const client = await clients.ioredis(defer);
        await client.flushall();
        assert.equal(await client.dbsize(), 0);
    },
};

for (const [name, connect] of Object.entries(clients)) {
    const options = (storeClient, more) => ({ storeClient, useRedisPackage: name === 'node_redis', ...more });

    sections[`points_${name}`] = async (defer) => {
        const client = await connect(defer);
        const limiter = new RateLimiterRedis(options(client, { points: 5, duration: 60, keyPrefix: `rl-${name}` }));
        const first = await limiter.consume('user');
        assert.deepEqual([first.consumedPoints, first.remainingPoints, first.isFirstInDuration], [1, 4, true]);
        const second = await limiter.consume('user', 3);
        assert.deepEqual([second.consumedPoints, second.remainingPoints, second.isFirstInDuration], [4, 1, false]);
        assert.ok(second.msBeforeNext > 50_000);
        const refusal = await refused(limiter.consume('user', 2));
        assert.deepEqual([refusal.consumedPoints, refusal.remainingPoints], [6, 0]);
        assert.equal((await limiter.reward('user', 4)).consumedPoints, 2);
        assert.equal((await limiter.penalty('user', 1)).consumedPoints, 3);
        assert.equal((await limiter.get('user')).remainingPoints, 2);
        assert.equal(await limiter.get('stranger'), null);
        assert.equal((await limiter.set('user', 4, 30)).consumedPoints, 4);
        assert.equal(await limiter.delete('user'), true);
        assert.equal(await limiter.delete('user'), false);
        assert.equal(await limiter.get('user'), null);

        await limiter.block('villain', 60);
        const blocked = await refused(limiter.consume('villain'));
        assert.ok(blocked.msBeforeNext > 50_000 && blocked.remainingPoints === 0);
        await limiter.block('exile', 0);
        assert.equal((await limiter.get('exile')).msBeforeNext, -1);

        // Many at once never consume more than there is.
        const outcomes = await Promise.allSettled(Array.from({ length: 30 }, () => limiter.consume('crowd')));
        assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 5);
        assert.equal(Number(await client.get(`rl-${name}:crowd`)), 30);
    };

    sections[`windows_${name}`] = async (defer) => {
        const client = await connect(defer);
        const limiter = new RateLimiterRedis(options(client, {
            points: 1, duration: 60, blockDuration: 90, keyPrefix: `rlw-${name}`, execEvenly: false }));
        await limiter.consume('user');
        const refusal = await refused(limiter.consume('user'));
        assert.ok(refusal.msBeforeNext > 70_000, 'blocked for the block\'s duration');
        const pexpire = name === 'ioredis' ? 'pexpire' : 'pExpire';
        await client[pexpire](`rlw-${name}:user`, 20);
        await eventually('a new window', async () => Number(await client.exists(`rlw-${name}:user`)) === 0);
        assert.equal((await limiter.consume('user')).consumedPoints, 1);

        const forever = new RateLimiterRedis(options(client, { points: 2, duration: 0, keyPrefix: `rlf-${name}` }));
        await forever.consume('user');
        assert.equal((await forever.get('user')).msBeforeNext, -1);

        const cached = new RateLimiterRedis(options(client, { points: 1, duration: 60, keyPrefix: `rlc-${name}`,
            inMemoryBlockOnConsumed: 2, inMemoryBlockDuration: 60 }));
        await cached.consume('user');
        await refused(cached.consume('user'));
        await refused(cached.consume('user'));
        assert.equal(Number(await client.get(`rlc-${name}:user`)), 2);

        const bursty = new BurstyRateLimiter(limiter, new RateLimiterRedis(options(client,
            { points: 3, duration: 60, keyPrefix: `rlb-${name}` })));
        for (let i = 0; i < 3; ++i) await bursty.consume('user');
        await refused(bursty.consume('user'));
        const union = new RateLimiterUnion(forever, cached);
        assert.deepEqual(Object.keys(await union.consume('fresh')).sort(), [`rlc-${name}`, `rlf-${name}`]);
        const listed = new RLWrapperBlackAndWhite({ limiter, whiteList: ['friend'], blackList: ['foe'] });
        assert.equal((await listed.consume('friend')).remainingPoints, Number.MAX_SAFE_INTEGER);
        await refused(listed.consume('foe'));
        const queue = new RateLimiterQueue(new RateLimiterRedis(options(client,
            { points: 50, duration: 60, keyPrefix: `rlq-${name}` })));
        await Promise.all(Array.from({ length: 20 }, () => queue.removeTokens(1, 'queued')));
        assert.equal(Number(await client.get(`rlq-${name}:queued`)), 20);
    };

    sections[`insurance_${name}`] = async (defer) => {
        const network = await relay.start();
        defer(() => network.stop());
        const client = await connect(defer, { port: network.port, retryStrategy: () => 10 });
        const insuranceLimiter = new RateLimiterMemory({ points: 1, duration: 60 });
        const limiter = new RateLimiterRedis(options(client, { points: 5, duration: 60, keyPrefix: `rli-${name}`,
            insuranceLimiter, rejectIfRedisNotReady: true }));
        const uninsured = new RateLimiterRedis(options(client, { points: 5, duration: 60, keyPrefix: `rli-${name}`,
            rejectIfRedisNotReady: true }));
        assert.equal((await limiter.consume('user')).remainingPoints, 4);
        const lost = event(client, name === 'ioredis' ? 'close' : 'error');
        network.down();
        await lost;
        assert.equal((await limiter.consume('user')).remainingPoints, 0);
        await refused(limiter.consume('user'));
        await assert.rejects(uninsured.consume('user'), { message: 'Redis connection is not ready' });
        const ready = event(client, 'ready');
        network.up();
        await ready;
        assert.equal((await limiter.consume('user')).remainingPoints, 3);
    };
}

// Counters carry no word of the tenant's: a name of its own shows that there are no others.
sections.only_own = async (defer) => {
    const client = await clients.ioredis(defer);
    const limiter = new RateLimiterRedis({ storeClient: client, points: 1, duration: 60, keyPrefix: 'last' });
    await limiter.consume(tenant);
    assert.deepEqual(await client.keys('last:*'), [`last:${tenant}`]);
    assert.ok((await client.keys('*')).every((key) => /^(rl[a-z]?-|last:)/.test(key)));
    await client.flushall();
    assert.equal(await client.dbsize(), 0);
};

await program(sections);
