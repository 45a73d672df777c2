import * as library from 'redis';
import { run_node_redis } from './suites/node_redis.mjs';

await run_node_redis(library, { major: 5, protocols: [2, 3] });
