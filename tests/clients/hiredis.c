/* hiredis, the blocking API: one connection that is used, more where one waits for another. */
#include "hiredis_check.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

static const char* tenant;
static redisContext* c;

static redisContext* connect_to_server(void) {
    const struct timeval patience = {20, 0};
    redisContext* made =
        redisConnectWithTimeout(setting("REDIS_HOST"), atoi(setting("REDIS_PORT")), patience);
    if (made == NULL || made->err || redisSetTimeout(made, patience) != REDIS_OK) {
        printf("cannot connect: %s\n", made ? made->errstr : "no memory");
        exit(1);
    }
    return made;
}

static const char* call(redisContext* client, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    redisReply* reply = redisvCommand(client, format, arguments);
    va_end(arguments);
    if (reply == NULL) return text("(broken: %s)", client->errstr);
    const char* described = describe(reply);
    freeReplyObject(reply);
    return described;
}

/* End of file, or a reset when the server closed before it got the command. */
static int broken(redisContext* client) {
    SAME(text("%.9s", call(client, "PING")), "(broken: ");
    return client->err == REDIS_ERR_EOF || client->err == REDIS_ERR_IO;
}

#define IS(wanted, ...) SAME(call(c, __VA_ARGS__), wanted)

static void strings(void) {
    IS("+OK", "SET key %s:v", tenant);
    IS(text("'%s:v'", tenant), "GET %s", "key");
    IS("nil", "GET missing");
    IS("nil", "SET key x NX");
    IS(text("'%s:v'", tenant), "SET key w GET");
    IS("+OK", "MSET a 1 b 2");
    IS("['1' nil '2' 'w']", "MGET a missing b key");
    IS("11", "INCRBY a 10");
    IS("'11.5'", "INCRBYFLOAT a 0.5");
    IS("4", "APPEND key abc");
    IS("'ab'", "GETRANGE key 1 2");
    IS("1", "EXPIRE key 1000");
    IS("1000", "TTL key");
    IS("+string", "TYPE key");
    IS("2", "DEL a key missing");
    IS("['b']", "KEYS *");
    IS("1", "DBSIZE");
    IS("'b'", "RANDOMKEY");
}

static void bytes(void) {
    static const char name[] = "a\r\n\0 b", value[] = "\0\xff\r\n$-1\r\n";
    redisReply* reply = redisCommand(c, "SET %b %b", name, sizeof name - 1, value, sizeof value - 1);
    SAME(describe(reply), "+OK");
    freeReplyObject(reply);
    const char* argv[] = {"GET", name};
    const size_t lengths[] = {3, sizeof name - 1};
    reply = redisCommandArgv(c, 2, argv, lengths);
    TRUE(reply->len == sizeof value - 1 && memcmp(reply->str, value, reply->len) == 0, describe(reply));
    freeReplyObject(reply);
    reply = redisCommand(c, "KEYS *");
    TRUE(reply->elements == 1 && reply->element[0]->len == sizeof name - 1 &&
             memcmp(reply->element[0]->str, name, sizeof name - 1) == 0,
         describe(reply));
    freeReplyObject(reply);

    enum { large = 3 << 20 };
    char* much = malloc(large);
    memset(much, tenant[0], large);
    reply = redisCommand(c, "SET large %b", much, (size_t)large);
    SAME(describe(reply), "+OK");
    freeReplyObject(reply);
    reply = redisCommand(c, "GET large");
    TRUE(reply->len == large && memcmp(reply->str, much, large) == 0, "the large value comes back");
    freeReplyObject(reply);
    free(much);
}

static void collections(void) {
    IS("2", "HSET hash f %s:1 g 2", tenant);
    IS(text("['f' '%s:1' 'g' '2']", tenant), "HGETALL hash");
    IS("['2' nil]", "HMGET hash g missing");
    IS(text("['0' ['f' '%s:1']]", tenant), "HSCAN hash 0 MATCH f");
    IS("3", "RPUSH list a b %s:c", tenant);
    IS(text("['a' 'b' '%s:c']", tenant), "LRANGE list 0 -1");
    IS("['list' ['a']]", "LMPOP 2 none list LEFT");
    IS("'b'", "LMOVE list other LEFT RIGHT");
    IS("2", "SADD set a b");
    IS("1", "SADD set2 b");
    IS("['b']", "SINTER set set2");
    IS("1", "SINTERSTORE both set set2");
    IS("2", "ZADD zset 1 a 2.5 b");
    IS("['a' '1' 'b' '2.5']", "ZRANGE zset 0 -1 WITHSCORES");
    IS("['zset' [['b' '2.5']]]", "ZMPOP 1 zset MAX");
    IS("'1-1'", "XADD stream 1-1 f %s:1", tenant);
    IS(text("[['stream' [['1-1' ['f' '%s:1']]]]]", tenant), "XREAD STREAMS stream 0");
    IS("+OK", "XGROUP CREATE stream group 0");
    IS(text("[['stream' [['1-1' ['f' '%s:1']]]]]", tenant), "XREADGROUP GROUP group me STREAMS stream >");
    IS("[1 '1-1' '1-1' [['me' '1']]]", "XPENDING stream group");
    IS("2", "GEOADD geo 13.361389 38.115556 Palermo 15.087269 37.502669 Catania");
    IS("'166.2742'", "GEODIST geo Palermo Catania km");
    IS("1", "PFADD hll a b");
    IS("2", "PFCOUNT hll");
    IS("0", "SETBIT bits 7 1");
    IS("1", "BITCOUNT bits");
    IS("[0 1]", "BITFIELD field INCRBY u8 0 0 INCRBY u8 0 1");
    IS("12", "DBSIZE");
    IS("['3' '1' '2']", "EVAL %s 0", "return {'3','1','2'}");
}

static void scanning(void) {
    for (int i = 0; i < 1000; ++i) redisAppendCommand(c, "SET key:%d %s:%d", i, tenant, i);
    redisReply* reply;
    for (int i = 0; i < 1000; ++i) {
        TRUE(redisGetReply(c, (void**)&reply) == REDIS_OK, c->errstr);
        SAME(describe(reply), "+OK");
        freeReplyObject(reply);
    }
    char seen[1000] = {0};
    char cursor[32] = "0";
    int pages = 0, found = 0;
    do {
        reply = redisCommand(c, "SCAN %s COUNT 50", cursor);
        TRUE(reply->type == REDIS_REPLY_ARRAY && reply->elements == 2, describe(reply));
        snprintf(cursor, sizeof cursor, "%s", reply->element[0]->str);
        for (size_t i = 0; i < reply->element[1]->elements; ++i) {
            const char* name = reply->element[1]->element[i]->str;
            int number = -1;
            TRUE(sscanf(name, "key:%d", &number) == 1 && number >= 0 && number < 1000, name);
            found += !seen[number];
            seen[number] = 1;
        }
        freeReplyObject(reply);
    } while (strcmp(cursor, "0") != 0 && ++pages < 100000);
    TRUE(found == 1000, text("%d keys found", found));
    IS("['key:7']", "KEYS key:7");
    IS("1000", "DBSIZE");
}

static void pipelining(void) {
    enum { rounds = 2000 };
    for (int i = 0; i < rounds; ++i) {
        redisAppendCommand(c, "SET key %s:%d", tenant, i);
        redisAppendCommand(c, "GET key");
        redisAppendCommand(c, "PING %d", i);
        redisAppendCommand(c, i % 2 ? "LPUSH key x" : "NOSUCH a b");
    }
    redisReply* reply;
    for (int i = 0; i < rounds; ++i) {
        const char* wanted[] = {"+OK", text("'%s:%d'", tenant, i), text("'%d'", i),
                                i % 2 ? "-WRONGTYPE Operation against a key holding the wrong kind of value"
                                      : "-ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' "};
        for (int part = 0; part < 4; ++part) {
            TRUE(redisGetReply(c, (void**)&reply) == REDIS_OK, c->errstr);
            SAME(describe(reply), wanted[part]);
            freeReplyObject(reply);
        }
    }
}

static void transactions(void) {
    IS("+OK", "MULTI");
    IS("+QUEUED", "SET key %s:v", tenant);
    IS("+QUEUED", "LPUSH key x");
    IS("+QUEUED", "KEYS *");
    IS("+QUEUED", "RPUSH list a b");
    IS("+QUEUED", "BLPOP list 0");
    IS("[+OK -WRONGTYPE Operation against a key holding the wrong kind of value ['key'] 2 ['list' 'a']]", "EXEC");
    IS("-ERR EXEC without MULTI", "EXEC");
    IS("-ERR DISCARD without MULTI", "DISCARD");
    IS("+OK", "MULTI"); /* a nested one is an error everywhere, of different words and consequences */
    SAME(text("%.5s", call(c, "MULTI")), "-ERR ");
    IS("+OK", "DISCARD");
    IS("+OK", "MULTI");
    IS("-ERR unknown command 'NOSUCH', with args beginning with: ", "NOSUCH");
    IS("+QUEUED", "SET key lost");
    IS("-EXECABORT Transaction discarded because of previous errors.", "EXEC");
    IS("+OK", "MULTI");
    IS("+QUEUED", "SET key lost");
    IS("+OK", "DISCARD");
    IS(text("'%s:v'", tenant), "GET key");

    redisContext* other = connect_to_server();
    IS("+OK", "WATCH key more");
    SAME(call(other, "SET more x"), "+OK");
    IS("+OK", "MULTI");
    IS("+QUEUED", "SET key lost");
    IS("nil", "EXEC");
    IS("+OK", "WATCH key");
    SAME(call(other, "SET key other"), "+OK");
    IS("+OK", "UNWATCH");
    for (int i = 0; i < 200; ++i) { /* the other tenant writes the same name all the while */
        IS("+OK", "WATCH key counter");
        IS("+OK", "MULTI");
        IS("+QUEUED", "SET key %s:%d", tenant, i);
        IS("+QUEUED", "INCR counter");
        IS(text("[+OK %d]", i + 1), "EXEC");
    }
    redisFree(other);
}

static void* pop_on_its_own(void* connection) { return redisCommand(connection, "BLPOP none queue 15"); }

/* Until CLIENT LIST shows the client of that name as blocked; at most 20 s. */
static void wait_until_blocked(redisContext* observer, const char* name) {
    const char* wanted = text("name=%s ", name);
    for (int i = 0; i < 4000; ++i) {
        const char* client = strstr(call(observer, "CLIENT LIST"), wanted);
        const char* flags = client ? strstr(client, "flags=") : NULL;
        if (flags != NULL && memchr(flags + 6, 'b', strcspn(flags + 6, " "))) return;
        nanosleep(&(struct timespec){0, 5000000}, NULL);
    }
    SAME(call(observer, "CLIENT LIST"), text("%s is blocked", name));
}

static void blocking(void) {
    redisContext* other = connect_to_server();
    redisReply* reply = NULL;
    SAME(call(other, "CLIENT SETNAME blocked"), "+OK");
    pthread_t thread;
    TRUE(pthread_create(&thread, NULL, pop_on_its_own, other) == 0, "a thread");
    wait_until_blocked(c, "blocked");
    IS("1", "RPUSH queue %s:job", tenant);
    pthread_join(thread, (void**)&reply);
    SAME(describe(reply), text("['queue' '%s:job']", tenant));
    freeReplyObject(reply);
    IS("nil", "BLPOP none 0.05");
    IS("nil", "XREAD BLOCK 50 STREAMS none $");
    IS("0", "WAIT 0 50");

    redisAppendCommand(other, "BRPOP queue 15"); /* holds back what follows it in the pipeline */
    redisAppendCommand(other, "INCR after");
    for (int sent = 0; !sent;) TRUE(redisBufferWrite(other, &sent) == REDIS_OK, other->errstr);
    wait_until_blocked(c, "blocked");
    IS("nil", "GET after");
    IS("1", "RPUSH queue %s:late", tenant);
    TRUE(redisGetReply(other, (void**)&reply) == REDIS_OK, other->errstr);
    SAME(describe(reply), text("['queue' '%s:late']", tenant));
    freeReplyObject(reply);
    TRUE(redisGetReply(other, (void**)&reply) == REDIS_OK, other->errstr);
    SAME(describe(reply), "1");
    freeReplyObject(reply);
    redisFree(other);
}

static void subscribing(void) {
    redisContext* subscriber = connect_to_server();
    redisReply* reply;
    SAME(call(subscriber, "SUBSCRIBE news"), "['subscribe' 'news' 1]");
    SAME(call(subscriber, "PSUBSCRIBE n* x?"), "['psubscribe' 'n*' 2]");
    TRUE(redisGetReply(subscriber, (void**)&reply) == REDIS_OK, subscriber->errstr);
    SAME(describe(reply), "['psubscribe' 'x?' 3]");
    freeReplyObject(reply);
    SAME(call(subscriber, "PING"), "['pong' '']");
    SAME(call(subscriber, "GET key"), "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / "
                                      "QUIT / RESET are allowed in this context");
    IS("['news']", "PUBSUB CHANNELS");
    IS("['news' 1 'none' 0]", "PUBSUB NUMSUB news none");
    IS("2", "PUBSUB NUMPAT");
    for (int i = 0; i < 300; ++i) {
        IS("2", "PUBLISH news %s:%d", tenant, i);
        TRUE(redisGetReply(subscriber, (void**)&reply) == REDIS_OK, subscriber->errstr);
        SAME(describe(reply), text("['message' 'news' '%s:%d']", tenant, i));
        freeReplyObject(reply);
        TRUE(redisGetReply(subscriber, (void**)&reply) == REDIS_OK, subscriber->errstr);
        SAME(describe(reply), text("['pmessage' 'n*' 'news' '%s:%d']", tenant, i));
        freeReplyObject(reply);
    }
    SAME(call(subscriber, "UNSUBSCRIBE"), "['unsubscribe' 'news' 2]");
    SAME(call(subscriber, "PUNSUBSCRIBE n*"), "['punsubscribe' 'n*' 1]");
    SAME(call(subscriber, "PUNSUBSCRIBE x?"), "['punsubscribe' 'x?' 0]");
    SAME(call(subscriber, "ECHO free"), "'free'");
    redisFree(subscriber);
}

static void connections(void) {
    redisContext* other = connect_to_server();
    SAME(call(other, "CLIENT SETNAME other"), "+OK");
    SAME(call(other, "CLIENT GETNAME"), "'other'");
    IS("nil", "CLIENT GETNAME");
    const char* number = text("%s", call(other, "CLIENT ID"));
    IS("+OK", "SELECT 9");
    IS("+OK", "FLUSHDB");
    IS("+OK", "SET nine %s:9", tenant);
    SAME(call(other, "GET nine"), "nil");
    IS("['nine']", "KEYS *");
    IS("+OK", "FLUSHDB");
    IS("+OK", "SELECT 0");
    IS("1", "CLIENT KILL ID %s", number);
    TRUE(broken(other), "the killed connection is broken");
    TRUE(redisReconnect(other) == REDIS_OK, other->errstr);
    SAME(call(other, "PING"), "+PONG");
    redisAppendCommand(other, "CLIENT REPLY OFF");
    redisAppendCommand(other, "SET silent 1");
    redisAppendCommand(other, "CLIENT REPLY ON");
    redisReply* reply;
    TRUE(redisGetReply(other, (void**)&reply) == REDIS_OK, other->errstr);
    SAME(describe(reply), "+OK");
    freeReplyObject(reply);
    SAME(call(other, "GET silent"), "'1'");
    SAME(call(other, "QUIT"), "+OK");
    TRUE(broken(other), "the connection that was left is broken");
    redisFree(other);
    TRUE(strstr(call(c, "INFO"), "redis_version:") != NULL, "INFO has the version");
    TRUE(strstr(call(c, "INFO replication"), "role:master") != NULL, "INFO has the role");
    IS("-ERR wrong number of arguments for 'get' command", "GET");
    IS("-ERR value is not an integer or out of range", "INCRBY silent x");
}

static void scripts(void) {
    const char* body = text("--%s %d\nreturn redis.call('INCRBY', KEYS[1], ARGV[1])", tenant, (int)getpid());
    SAME(text("%.28s", call(c, "EVALSHA %s 0", "ffffffffffffffffffffffffffffffffffffffff")), "-NOSCRIPT No matching script");
    redisReply* reply = redisCommand(c, "SCRIPT LOAD %s", body);
    TRUE(reply->type == REDIS_REPLY_STRING && reply->len == 40, describe(reply));
    IS("5", "EVALSHA %s 1 counter 5", reply->str);
    IS("[1 0]", "SCRIPT EXISTS %s %s", reply->str, "ffffffffffffffffffffffffffffffffffffffff");
    freeReplyObject(reply);
    IS("12", "EVAL %s 1 counter 7", body);
    IS("'12'", "GET counter");
}

int main(void) {
    tenant = setting("TENANT");
    void (*const sections[])(void) = {strings,      bytes,    collections, scanning,    pipelining,
                                      transactions, blocking, subscribing, connections, scripts};
    c = connect_to_server();
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; ++i) {
        SAME(call(c, "FLUSHDB"), "+OK");
        SAME(call(c, "KEYS *"), "[]");
        sections[i]();
    }
    SAME(call(c, "FLUSHALL"), "+OK");
    SAME(call(c, "DBSIZE"), "0");
    redisFree(c);
    puts("ok");
    return 0;
}
