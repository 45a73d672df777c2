/* What the two hiredis programs share: a reply as one line of text, and a comparison that ends the program. */
#ifndef WEIR_TESTS_HIREDIS_CHECK_H
#define WEIR_TESTS_HIREDIS_CHECK_H

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char* setting(const char* name) {
    const char* value = getenv(name);
    if (value == NULL) {
        printf("%s is not set\n", name);
        exit(2);
    }
    return value;
}

/* Formatted text that stays valid for the next 63 calls. */
__attribute__((format(printf, 1, 2))) static const char* text(const char* format, ...) {
    static char ring[64][4096];
    static unsigned next;
    char* out = ring[next++ % 64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out, sizeof ring[0], format, arguments);
    va_end(arguments);
    return out;
}

static size_t describe_into(char* out, size_t size, const redisReply* reply) {
    size_t used = 0;
    if (reply == NULL) return (size_t)snprintf(out, size, "(no reply)");
    switch (reply->type) {
        case REDIS_REPLY_STRING:
            return (size_t)snprintf(out, size, "'%.*s'", (int)reply->len, reply->str);
        case REDIS_REPLY_STATUS:
            return (size_t)snprintf(out, size, "+%s", reply->str);
        case REDIS_REPLY_ERROR:
            return (size_t)snprintf(out, size, "-%s", reply->str);
        case REDIS_REPLY_INTEGER:
            return (size_t)snprintf(out, size, "%lld", reply->integer);
        case REDIS_REPLY_NIL:
            return (size_t)snprintf(out, size, "nil");
    }
    used += (size_t)snprintf(out, size, "[");
    for (size_t i = 0; i < reply->elements && used < size; ++i) {
        if (i > 0) used += (size_t)snprintf(out + used, size - used, " ");
        if (used < size) used += describe_into(out + used, size - used, reply->element[i]);
    }
    if (used < size) used += (size_t)snprintf(out + used, size - used, "]");
    return used;
}

static const char* describe(const redisReply* reply) {
    static char out[65536];
    describe_into(out, sizeof out, reply);
    return out;
}

static void same(const char* where, int line, const char* actual, const char* wanted) {
    if (strcmp(actual, wanted) == 0) return;
    printf("%s:%d (tenant %s):\n  %s\nshould be\n  %s\n", where, line, setting("TENANT"), actual, wanted);
    exit(1);
}

#define SAME(actual, wanted) same(__func__, __LINE__, actual, wanted)
#define TRUE(condition, said) \
    if (!(condition)) SAME(said, #condition)

#endif
