import Redis from 'ioredis-v6';
import { run_ioredis } from './suites/ioredis.mjs';

await run_ioredis(Redis, { resp3: true });
