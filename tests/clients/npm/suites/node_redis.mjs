// What the majors of node-redis have in common, once for each protocol version they are to speak.
import assert from 'node:assert/strict';
import { assert_own, host, own, port, program } from './support.mjs';
import { caching_sections } from './node_redis_caching.mjs';
import { command_sections } from './node_redis_commands.mjs';
import { connection_sections } from './node_redis_connection.mjs';
import { flow_sections } from './node_redis_flow.mjs';

export function run_node_redis(library, { major, protocols }) {
    const leave = (redis) => major >= 5 ? redis.destroy() : redis.disconnect();

    // Opens clients that speak this protocol version; each is closed after its section, and no error event may have
    // come unless the section breaks the connection on purpose.
    function opener(resp) {
        const options = { socket: { host, port, reconnectStrategy: false }, ...(major >= 5 && { RESP: resp }) };
        async function open(defer, more = {}, { may_break = false } = {}) {
            const merged = { ...options, ...more };
            if (more.url) delete merged.socket;
            const redis = library.createClient(merged);
            const surprises = [];
            redis.on('error', (error) => {
                if (!may_break) surprises.push(error);
            });
            defer(async () => {
                if (redis.isOpen) await leave(redis);
                assert.deepEqual(surprises, []);
            });
            await redis.connect();
            return redis;
        }
        open.options = options;
        return open;
    }

    function with_buffers(redis) {
        if (major >= 5) return redis.withTypeMapping({ [library.RESP_TYPES.BLOB_STRING]: Buffer });
        const options = library.commandOptions({ returnBuffers: true });
        return new Proxy(redis, { get: (_, name) => (...args) => redis[name](options, ...args) });
    }

    const sections = {};
    for (const resp of protocols) {
        const open = opener(resp);
        const parts = { library, major, resp, open, leave, with_buffers };
        const all = {
            async flush(defer) {
                const redis = await open(defer);
                await redis.flushAll();
                assert.equal(await redis.dbSize(), 0);
            },
            ...command_sections(parts),
            ...connection_sections(parts),
            ...flow_sections(parts),
            ...(resp === 3 && caching_sections(parts)),
            // Nothing but what this program wrote is to be seen.
            async only_own(defer) {
                const redis = await open(defer);
                await redis.set('mark', own('mark'));
                for (const key of await redis.keys('*')) {
                    if (await redis.type(key) === 'list') {
                        for (const value of await redis.lRange(key, 0, -1)) {
                            if (!key.startsWith('sort:')) assert_own(value);
                        }
                    }
                }
                await redis.flushAll();
                assert.equal(await redis.dbSize(), 0);
            },
        };
        for (const [name, section] of Object.entries(all)) sections[`${name}_resp${resp}`] = section;
    }
    return program(sections);
}
