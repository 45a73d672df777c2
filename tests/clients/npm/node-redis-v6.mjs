import * as library from 'redis-v6';
import { run_node_redis } from './suites/node_redis.mjs';

await run_node_redis(library, { major: 6, protocols: [3] });
