#include "proxy/fallback/memory_store.hpp"

#include <gtest/gtest.h>

#include <random>

#include "proxy/fallback/engine/commands.hpp"

namespace weir {
namespace {

using namespace engine;

constexpr std::int64_t now = 1'700'000'000'000;

entry text(std::string_view value, std::int64_t expires_at = never) {
    return {string_value(value), expires_at};
}

TEST(memory_store_test, tenants_and_databases_hold_keys_of_their_own) {
    memory_store store(1 << 20);
    store.database("a", 0, 16).put("k", text("1"));
    store.database("a", 1, 16).put("k", text("2"));
    store.database("b", 0, 16).put("k", text("3"));
    EXPECT_EQ(store.keys(), 3u);
    EXPECT_EQ(std::get<string_value>(store.database("a", 1, 16).find("k", now)->held), "2");
    store.database("a", 0, 16).clear_all();
    EXPECT_EQ(store.keys(), 1u);
    EXPECT_EQ(store.bytes("a"), 0u);
    EXPECT_EQ(store.bytes(), store.bytes("b"));
}

TEST(memory_store_test, what_was_not_used_for_longest_goes_first) {
    const std::string value(1'000, 'x');
    std::size_t one = 0;
    {
        memory_store measured(1 << 20);
        measured.database("a", 0, 16).put("0", text(value));
        one = measured.bytes();
    }
    memory_store store(4 * one);
    keyspace& keys = store.database("a", 0, 16);
    keyspace& other = store.database("a", 1, 16);
    for (const auto* const key : {"0", "1", "2"}) keys.put(key, text(value));
    other.put("3", text(value));
    EXPECT_EQ(store.trim(), 0u);
    EXPECT_NE(keys.find("0", now), nullptr);
    keys.put("1", text(value));
    keys.put("4", text(value));
    EXPECT_EQ(store.trim(), 1u);
    EXPECT_EQ(keys.find("2", now), nullptr) << "put first, of those not used since";
    keys.put("5", text(value));
    EXPECT_EQ(store.trim(), 1u);
    EXPECT_EQ(other.size(), 0u) << "one order over all databases";
    keys.put("6", text(value));
    EXPECT_EQ(store.trim(), 1u);
    EXPECT_EQ(keys.find("0", now), nullptr) << "found before 1 was put anew";
    EXPECT_EQ(keys.size(), 4u);
}

TEST(memory_store_test, a_tenant_below_its_share_loses_nothing_to_a_greedy_one) {
    memory_store store(100'000);
    keyspace& modest = store.database("modest", 0, 16);
    keyspace& greedy = store.database("greedy", 0, 16);
    for (int i = 0; i < 20; ++i) modest.put(std::to_string(i), text("small"));
    const std::size_t before = store.bytes("modest");
    for (int i = 0; i < 5'000; ++i) {
        greedy.put(std::to_string(i), text(std::string(500, 'x')));
        store.trim();
        ASSERT_LE(store.bytes(), 100'000u);
    }
    EXPECT_EQ(store.bytes("modest"), before);
    EXPECT_EQ(modest.size(), 20u);
    EXPECT_GT(store.bytes("greedy"), 80'000u);
}

TEST(memory_store_test, a_value_larger_than_everything_goes_itself) {
    memory_store store(10'000);
    keyspace& keys = store.database("a", 0, 16);
    keys.put("k", text(std::string(20'000, 'x')));
    EXPECT_NE(keys.find("k", now), nullptr) << "until the command has ended";
    EXPECT_EQ(store.trim(), 1u);
    EXPECT_EQ(store.bytes(), 0u);
}

TEST(memory_store_test, expired_keys_go_in_small_steps_and_all_of_them) {
    memory_store store(1 << 20);
    for (int i = 0; i < 300; ++i) {
        const std::string key = std::to_string(i);
        store.database("a", i % 3, 16).put(key, text("v", i % 2 == 0 ? now + 10 : never));
        store.database("b", 0, 16).put(key, text("v", now + 10));
    }
    EXPECT_EQ(store.expire_some(1'000, now + 10), 0u) << "still alive at that very millisecond";
    std::size_t gone = 0;
    for (int step = 0; step < 100; ++step) gone += store.expire_some(10, now + 11);
    EXPECT_EQ(gone, 450u);
    EXPECT_EQ(store.keys(), 150u);
}

TEST(memory_store_test, an_expired_key_goes_when_it_is_asked_for) {
    memory_store store(1 << 20);
    keyspace& keys = store.database("a", 0, 16);
    keys.put("k", text("v", now + 10));
    EXPECT_NE(keys.find("k", now + 10), nullptr);
    EXPECT_EQ(store.keys(), 1u);
    EXPECT_EQ(keys.find("k", now + 11), nullptr);
    EXPECT_EQ(store.keys(), 0u);
    EXPECT_EQ(store.bytes(), 0u);
}

TEST(memory_store_test, empty_databases_cost_a_step_each_and_hide_nothing) {
    memory_store store(1 << 20);
    for (int i = 0; i < 50; ++i) (void)store.database("t" + std::to_string(i), 0, 16);
    store.database("last", 0, 16).put("k", text("v", now));
    for (int step = 0; step < 5; ++step) EXPECT_EQ(store.expire_some(10, now + 1), 0u);
    EXPECT_EQ(store.expire_some(10, now + 1), 1u);
}

TEST(memory_store_test, a_copy_is_used_until_it_is_stale) {
    memory_store store(1 << 20);
    keyspace& keys = store.database("a", 0, 16);
    store.remember("a", 0, 16, "k", text("v", now + 1'000), now + 10);
    EXPECT_EQ(keys.find("k", now + 10)->expires_at, now + 1'000) << "what TTL tells";
    EXPECT_EQ(store.own_keys(), 0u);
    std::size_t seen = 0;
    const auto count = [&](std::string_view, const entry&) { ++seen; };
    (void)keys.scan(0, 10, now + 10, count);
    (void)keys.scan(0, 10, now + 11, count);
    EXPECT_EQ(seen, 1u);
    EXPECT_EQ(keys.find("k", now + 11), nullptr);
    EXPECT_EQ(store.keys(), 0u);
    EXPECT_EQ(store.bytes(), 0u);
}

TEST(memory_store_test, a_copy_expires_as_any_value_does) {
    memory_store store(1 << 20);
    store.remember("a", 0, 16, "k", text("v", now + 5), now + 10);
    EXPECT_EQ(store.database("a", 0, 16).find("k", now + 6), nullptr);
}

TEST(memory_store_test, stale_copies_go_in_small_steps_too) {
    memory_store store(1 << 20);
    for (int i = 0; i < 100; ++i) store.remember("a", 0, 16, std::to_string(i), text("v"), now + i % 2);
    EXPECT_EQ(store.expire_some(1'000, now + 1), 50u);
    EXPECT_EQ(store.keys(), 50u);
}

TEST(memory_store_test, a_copy_that_a_command_changes_is_the_tenants_own) {
    memory_store store(1 << 20);
    keyspace& keys = store.database("a", 0, 16);
    for (const auto* const key : {"changed", "replaced", "read"})
        store.remember("a", 0, 16, key, text("v"), now + 10);
    keys.altered("changed", *keys.find("changed", now));
    keys.put("replaced", text("new"));
    EXPECT_EQ(store.own_keys(), 2u);
    EXPECT_EQ(store.own_keys("a"), 2u);
    EXPECT_NE(keys.find("changed", now + 11), nullptr);
    EXPECT_NE(keys.find("replaced", now + 11), nullptr);
    EXPECT_EQ(keys.find("read", now + 11), nullptr);
}

TEST(memory_store_test, a_copy_takes_the_place_of_a_copy_but_not_of_the_tenants_own) {
    memory_store store(1 << 20);
    keyspace& keys = store.database("a", 0, 16);
    store.remember("a", 0, 16, "k", text("1"), now + 10);
    store.remember("a", 0, 16, "k", text("2"), now + 20);
    EXPECT_EQ(std::get<string_value>(keys.find("k", now + 20)->held), "2");
    keys.put("k", text("own"));
    store.remember("a", 0, 16, "k", text("3"), now + 30);
    EXPECT_EQ(std::get<string_value>(keys.find("k", now + 31)->held), "own");
    EXPECT_EQ(store.own_keys(), 1u);
}

TEST(memory_store_test, what_is_remembered_is_within_the_bound) {
    memory_store store(50'000);
    for (int i = 0; i < 1'000; ++i) {
        store.remember("a", 0, 16, std::to_string(i), text(std::string(100, 'x')), now + 10);
        ASSERT_LE(store.bytes(), 50'000u);
    }
    EXPECT_GT(store.keys(), 50u);
}

TEST(memory_store_test, forgets_a_key_and_clears_a_tenant) {
    memory_store store(1 << 20);
    keyspace& keys = store.database("a", 0, 16);
    keys.put("own", text("v"));
    store.remember("a", 3, 16, "copy", text("v"), now);
    store.database("b", 0, 16).put("own", text("v"));
    store.forget("a", 0, "own");
    store.forget("a", 0, "none");
    store.forget("a", 7, "none");
    store.forget("nobody", 0, "own");
    EXPECT_EQ(store.keys(), 2u);
    EXPECT_EQ(store.own_keys("a"), 0u);
    keys.put("again", text("v"));
    store.clear("a");
    store.clear("nobody");
    EXPECT_EQ(store.bytes("a"), 0u);
    EXPECT_EQ(store.keys(), 1u);
    EXPECT_EQ(store.own_keys(), 1u);
    EXPECT_EQ(keys.size(), 0u) << "and can still be used";
}

TEST(memory_store_test, a_key_put_anew_keeps_its_place_in_a_scan) {
    memory_store store(1 << 20);
    keyspace& keys = store.database("a", 0, 16);
    for (int i = 0; i < 20; ++i) keys.put(std::to_string(i), text("v"));
    std::size_t seen = 0;
    const auto count = [&](std::string_view, const entry&) { ++seen; };
    const std::uint64_t next = keys.scan(0, 10, now, count);
    keys.put("0", text("w"));
    (void)keys.scan(next, 10, now, count);
    EXPECT_EQ(seen, 20u);
}

/// Counted anew from what the value holds.
std::size_t recounted(const string_value& held) {
    return held.size();
}
std::size_t recounted(const list_value& held) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < held.size(); ++i) bytes += held[i].size();
    return bytes;
}
std::size_t recounted(const hash_value& held) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < held.size(); ++i) bytes += held.field(i).size() + held.value_at(i).size();
    return bytes;
}
std::size_t recounted(const sorted_set_value& held) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < held.size(); ++i) bytes += held[i].key.size();
    return bytes;
}
std::size_t recounted(const set_value& held) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < held.size(); ++i) bytes += held.is_integers() ? 8 : held.member(i).size();
    return bytes;
}
std::size_t counted(const string_value& held) {
    return held.size();
}
std::size_t counted(const auto& held) {
    return held.payload_bytes();
}

/// Each key's bytes, from what is there.
std::size_t recounted(keyspace& keys, std::size_t bytes_of_a_key) {
    std::size_t bytes = 0;
    (void)keys.scan(0, keys.size(), 0, [&](std::string_view key, const entry& what) {
        bytes += bytes_of_a_key + key.size() + memory_bytes(what.held);
        std::visit([](const auto& held) { EXPECT_EQ(counted(held), recounted(held)); }, what.held);
    });
    return bytes;
}

std::size_t measure_a_key() {
    memory_store measured(1 << 20);
    measured.database("a", 0, 16).put("", text(""));
    return measured.bytes() - memory_bytes(string_value());
}

TEST(memory_store_test, its_counts_are_right_after_any_commands) {
    std::mt19937_64 random(5);
    memory_store store(60'000);
    keyspace& keys = store.database("a", 0, 16);
    const std::size_t bytes_of_a_key = measure_a_key();
    buffer out;
    for (int step = 0; step < 20'000; ++step) {
        const std::string key = "k" + std::to_string(random() % 50);
        const std::string other = "k" + std::to_string(random() % 50);
        const std::string value(random() % 400, 'v');
        const std::string number = std::to_string(random() % 100);
        const std::vector<std::vector<std::string_view>> choices{{"set", key, value},
                                                                 {"append", key, value},
                                                                 {"rpush", key, value},
                                                                 {"lpop", key},
                                                                 {"hset", key, value, "1"},
                                                                 {"zadd", key, "1", "m"},
                                                                 {"del", key},
                                                                 {"rename", key, other},
                                                                 {"copy", key, other, "DB", "1"},
                                                                 {"pexpire", key, "3"},
                                                                 {"sadd", key, value},
                                                                 {"spop", key},
                                                                 {"sadd", key, number},
                                                                 {"linsert", key, "before", value, number},
                                                                 {"lset", key, "0", value},
                                                                 {"lrem", key, "0", value},
                                                                 {"hdel", key, value},
                                                                 {"zrem", key, "m"},
                                                                 {"zadd", key, number, value},
                                                                 {"spop", key, "3"},
                                                                 {"zpopmin", key},
                                                                 {"ltrim", key, "1", "3"}};
        const auto& words = choices[random() % choices.size()];
        out.clear();
        reply_writer reply(out, resp_version::resp2);
        surroundings around{keys, reply, now + step, random};
        run(*find_command(words[0]), words, around);
        if (step % 7 == 0) store.remember("a", 0, 16, other, text(value), now + step + 5);
        if (step % 11 == 0) store.forget("a", 0, key);
        if (step % 13 == 0) (void)store.expire_some(5, now + step);
        store.trim();
        ASSERT_LE(store.bytes(), 60'000u);
        if (step % 100 != 0) continue;
        ASSERT_EQ(store.bytes(),
                  recounted(keys, bytes_of_a_key) + recounted(*keys.sibling(1), bytes_of_a_key));
        ASSERT_EQ(store.bytes(), store.bytes("a"));
        ASSERT_LE(store.own_keys(), store.keys());
    }
    EXPECT_GT(store.keys(), 20u);
    EXPECT_EQ(store.keys(), keys.size() + keys.sibling(1)->size());
    keys.clear_all();
    EXPECT_EQ(store.bytes(), 0u);
    EXPECT_EQ(store.keys(), 0u);
    EXPECT_EQ(store.own_keys(), 0u);
}

}  // namespace
}  // namespace weir
