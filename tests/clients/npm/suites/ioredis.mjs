// What both majors of ioredis have in common: all of it, but for the protocol they speak.
import assert from 'node:assert/strict';
import { event, host, own, assert_own, port, program } from './support.mjs';
import { command_sections } from './ioredis_commands.mjs';
import { connection_sections } from './ioredis_connection.mjs';
import { flow_sections } from './ioredis_flow.mjs';

export function run_ioredis(Redis, { resp3 }) {
    // A client that is ready; it is closed after the section, and no error event but those expected may have come.
    async function open(defer, options = {}, { wait = true, errors = /^$/ } = {}) {
        const redis = new Redis({ host, port, ...options });
        const surprises = [];
        redis.on('error', (error) => {
            if (!errors.test(error.message)) surprises.push(error);
        });
        defer(() => {
            redis.disconnect();
            assert.deepEqual(surprises, []);
        });
        if (wait) await event(redis, 'ready');
        return redis;
    }

    return program({
        async flush(defer) {
            const redis = await open(defer);
            await redis.flushall();
            assert.equal(await redis.dbsize(), 0);
            await redis.set('mark', own('mark'));
        },
        ...command_sections(open, { resp3 }),
        ...connection_sections(open, { Redis, resp3 }),
        ...flow_sections(open, { resp3 }),
        // Nothing but what this program wrote is to be seen.
        async only_own(defer) {
            const redis = await open(defer);
            for await (const page of redis.scanStream({ type: 'string' })) {
                for (const key of page) {
                    const value = await redis.get(key);
                    if (!/^[\d.]+$/.test(value) && !key.startsWith('bits') && key !== 'pf' && key !== 'pf:all'
                        && key !== 't:bin') assert_own(value);
                }
            }
            await redis.flushall();
            assert.equal(await redis.dbsize(), 0);
        },
    });
}
