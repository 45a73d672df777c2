// ioredis, node-redis, and rate-limiter-flexible on both, over their tenant's limits: the error is theirs to catch, it is not
// taken for a limiter's own refusal, and the connection goes on. tests/clients/run.py has the limits that the tenants get.
import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import limiters from 'rate-limiter-flexible';
import { createClient } from 'redis';
import { event, host, own, port, program, tenant } from './suites/support.mjs';

const { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } = limiters;

const WRITES = 20;   // SET in an hour, of both clients together
const SCRIPTS = 30;  // EVALSHA in an hour, by which ioredis runs them, and as many EVAL, as node-redis does here

const refusal = (name, count) => new RegExp(`RATELIMITED limit '${name}' of tenant '${tenant}': ${count} per 1h, ` +
    `retry in \\d+ ms \\(limit=${count} remaining=\\d+ reset_ms=\\d+\\)$`);

const clients = {
    async ioredis(defer) {
        const client = new Redis({ host, port, maxRetriesPerRequest: 0 });
        client.on('error', () => {});
        defer(() => client.disconnect());
        await event(client, 'ready');
        return { client, id: () => client.client('ID') };
    },
    async node_redis(defer) {
        const client = createClient({ socket: { host, port, reconnectStrategy: false } });
        client.on('error', () => {});
        await client.connect();
        defer(() => client.destroy());
        return { client, id: () => client.clientId() };
    },
};

const sections = {
    async flush(defer) {
        const { client } = await clients.ioredis(defer);
        await client.flushall();
    },
};

for (const [name, connect] of Object.entries(clients)) {
    // Both use half of what there is, and then meet the end of it.
    sections[`writes_${name}`] = async (defer) => {
        const { client, id } = await connect(defer);
        const number = await id();
        const last = name === 'node_redis';
        for (let i = 0; i < WRITES / 2; ++i) assert.equal(await client.set('key', own(i)), 'OK');
        if (!last) return;
        for (let i = 0; i < 30; ++i) {
            await assert.rejects(client.set('key', 'never'), refusal('writes', WRITES));
            assert.equal(await client.get('key'), own(WRITES / 2 - 1));
        }
        // A hundred at once, with others between them.
        const outcomes = await Promise.allSettled(Array.from({ length: 100 }, (_, i) =>
            i % 2 ? client.get('key') : client.set('key', 'never')));
        assert.ok(outcomes.every(({ status, value }, i) =>
            i % 2 ? value === own(WRITES / 2 - 1) : status === 'rejected'));
        await assert.rejects(client.multi().set('key', 'never').get('key').exec());
        assert.equal(await client.get('key'), own(WRITES / 2 - 1));
        assert.equal(await id(), number, 'the connection is the one it was');
    };

    sections[`limiter_${name}`] = async (defer) => {
        const { client, id } = await connect(defer);
        const number = await id();
        const options = { storeClient: client, useRedisPackage: name === 'node_redis', points: 1000, duration: 60, keyPrefix: name };
        const limiter = new RateLimiterRedis(options);
        const insured = new RateLimiterRedis({ ...options,
            insuranceLimiter: new RateLimiterMemory({ points: 1, duration: 60 }) });

        // Its own refusal is what it is, as long as the tenant may run scripts.
        const own_limiter = new RateLimiterRedis({ ...options, points: 1, keyPrefix: `${name}-own` });
        await own_limiter.consume('user');
        await assert.rejects(own_limiter.consume('user'), (reason) => reason instanceof RateLimiterRes);

        let consumed = 0;
        const fault = await (async () => {
            for (; consumed < 2 * SCRIPTS; ++consumed) await limiter.consume('user');
        })().catch((reason) => reason);
        assert.ok(fault instanceof Error, 'weir\'s refusal is an error, not a limiter\'s');
        assert.match(fault.message, refusal(name === 'ioredis' ? 'scripts' : 'new_scripts', SCRIPTS));
        assert.ok(consumed < SCRIPTS);
        // With an insurance it goes on by itself, as when Redis is away.
        assert.equal((await insured.consume('user')).remainingPoints, 0);
        await assert.rejects(insured.consume('user'), (reason) => reason instanceof RateLimiterRes);
        assert.equal(await id(), number, 'the connection is the one it was');
        assert.equal(Number(await client.get(`${name}:user`)), consumed);
    };
}

sections.only_own = async (defer) => {
    const { client } = await clients.ioredis(defer);
    await client.flushall();
    assert.equal(await client.dbsize(), 0);
};

await program(sections);
