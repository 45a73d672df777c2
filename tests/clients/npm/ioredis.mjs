import Redis from 'ioredis';
import { run_ioredis } from './suites/ioredis.mjs';

await run_ioredis(Redis, { resp3: false });
