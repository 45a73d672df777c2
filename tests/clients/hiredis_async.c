/* hiredis, the API of callbacks, on a poll loop: pipelines, pub/sub with a cut connection, transactions, blocking. */
#include <errno.h>
#include <hiredis/async.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "hiredis_check.h"

enum { max_clients = 8 };

/* One connection and what its callbacks have heard, oldest first. */
struct client {
    redisAsyncContext* context;
    short wanted; /* poll's events */
    int connected, ended, end_status;
    unsigned heard_count, read_count;
    char heard[4096][256];
};

static const char* tenant;
static struct client clients[max_clients];

static void add_read(void* data) { ((struct client*)data)->wanted |= POLLIN; }
static void del_read(void* data) { ((struct client*)data)->wanted &= ~POLLIN; }
static void add_write(void* data) { ((struct client*)data)->wanted |= POLLOUT; }
static void del_write(void* data) { ((struct client*)data)->wanted &= ~POLLOUT; }
static void forget(void* data) { ((struct client*)data)->wanted = 0; }

static void on_connect(const redisAsyncContext* context, int status) {
    TRUE(status == REDIS_OK, context->errstr);
    ((struct client*)context->data)->connected = 1;
}

static void on_disconnect(const redisAsyncContext* context, int status) {
    struct client* client = context->data;
    client->context = NULL; /* hiredis frees it */
    client->ended = 1;
    client->end_status = status;
}

static void hear(redisAsyncContext* context, void* reply, void* unused) {
    struct client* client = context->data;
    (void)unused;
    if (reply == NULL) return; /* the connection ended: on_disconnect says so */
    TRUE(client->heard_count < 4096, "more than was asked for");
    snprintf(client->heard[client->heard_count++], sizeof client->heard[0], "%.255s", describe(reply));
}

/* One turn of the loop: at most 100 ms. */
static void turn(void) {
    struct pollfd sockets[max_clients];
    struct client* owners[max_clients];
    nfds_t count = 0;
    for (int i = 0; i < max_clients; ++i) {
        if (clients[i].context == NULL || clients[i].wanted == 0) continue;
        owners[count] = &clients[i];
        sockets[count++] = (struct pollfd){clients[i].context->c.fd, clients[i].wanted, 0};
    }
    TRUE(poll(sockets, count, 100) >= 0 || errno == EINTR, strerror(errno));
    for (nfds_t i = 0; i < count; ++i) {
        const short ready = sockets[i].revents;
        if (ready & (POLLIN | POLLHUP | POLLERR)) redisAsyncHandleRead(owners[i]->context);
        if ((ready & POLLOUT) && owners[i]->context != NULL) redisAsyncHandleWrite(owners[i]->context);
    }
}

static void run_until(const int* condition, const char* what) {
    const time_t deadline = time(NULL) + 20;
    while (!*condition) {
        TRUE(time(NULL) < deadline, what);
        turn();
    }
}

static void start(struct client* client) {
    memset(client, 0, sizeof *client);
    redisAsyncContext* context = redisAsyncConnect(setting("REDIS_HOST"), atoi(setting("REDIS_PORT")));
    TRUE(context != NULL && context->err == 0, "a connection");
    client->context = context;
    context->data = context->ev.data = client;
    context->ev.addRead = add_read;
    context->ev.delRead = del_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = del_write;
    context->ev.cleanup = forget;
    redisAsyncSetConnectCallback(context, on_connect);
    redisAsyncSetDisconnectCallback(context, on_disconnect);
    client->wanted = POLLOUT;
    run_until(&client->connected, "the connection");
}

static const char* next(struct client* client) {
    const time_t deadline = time(NULL) + 20;
    while (client->read_count == client->heard_count) {
        TRUE(time(NULL) < deadline && !client->ended, client->ended ? "the connection ended" : "nothing comes");
        turn();
    }
    return client->heard[client->read_count++];
}

static void stop(struct client* client) {
    redisAsyncDisconnect(client->context);
    run_until(&client->ended, "the end of the connection");
    TRUE(client->end_status == REDIS_OK, "an orderly end");
}

#define SEND(client, ...) TRUE(redisAsyncCommand((client)->context, hear, NULL, __VA_ARGS__) == REDIS_OK, "sent")
#define IS(client, wanted, ...)          \
    do {                                 \
        SEND(client, __VA_ARGS__);       \
        SAME(next(client), wanted);      \
    } while (0)

static void many_at_once(struct client* c) {
    for (int i = 0; i < 1000; ++i) {
        SEND(c, "SET key:%d %s:%d", i, tenant, i);
        SEND(c, "GET key:%d", i);
        SEND(c, i % 3 ? "PING" : "INCR key:0");
    }
    for (int i = 0; i < 1000; ++i) {
        SAME(next(c), "+OK");
        SAME(next(c), text("'%s:%d'", tenant, i));
        SAME(next(c), i % 3 ? "+PONG" : "-ERR value is not an integer or out of range");
    }
    c->heard_count = c->read_count = 0;
    IS(c, "1000", "DBSIZE");
}

static void transaction(struct client* c) {
    struct client* other = &clients[1];
    start(other);
    SEND(c, "WATCH key");
    SEND(c, "MULTI");
    SEND(c, "SET key %s:1", tenant);
    SEND(c, "KEYS *");
    SEND(c, "EXEC");
    const char* wanted[] = {"+OK", "+OK", "+QUEUED", "+QUEUED", "[+OK ['key']]"};
    for (int i = 0; i < 5; ++i) SAME(next(c), wanted[i]);
    IS(c, "+OK", "WATCH key");
    IS(other, "+OK", "SET key %s:2", tenant);
    IS(c, "+OK", "MULTI");
    IS(c, "+QUEUED", "SET key lost");
    IS(c, "nil", "EXEC");
    IS(c, text("'%s:2'", tenant), "GET key");
    stop(other);
}

static void blocking(struct client* c) {
    struct client* other = &clients[1];
    start(other);
    SEND(other, "BLPOP none queue 15");
    SEND(other, "GET after");
    SEND(other, "BZPOPMIN zset 0.05");
    IS(c, "+OK", "SET after %s:1", tenant);
    IS(c, "1", "RPUSH queue %s:job", tenant);
    SAME(next(other), text("['queue' '%s:job']", tenant));
    SAME(next(other), text("'%s:1'", tenant));
    SAME(next(other), "nil");
    stop(other);
}

static void subscribe(struct client* subscriber) {
    start(subscriber);
    SEND(subscriber, "SUBSCRIBE news other");
    SEND(subscriber, "PSUBSCRIBE n*");
    SAME(next(subscriber), "['subscribe' 'news' 1]");
    SAME(next(subscriber), "['subscribe' 'other' 2]");
    SAME(next(subscriber), "['psubscribe' 'n*' 3]");
}

/* The id of the one client of type pubsub. */
static const char* subscribers_id(struct client* c) {
    SEND(c, "CLIENT LIST TYPE pubsub");
    const char* listed = next(c);
    TRUE(strncmp(listed, "'id=", 4) == 0, listed);
    return text("%d", atoi(listed + 4));
}

static void publishing(struct client* c, struct client* subscriber, int count) {
    for (int i = 0; i < count; ++i) SEND(c, "PUBLISH news %s:%d", tenant, i);
    for (int i = 0; i < count; ++i) {
        SAME(next(c), "2");
        SAME(next(subscriber), text("['message' 'news' '%s:%d']", tenant, i));
        SAME(next(subscriber), text("['pmessage' 'n*' 'news' '%s:%d']", tenant, i));
    }
    IS(c, "1", "PUBLISH other %s:end", tenant);
    SAME(next(subscriber), text("['message' 'other' '%s:end']", tenant));
}

static void subscribing(struct client* c) {
    struct client* subscriber = &clients[2];
    subscribe(subscriber);
    publishing(c, subscriber, 500);
    IS(c, "1", "CLIENT KILL ID %s", subscribers_id(c));
    run_until(&subscriber->ended, "the end of the killed connection");
    TRUE(subscriber->end_status == REDIS_ERR, "a disorderly end");
    IS(c, "['news' 0]", "PUBSUB NUMSUB news");
    subscribe(subscriber);
    publishing(c, subscriber, 500);
    redisAsyncCommand(subscriber->context, NULL, NULL, "UNSUBSCRIBE other");
    SAME(next(subscriber), "['unsubscribe' 'other' 2]");
    IS(c, "['news']", "PUBSUB CHANNELS");
    redisAsyncCommand(subscriber->context, NULL, NULL, "UNSUBSCRIBE");
    SAME(next(subscriber), "['unsubscribe' 'news' 1]");
    redisAsyncCommand(subscriber->context, NULL, NULL, "PUNSUBSCRIBE");
    SAME(next(subscriber), "['punsubscribe' 'n*' 0]");
    IS(c, "0", "PUBLISH news x");
    IS(subscriber, "+PONG", "PING");
    stop(subscriber);
}

int main(void) {
    tenant = setting("TENANT");
    struct client* c = &clients[0];
    void (*const sections[])(struct client*) = {many_at_once, transaction, blocking, subscribing};
    start(c);
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; ++i) {
        IS(c, "+OK", "FLUSHDB");
        IS(c, "[]", "KEYS *");
        sections[i](c);
    }
    IS(c, "+OK", "FLUSHDB");
    stop(c);
    puts("ok");
    return 0;
}
