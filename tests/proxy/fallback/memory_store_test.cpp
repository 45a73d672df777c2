#include "proxy/fallback/memory_store.hpp"

#include <gtest/gtest.h>

#include <random>

#include "proxy/fallback/engine/commands.hpp"

namespace weir {
namespace {

using namespace engine;

constexpr std::int64_t now = 1'700'000'000'000;

entry text(std::string_view value, std::int64_t expires_at = never) { return {string_value(value), expires_at}; }

std::size_t count(keyspace& keys) {
    std::size_t counted = 0;
    EXPECT_EQ(keys.scan(0, 1'000'000, now, [&](std::string_view, const entry&) { ++counted; }), 0u);
    return counted;
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
    EXPECT_EQ(count(modest), 20u);
    EXPECT_GT(store.bytes("greedy"), 80'000u);
}

TEST(memory_store_test, a_value_larger_than_everything_goes_itself) {
    memory_store store(10'000);
    keyspace& keys = store.database("a", 0, 16);
    keys.put("small", text("v"));
    keys.put("k", text(std::string(20'000, 'x')));
    EXPECT_NE(keys.find("k", now), nullptr) << "until the command has ended";
    EXPECT_EQ(store.trim(), 1u);
    EXPECT_EQ(keys.find("k", now), nullptr);
    EXPECT_NE(keys.find("small", now), nullptr);
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

TEST(memory_store_test, who_holds_nothing_any_more_costs_nothing_either) {
    write_stamps stamps;
    memory_store store(10'000, &stamps);
    for (int i = 0; i < 1'000; ++i) {
        keyspace& keys = store.database(std::to_string(i), i % 3, 16);
        keys.put("k", text("v", now + 10));
        store.trim();
    }
    EXPECT_EQ(store.databases(), 1'000u);
    auto& flushed = store.database("flushed", 0, 16);
    store.forget_database(flushed, now + 100);
    store.forget_tenant(store.database("flushed", 1, 16), now + 200);
    store.database("7", 0, 16).put("k", text("w"));
    for (int i = 0; i < 10; ++i) store.expire_some(1'000, now + 11);
    EXPECT_EQ(store.databases(), 3u);
    EXPECT_EQ(store.bytes(), store.bytes("7"));
    store.remember(store.database("flushed", 1, 16), "k", text("old"), expiry_knowledge::exact, {now + 200, 0, 0}, 0);
    EXPECT_EQ(store.bytes("flushed"), 0u) << "seen before it was flushed";
    for (int i = 0; i < 10; ++i) store.expire_some(1'000, now + 200);
    EXPECT_EQ(store.databases(), 1u);
    for (int i = 0; i < 100; ++i) {
        store.database("new", 0, 16).put(std::to_string(i), text(std::string(500, 'x')));
        store.trim();
    }
    EXPECT_LE(store.bytes(), 10'000u) << "who has most is still known";
    EXPECT_GT(store.bytes("new"), 5'000u);
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
    EXPECT_EQ(store.keys(), count(keys) + count(*keys.sibling(1)));
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

TEST(memory_store_test, an_expiry_that_nobody_has_seen_is_not_made_up) {
    write_stamps stamps;
    memory_store store(1 << 20, &stamps);
    keyspace& keys = store.database("a", 0, 16);
    const auto expiry = [&](expiry_knowledge knowledge, std::string_view value) {
        store.remember(keys, "k", text(value), knowledge, {now + 1'000, 1, stamps.now(1)}, stamps.now(1));
        return keys.find("k", now)->expires_at;
    };
    EXPECT_EQ(expiry(expiry_knowledge::unknown, "1"), unknown_expiry);
    EXPECT_EQ(expiry(expiry_knowledge::kept, "1"), unknown_expiry);
    EXPECT_EQ(expiry(expiry_knowledge::exact, "1"), never);
    EXPECT_EQ(expiry(expiry_knowledge::unknown, "1"), never) << "nothing has changed";
    EXPECT_EQ(expiry(expiry_knowledge::unknown, "2"), unknown_expiry) << "somebody else wrote it";
}

TEST(memory_store_test, what_is_forgotten_counts_as_absent_and_what_comes_later_is_there) {
    write_stamps stamps;
    memory_store store(1 << 20, &stamps);
    keyspace& keys = store.database("a", 0, 16);
    keyspace& others = store.database("a", 1, 16);
    const auto seen_at = [&](keyspace& where, std::int64_t time, expiry_knowledge expiry) {
        store.remember(where, "k", text("v", expiry == expiry_knowledge::exact ? now + 500 : never), expiry, good_until(now + time), 0);
    };
    for (keyspace* const each : {&keys, &others}) seen_at(*each, 100, expiry_knowledge::exact);
    store.forget_database(keys, now + 100);
    EXPECT_EQ(keys.scan(0, 100, now, [](std::string_view, const entry&) { FAIL(); }), 0u);
    EXPECT_NE(others.find("k", now), nullptr);
    seen_at(keys, 101, expiry_knowledge::kept);
    ASSERT_NE(keys.find("k", now), nullptr);
    EXPECT_EQ(keys.find("k", now)->expires_at, unknown_expiry) << "that of the forgotten one is no longer known";
    store.forget_tenant(keys, now + 101);
    EXPECT_EQ(keys.find("k", now), nullptr);
    EXPECT_EQ(others.find("k", now), nullptr);
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
