// Sessions of an express app in Redis: cookies, changes, touch, expiry, destroy.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { RedisStore } from 'connect-redis';
import express from 'express';
import session from 'express-session';
import { createClient } from 'redis';
import { assert_own, eventually, host, own, port, program } from './suites/support.mjs';

async function connect(defer, options = {}) {
    const client = createClient({ socket: { host, port, reconnectStrategy: false }, ...options });
    client.on('error', (error) => { throw error; });
    await client.connect();
    defer(() => client.destroy());
    return client;
}

// An app whose visitors have a name and a count; `options` are those of its sessions.
async function serve(defer, store, options = {}) {
    const app = express();
    app.use(session({ store, secret: own('secret'), resave: false, saveUninitialized: false, ...options }));
    app.get('/login/:name', (request, response) => {
        request.session.name = own(request.params.name);
        request.session.visits = 0;
        response.send(request.session.id);
    });
    app.get('/visit', (request, response) => {
        if (!request.session.name) return response.status(401).send('nobody');
        request.session.visits += 1;
        response.json({ name: request.session.name, visits: request.session.visits });
    });
    app.get('/look', (request, response) => response.json({ name: request.session.name ?? null }));
    app.get('/renew', (request, response) => request.session.regenerate(() => {
        request.session.name = own('renewed');
        response.send(request.session.id);
    }));
    app.get('/logout', (request, response) => request.session.destroy((error) => response.send(error ? 'no' : 'bye')));
    const server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    defer(() => new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
    }));
    return `http://127.0.0.1:${server.address().port}`;
}

// A browser: keeps its cookie, drops it when told so.
class browser {
    cookie = '';

    constructor(base) {
        this.base = base;
    }

    async get(path) {
        const response = await fetch(this.base + path, { headers: { cookie: this.cookie, connection: 'close' } });
        const given = response.headers.get('set-cookie');
        if (given) this.cookie = given.split(';')[0];
        return response;
    }

    json = async (path) => (await this.get(path)).json();
    text = async (path) => (await this.get(path)).text();
}

const sections = {
    async flush(defer) {
        const client = await connect(defer);
        await client.flushAll();
        assert.equal(await client.dbSize(), 0);
    },
};
for (const RESP of [2, 3]) {
    sections[`visits_resp${RESP}`] = async (defer) => {
        const client = await connect(defer, { RESP });
        const store = new RedisStore({ client, prefix: 'sess:' });
        const base = await serve(defer, store);
        const alice = new browser(base);
        const bob = new browser(base);
        const stranger = new browser(base);
        const id = await alice.text('/login/alice');
        await bob.text('/login/bob');
        assert.deepEqual(await alice.json('/visit'), { name: own('alice'), visits: 1 });
        assert.deepEqual(await alice.json('/visit'), { name: own('alice'), visits: 2 });
        assert.deepEqual(await bob.json('/visit'), { name: own('bob'), visits: 1 });
        assert.equal((await stranger.get('/visit')).status, 401);
        const forged = new browser(base);
        forged.cookie = alice.cookie.replace(/\.[^.]+$/, '.forged');
        assert.equal((await forged.get('/visit')).status, 401);

        assert_own(JSON.parse(await client.get(`sess:${id}`)).name, 'alice');
        assert.ok(await client.ttl(`sess:${id}`) > 86_000);
        assert.equal(await store.length(), 2);
        assert.ok((await store.ids()).includes(id));
        (await store.all()).forEach(({ name }) => assert_own(name));

        const renewed = await alice.text('/renew');
        assert.notEqual(renewed, id);
        assert.equal(await client.exists(`sess:${id}`), 0);
        assert_own((await alice.json('/look')).name, 'renewed');
        assert.equal(await alice.text('/logout'), 'bye');
        assert.equal((await alice.json('/look')).name, null);
        assert.equal(await client.exists(`sess:${renewed}`), 0);

        // Many at once; then all of them out.
        const crowd = await Promise.all(Array.from({ length: 60 }, async (_, i) => {
            const visitor = new browser(base);
            await visitor.text(`/login/${i}`);
            assert_own((await visitor.json('/visit')).name, i);
            return visitor;
        }));
        assert.equal(await store.length(), crowd.length + 1);
        await store.clear();
        assert.equal(await store.length(), 0);
        assert.equal((await crowd[0].get('/visit')).status, 401);
    };

    sections[`expiry_resp${RESP}`] = async (defer) => {
        const client = await connect(defer, { RESP });
        const store = new RedisStore({ client, prefix: 'short:', ttl: 100 });
        const base = await serve(defer, store, { cookie: { maxAge: 60_000 } });
        const visitor = new browser(base);
        const id = await visitor.text('/login/brief');
        await client.pExpire(`short:${id}`, 10_000);
        assert_own((await visitor.json('/look')).name, 'brief');
        // Looking, without a change, touched it: it lives as long as the cookie again.
        await eventually('touched', async () => await client.pTTL(`short:${id}`) > 10_000);
        await client.pExpire(`short:${id}`, 30);
        await eventually('expired', async () => await client.exists(`short:${id}`) === 0);
        assert.equal((await visitor.json('/look')).name, null);
        assert.equal((await visitor.get('/visit')).status, 401);

        const untouched = new RedisStore({ client, prefix: 'short:', disableTouch: true, disableTTL: true });
        await new Promise((resolve) => untouched.set('fixed', { name: own('fixed'), cookie: {} }, resolve));
        assert.equal(await client.ttl('short:fixed'), -1);
        assert_own((await untouched.get('fixed')).name, 'fixed');
        await untouched.destroy('fixed');
        assert.equal(await untouched.get('fixed'), null);
    };
}
sections.only_own = async (defer) => {
    const client = await connect(defer);
    assert.deepEqual(await client.keys('*'), []);
};
await program(sections);
