#include "proxy/fallback/memory_store.hpp"

#include <gtest/gtest.h>

#include <random>

#include "proxy/fallback/engine/commands.hpp"

namespace weir {
namespace {

using namespace engine;

constexpr std::int64_t now = 1'700'000'000'000;

entry text(std::string_view value, std::int64_t expires_at = never) { return {string_value(value), expires_at}; }

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
    memory_store store(30'000);
    keyspace& keys = store.database("a", 0, 16);
    for (int i = 0; i < 10; ++i) keys.put(std::to_string(i), text(std::string(1'000, 'x')));
    EXPECT_EQ(store.trim(), 0u);
    EXPECT_NE(keys.find("0", now), nullptr);
    for (int i = 10; i < 25; ++i) keys.put(std::to_string(i), text(std::string(1'000, 'x')));
    EXPECT_GT(store.trim(), 0u);
    EXPECT_LE(store.bytes(), 30'000u);
    EXPECT_EQ(keys.find("1", now), nullptr);
    EXPECT_NE(keys.find("24", now), nullptr);
    EXPECT_NE(keys.find("0", now), nullptr) << "used since";
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

TEST(memory_store_test, its_counts_are_right_after_any_commands) {
    std::mt19937_64 random(5);
    memory_store store(60'000);
    keyspace& keys = store.database("a", 0, 16);
    buffer out;
    for (int step = 0; step < 20'000; ++step) {
        const std::string key = "k" + std::to_string(random() % 50);
        const std::string other = "k" + std::to_string(random() % 50);
        const std::string value(random() % 400, 'v');
        const std::vector<std::vector<std::string_view>> choices{
            {"set", key, value},   {"append", key, value},    {"rpush", key, value},
            {"lpop", key},         {"hset", key, value, "1"}, {"zadd", key, "1", "m"},
            {"del", key},          {"rename", key, other},    {"copy", key, other, "DB", "1"},
            {"pexpire", key, "3"}, {"sadd", key, value},      {"spop", key}};
        const auto& words = choices[random() % choices.size()];
        out.clear();
        reply_writer reply(out, resp_version::resp2);
        surroundings around{keys, reply, now + step, random};
        run(*find_command(words[0]), words, around);
        store.trim();
        ASSERT_LE(store.bytes(), 60'000u);
    }
    EXPECT_GT(store.keys(), 20u);
    EXPECT_EQ(store.keys(), keys.size() + keys.sibling(1)->size());
    keys.clear_all();
    EXPECT_EQ(store.bytes(), 0u);
    EXPECT_EQ(store.keys(), 0u);
}

/// A copy that is good until `stale_at`, as long as nobody writes its slot.
copy_standing good_until(std::int64_t stale_at, std::uint32_t slot = 0) { return {stale_at, slot, 0}; }

TEST(memory_store_test, a_copy_counts_as_absent_once_it_is_stale_or_its_key_was_written) {
    write_stamps stamps;
    memory_store store(1 << 20, &stamps);
    keyspace& keys = store.database("a", 0, 16);
    store.remember(keys, "stale", text("1"), expiry_knowledge::exact, good_until(now + 10, 1), 0);
    store.remember(keys, "written", text("1"), expiry_knowledge::exact, good_until(now + 1'000, 2), 0);
    EXPECT_NE(keys.find("stale", now + 9), nullptr);
    EXPECT_EQ(keys.find("stale", now + 10), nullptr);
    EXPECT_NE(keys.find("written", now + 10), nullptr);
    stamps.write(2, 1);
    EXPECT_EQ(keys.scan(0, 100, now + 10, [](std::string_view, const entry&) { FAIL(); }), 0u);
    random_source random;
    EXPECT_EQ(keys.random_key(random, now), std::nullopt);
    EXPECT_EQ(store.keys(), 0u);
    EXPECT_EQ(store.bytes(), 0u);
}

TEST(memory_store_test, copies_that_are_no_good_go_by_themselves) {
    write_stamps stamps;
    memory_store store(1 << 20, &stamps);
    keyspace& keys = store.database("a", 0, 16);
    for (int i = 0; i < 100; ++i) {
        store.remember(keys, std::to_string(i), text("1"), expiry_knowledge::exact, good_until(now + i, 1), 0);
    }
    EXPECT_EQ(store.expire_some(1'000, now + 49), 50u);
    stamps.write(1, 1);
    EXPECT_EQ(store.expire_some(1'000, now), 50u);
}

TEST(memory_store_test, what_commands_write_is_its_own_until_it_is_dropped) {
    memory_store store(1 << 20);
    keyspace& keys = store.database("a", 0, 16);
    store.remember(keys, "copy", text("1"), expiry_knowledge::exact, good_until(now + 10), 0);
    store.remember(keys, "changed", text("1"), expiry_knowledge::exact, good_until(now + 10), 0);
    keys.put("new", text("1"));
    keys.altered("changed", *keys.find("changed", now));
    keys.put("gone", text("1"));
    keys.remove("gone");
    EXPECT_EQ(store.own(), 2u);
    EXPECT_NE(keys.find("changed", now + 10), nullptr) << "not a copy any more";
    store.remember(keys, "new", text("2"), expiry_knowledge::exact, good_until(now + 10), 0);
    store.forget(keys, "new");
    store.forget_all();
    EXPECT_EQ(std::get<string_value>(keys.find("new", now)->held), "1");
    EXPECT_EQ(store.drop_own(), 2u);
    EXPECT_EQ(store.own(), 0u);
    EXPECT_EQ(store.keys(), 0u);
}

TEST(memory_store_test, what_was_replayed_stays_as_far_as_it_is_known) {
    write_stamps stamps;
    memory_store store(1 << 20, &stamps);
    keyspace& keys = store.database("a", 0, 16);
    store.remember(keys, "from a copy", text("1"), expiry_knowledge::exact, good_until(now + 10), 0);
    keys.altered("from a copy", *keys.find("from a copy", now));
    for (const auto* key : {"vouched for", "distrusted", "unknown"}) keys.put(key, text("1"));
    store.vouch(keys, "vouched for", 1);
    store.vouch(keys, "distrusted", 2);
    store.distrust(keys, "distrusted");
    store.give_up_own(now + 100);
    EXPECT_EQ(store.own(), 0u);
    EXPECT_EQ(store.keys(), 2u);
    EXPECT_NE(keys.find("from a copy", now + 9), nullptr);
    EXPECT_EQ(keys.find("from a copy", now + 10), nullptr) << "no longer than the copy was good for";
    EXPECT_NE(keys.find("vouched for", now + 99), nullptr);
    EXPECT_EQ(keys.find("vouched for", now + 100), nullptr);
}

}  // namespace
}  // namespace weir
