import * as library from 'redis-v4';
import { run_node_redis } from './suites/node_redis.mjs';

await run_node_redis(library, { major: 4, protocols: [2] });
