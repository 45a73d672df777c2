// What the programs share: where the Redis is, the tenant's word, sections with deadlines, and ways to wait.
//
// A program is a list of sections. Each runs to its end or its deadline, one after the other, so that one run tells all
// that does not work; the program ends with `ok` and 0, or with 1. `ok` is said when the event loop has nothing left:
// a library that could not close its connections is a surprise like any other.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';

export const host = process.env.REDIS_HOST ?? '127.0.0.1';
export const port = Number(process.env.REDIS_PORT ?? 6379);
export const tenant = process.env.TENANT ?? 'nobody';

// Of what has to happen on a machine that has much else to do.
const PROGRAM_DEADLINE = 110_000;
const SECTION_DEADLINE = 60_000;
const DEADLINE = 20_000;

// A value that says whose it is.
export const own = (text) => `${tenant}/${text}`;

// Fails when the value is another tenant's, or nobody's.
export function assert_own(value, text) {
    const seen = String(value);
    assert.ok(seen.startsWith(`${tenant}/`), `a value that is not this tenant's: ${JSON.stringify(seen)}`);
    if (text !== undefined) assert.equal(seen, own(text));
}

// A script that no server has seen: what makes EVALSHA meet NOSCRIPT on every run.
export const unseen = (script) => `-- ${randomUUID()}\n${script}`;

// All 256 bytes, CR LF, NUL and what is not UTF-8 among them.
export const all_bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));

export function by_deadline(promise, what, milliseconds = DEADLINE) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`${what}: nothing after ${milliseconds} ms`)), milliseconds);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// The next event of that name; error events do not matter here, unlike to once() of node:events.
export const event = (emitter, name) =>
    by_deadline(new Promise((resolve) => emitter.once(name, resolve)), `event ${name}`);

// Asks until the answer is true; for what the server tells nobody by itself.
export async function eventually(what, ask, milliseconds = DEADLINE) {
    const until = performance.now() + milliseconds;
    for (;;) {
        const answer = await ask();
        if (answer) return answer;
        assert.ok(performance.now() < until, `${what}: not within ${milliseconds} ms`);
        await new Promise((resolve) => setTimeout(resolve, 5));
    }
}

// What listeners were told, in order.
export class mailbox {
    #letters = [];
    #waiting = [];

    put = (...letter) => {
        const reader = this.#waiting.shift();
        if (reader) reader(letter);
        else this.#letters.push(letter);
    };

    async take(what = 'a message') {
        if (this.#letters.length > 0) return this.#letters.shift();
        return by_deadline(new Promise((resolve) => this.#waiting.push(resolve)), what);
    }

    async take_all(count, what) {
        const taken = [];
        while (taken.length < count) taken.push(await this.take(`${what ?? 'message'} ${taken.length + 1} of ${count}`));
        return taken;
    }

    empty() {
        return this.#letters.length === 0;
    }
}

// A piece of network between a client and the server, which can be cut.
export class relay {
    #server = net.createServer((client) => this.#connect(client));
    #sockets = new Set();
    #down = false;

    static async start() {
        const made = new relay();
        made.#server.listen(0, '127.0.0.1');
        await once(made.#server, 'listening');
        return made;
    }

    get port() {
        return this.#server.address().port;
    }

    get connections() {
        return this.#sockets.size / 2;
    }

    #connect(client) {
        if (this.#down) return client.destroy();
        const server = net.connect(port, host);
        for (const [from, to] of [[client, server], [server, client]]) {
            this.#sockets.add(from);
            from.on('error', () => {});
            from.on('close', () => { this.#sockets.delete(from); to.destroy(); });
            from.pipe(to);
        }
    }

    // Ends all connections; new ones are taken at once.
    cut() {
        for (const socket of this.#sockets) socket.destroy();
    }

    // Ends all connections, and new ones as they come, until up() is said.
    down() {
        this.#down = true;
        this.cut();
    }

    up() {
        this.#down = false;
    }

    async stop() {
        this.down();
        this.#server.close();
        await once(this.#server, 'close');
    }
}

function describe(error) {
    return error?.stack ?? String(error);
}

// Runs the sections. Names given on the command line choose among them. The first one makes the ground clean: without
// it the others mean nothing.
export async function program(sections) {
    const chosen = process.argv.slice(2);
    let failures = 0;
    let running = 'start';
    const fail = (where, error) => {
        failures += 1;
        console.error(`FAILED ${where}: ${describe(error)}`);
    };
    process.on('unhandledRejection', (error) => fail(`${running} (unhandled rejection)`, error));
    process.on('uncaughtException', (error) => fail(`${running} (uncaught)`, error));
    setTimeout(() => {
        console.error(`FAILED ${running}: the program did not end within ${PROGRAM_DEADLINE} ms`);
        process.exit(1);
    }, PROGRAM_DEADLINE).unref();

    for (const [name, section] of Object.entries(sections)) {
        const first = name === Object.keys(sections)[0];
        if (chosen.length > 0 && !first && !chosen.includes(name)) continue;
        running = name;
        const began = performance.now();
        const cleanups = [];
        try {
            await by_deadline(section((cleanup) => cleanups.push(cleanup)), name, SECTION_DEADLINE);
            console.log(`${name} ${Math.round(performance.now() - began)} ms`);
        } catch (error) {
            fail(name, error);
        }
        for (const cleanup of cleanups.reverse()) {
            try {
                await by_deadline(Promise.resolve(cleanup()), `cleaning up after ${name}`);
            } catch (error) {
                fail(name, error);
            }
        }
        if (first && failures > 0) break;
    }
    if (failures > 0) process.exit(1);
    running = 'end';
    process.once('beforeExit', () => {
        if (failures === 0) console.log('ok');
        process.exitCode = failures === 0 ? 0 : 1;
    });
}
