// BullMQ: queues, workers and events as an app uses them. Queue names are the same for every tenant.
import assert from 'node:assert/strict';
import { FlowProducer, Queue, QueueEvents, UnrecoverableError, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { assert_own, by_deadline, event, eventually, host, mailbox, own, port, program, relay } from './suites/support.mjs';

const connection = { host, port };
const impatient = { connection, drainDelay: 1 };  // workers with nothing to do look up every second

// Opens what BullMQ offers; it is closed after the section, and must not have emitted an error.
function opener(defer) {
    return async (made) => {
        const surprises = [];
        made.on('error', (error) => surprises.push(error));
        defer(async () => {
            await made.close();
            assert.deepEqual(surprises, []);
        });
        await by_deadline(made.waitUntilReady(), 'ready');
        return made;
    };
}

// A queue with its events and, when there is something to do, a worker.
async function workshop(defer, name, work, options = {}) {
    const open = opener(defer);
    const queue = await open(new Queue(name, { connection }));
    queue.setMaxListeners(100);  // each job that is waited for listens
    // From the beginning: from `$` on it misses what comes before it has begun to read, and between two reads.
    const events = await open(new QueueEvents(name, { connection, blockingTimeout: 1000, lastEventId: '0' }));
    const worker = work && await open(new Worker(name, work, { ...impatient, ...options }));
    return { queue, events, worker, open };
}

const finished = (job, events) => by_deadline(job.waitUntilFinished(events), `job ${job.id}`);

await program({
    async flush(defer) {
        const redis = new Redis({ host, port });
        defer(() => redis.disconnect());
        await redis.flushall();
        assert.equal(await redis.dbsize(), 0);
    },

    async work(defer) {
        const { queue, events } = await workshop(defer, 'work', async (job) => {
            assert_own(job.data.text);
            return { echo: job.data.text, name: job.name };
        }, { concurrency: 5 });
        const jobs = await queue.addBulk(Array.from({ length: 50 }, (_, i) => ({ name: 'echo', data: { text: own(i) } })));
        const results = await Promise.all(jobs.map((job) => finished(job, events)));
        results.forEach((result, i) => assert.deepEqual(result, { echo: own(i), name: 'echo' }));
        assert.equal(await queue.getCompletedCount(), 50);
        assert.deepEqual(await queue.getJobCounts('active', 'completed', 'failed', 'delayed'),
            { active: 0, completed: 50, failed: 0, delayed: 0 });
        const job = await queue.getJob(jobs[7].id);
        assert_own(job.data.text, 7);
        assert.equal(await job.getState(), 'completed');
        assert.equal((await queue.getJobs(['completed'], 0, 9)).length, 10);
    },

    async events(defer) {
        const { queue, events } = await workshop(defer, 'events', async (job) => {
            await job.updateProgress(50);
            await job.log(own('half done'));
            await job.updateData({ ...job.data, touched: own('yes') });
            return own('result');
        });
        const seen = new mailbox();
        for (const name of ['added', 'waiting', 'active', 'progress', 'completed']) {
            events.on(name, ({ jobId, data, returnvalue }) => seen.put(name, jobId, data ?? returnvalue));
        }
        const job = await queue.add('one', { text: own('1') }, { jobId: 'the-one' });
        const names = (await seen.take_all(5, 'an event')).map(([name, id]) => {
            assert.equal(id, 'the-one');
            return name;
        });
        assert.deepEqual(names, ['added', 'waiting', 'active', 'progress', 'completed']);
        assert.deepEqual((await queue.getJobLogs(job.id)).logs, [own('half done')]);
        assert_own((await queue.getJob('the-one')).data.touched, 'yes');
        assert.equal(await job.isCompleted(), true);
        await job.remove();
        assert.equal(await queue.getJob('the-one'), undefined);
    },

    async failure_and_retry(defer) {
        const attempts = new Map();
        const { queue, events } = await workshop(defer, 'failing', async (job) => {
            attempts.set(job.id, (attempts.get(job.id) ?? 0) + 1);
            if (job.name === 'hopeless') throw new UnrecoverableError(own('hopeless'));
            if (attempts.get(job.id) < 3) throw new Error(own('not yet'));
            return own('at last');
        });
        const patient = await queue.add('flaky', {}, { attempts: 5, backoff: { type: 'fixed', delay: 20 } });
        assert_own(await finished(patient, events), 'at last');
        assert.equal(attempts.get(patient.id), 3);
        const hopeless = await queue.add('hopeless', {}, { attempts: 5 });
        await assert.rejects(finished(hopeless, events), { message: own('hopeless') });
        assert.equal(attempts.get(hopeless.id), 1);
        const once = await queue.add('flaky', {}, {});
        await assert.rejects(finished(once, events), { message: own('not yet') });
        assert.equal(await once.getState(), 'failed');
        assert.equal((await queue.getFailed()).length, 2);
        attempts.set(once.id, 2);
        await (await queue.getJob(once.id)).retry('failed');
        await eventually('retried', async () => await once.getState() === 'completed');
    },

    async delayed_and_prioritized(defer) {
        const done = new mailbox();
        const { queue, open } = await workshop(defer, 'later');
        await queue.pause();
        await queue.add('low', {}, { priority: 10 });
        await queue.add('high', {}, { priority: 1 });
        await queue.add('normal', {});
        await queue.add('first', {}, { lifo: true });
        assert.equal(await queue.isPaused(), true);
        const added = Date.now();
        const delayed = await queue.add('delayed', { text: own('d') }, { delay: 500 });
        assert.equal(await delayed.getState(), 'delayed');
        await open(new Worker('later', async (job) => done.put(job.name, Date.now()), impatient));
        await queue.resume();
        const finished = await done.take_all(5, 'a job');
        assert.deepEqual(finished.map(([name]) => name).filter((name) => name !== 'delayed'),
            ['first', 'normal', 'high', 'low']);
        assert.ok(finished.find(([name]) => name === 'delayed')[1] >= added + 495);
        const postponed = await queue.add('postponed', {}, { delay: 3_600_000 });
        await (await queue.getJob(postponed.id)).promote();
        assert.equal((await done.take())[0], 'postponed');
    },

    async repeated(defer) {
        const done = new mailbox();
        const { queue } = await workshop(defer, 'repeated', async (job) => done.put(job.data.text));
        await queue.upsertJobScheduler('tick', { every: 60 }, { name: 'tick', data: { text: own('tick') } });
        (await done.take_all(3, 'a tick')).forEach(([text]) => assert_own(text, 'tick'));
        const [scheduler] = await queue.getJobSchedulers();
        assert.equal(scheduler.key, 'tick');
        assert.equal(await queue.removeJobScheduler('tick'), true);
        assert.deepEqual(await queue.getJobSchedulers(), []);
        await queue.upsertJobScheduler('cron', { pattern: '* * * * * *' }, { data: { text: own('cron') } });
        let text = '';
        while (text !== own('cron')) [text] = await done.take('the second\'s job');
        await queue.removeJobScheduler('cron');
    },

    async rate_limited(defer) {
        const times = [];
        const { queue, events } = await workshop(defer, 'limited', async () => { times.push(performance.now()); },
            { limiter: { max: 2, duration: 200 } });
        const began = performance.now();
        const jobs = await queue.addBulk(Array.from({ length: 5 }, () => ({ name: 'job', data: {} })));
        await Promise.all(jobs.map((job) => finished(job, events)));
        assert.ok(times[4] - began >= 390, `the fifth job at two each 200 ms came after ${times[4] - began} ms`);
    },

    async flows(defer) {
        const { events, open, queue } = await workshop(defer, 'parents', async (job) => {
            const values = Object.values(await job.getChildrenValues());
            values.forEach((value) => assert_own(value));
            return values.sort();
        });
        await open(new Worker('children', async (job) => own(job.name), impatient));
        const producer = await open(new FlowProducer({ connection }));
        const { job } = await producer.add({
            name: 'assemble', queueName: 'parents',
            children: [{ name: 'wheel', queueName: 'children' }, { name: 'frame', queueName: 'children' }],
        });
        assert.deepEqual(await finished(job, events), [own('frame'), own('wheel')]);
        const tree = await producer.getFlow({ id: job.id, queueName: 'parents' });
        assert.equal(tree.children.length, 2);
        assert.equal(await queue.getCompletedCount(), 1);
    },

    async deduplicated(defer) {
        const { queue } = await workshop(defer, 'dedup');
        const first = await queue.add('paint', { text: own('1') }, { deduplication: { id: 'same' } });
        const second = await queue.add('paint', { text: own('2') }, { deduplication: { id: 'same' } });
        assert.equal(second.id, first.id);
        assert.equal(await queue.getWaitingCount(), 1);
        assert.equal(await queue.getDeduplicationJobId('same'), first.id);
    },

    // A worker that disappears loses its lock, and another takes the job.
    async stalled(defer) {
        const { queue, events, open } = await workshop(defer, 'stalled');
        const lost = new Redis({ host, port, maxRetriesPerRequest: null });
        lost.on('error', () => {});
        const taken = new mailbox();
        const dying = new Worker('stalled', () => { taken.put(); return new Promise(() => {}); }, {
            ...impatient, connection: lost, lockDuration: 300, skipStalledCheck: true, skipLockRenewal: true });
        dying.on('error', () => {});
        const job = await queue.add('precious', { text: own('kept') }, {});
        await taken.take('the dying worker\'s job');
        await dying.close(true);
        lost.disconnect();
        await open(new Worker('stalled', async (again) => again.data.text, { ...impatient, stalledInterval: 200 }));
        assert_own(await finished(job, events), 'kept');
    },

    async reconnecting(defer) {
        const network = await relay.start();
        defer(() => network.stop());
        const { queue, events } = await workshop(defer, 'cut');
        const worker = new Worker('cut', async (job) => job.data.text, {
            ...impatient, connection: { host: '127.0.0.1', port: network.port, retryStrategy: () => 10 } });
        worker.on('error', () => {});
        defer(() => worker.close());
        await worker.waitUntilReady();
        const before = await queue.add('before', { text: own('before') });
        assert_own(await finished(before, events), 'before');
        const client = await worker.client;
        const ready = event(client, 'ready');
        network.cut();
        await ready;
        const after = await queue.add('after', { text: own('after') });
        assert_own(await finished(after, events), 'after');
    },

    async cleaning(defer) {
        const { queue } = await workshop(defer, 'cleaned');
        await queue.addBulk(Array.from({ length: 30 }, (_, i) => ({ name: 'j', data: { i }, opts: { delay: i % 3 * 60_000 } })));
        assert.equal(await queue.getDelayedCount(), 20);
        await queue.drain();
        assert.equal(await queue.getWaitingCount(), 0);
        assert.equal((await queue.clean(0, 5, 'delayed')).length, 5);
        assert.equal(await queue.getDelayedCount(), 15);
        assert.equal(typeof await queue.trimEvents(10), 'number');
        await queue.obliterate({ force: true });
        const redis = await queue.client;
        assert.deepEqual((await redis.keys('bull:cleaned:*')).filter((key) => !key.endsWith(':events')), []);
        const all = await redis.keys('bull:*');
        assert.ok(all.length > 50);
        for (const key of all) {
            const job = await redis.type(key) === 'hash' ? await redis.hget(key, 'data') : null;
            const text = job && JSON.parse(job).text;
            if (text) assert_own(text);
        }
        await redis.flushall();
        assert.equal(await redis.dbsize(), 0);
    },
});
