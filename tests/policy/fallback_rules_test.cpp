#include "policy/fallback_rules.hpp"

#include <gtest/gtest.h>

#include "policy/tenant_rules.hpp"
#include "tests/support/request_text.hpp"

namespace weir {
namespace {

using test::request_text;
using words = std::vector<std::string>;

const command_spec& row_of(const words& request) {
    const auto table = command_table::built_in();
    const command_spec* command = table->find(request[0]);
    if (command->container && request.size() > 1) command = table->find_subcommand(*command, request[1]);
    return *command;
}

bool may(const fallback_rules& rules, const words& request) {
    const request_text text(request);
    return rules.place_of(text.view(), row_of(request)) != fallback_place::nowhere;
}

fallback_place place(const fallback_rules& rules, const words& request) {
    const request_text text(request);
    return rules.place_of(text.view(), row_of(request));
}

fallback_rule_options rule(words keys, bool reads, bool writes) {
    return {std::move(keys), reads, writes ? fallback_writes::journal : fallback_writes::refuse};
}

const fallback_rules no_writes_to_locks({rule({"lock:*"}, true, false)});
const fallback_rules no_reads_of_stock({rule({"stock:*"}, false, true)});

TEST(fallback_rules_test, without_rules_everything_is_allowed) {
    for (const fallback_rules& none : {fallback_rules(), fallback_rules(std::vector<fallback_rule_options>())}) {
        EXPECT_TRUE(may(none, {"SET", "k", "v"}));
        EXPECT_TRUE(may(none, {"KEYS", "*"}));
        EXPECT_TRUE(may(none, {"FLUSHALL"}));
        EXPECT_TRUE(may(none, {"EVAL", "return 1", "0"}));
    }
}

TEST(fallback_rules_test, a_key_that_no_rule_matches_may_be_read_and_written) {
    EXPECT_TRUE(may(no_writes_to_locks, {"SET", "cart:1", "v"}));
    EXPECT_TRUE(may(no_reads_of_stock, {"GET", "cart:1"}));
    EXPECT_TRUE(may(no_reads_of_stock, {"GET", "stock"}));
}

TEST(fallback_rules_test, a_write_needs_writes_and_anything_else_reads) {
    EXPECT_TRUE(may(no_writes_to_locks, {"GET", "lock:1"}));
    EXPECT_TRUE(may(no_writes_to_locks, {"EXISTS", "lock:1"}));
    for (const words& write : {words{"SET", "lock:1", "v"}, {"DEL", "lock:1"}, {"GETDEL", "lock:1"}, {"EXPIRE", "lock:1", "5"}})
        EXPECT_FALSE(may(no_writes_to_locks, write)) << write[0];
    EXPECT_TRUE(may(no_reads_of_stock, {"SET", "stock:1", "v"}));
    for (const words& read : {words{"GET", "stock:1"}, {"TTL", "stock:1"}, {"OBJECT", "ENCODING", "stock:1"}})
        EXPECT_FALSE(may(no_reads_of_stock, read)) << read[0];
}

TEST(fallback_rules_test, the_first_rule_of_which_a_pattern_matches_counts) {
    const fallback_rules rules({rule({"a:*", "b:*"}, true, false), rule({"*:x"}, false, true), rule({"*"}, true, true)});
    EXPECT_FALSE(may(rules, {"SET", "a:x", "v"}));
    EXPECT_TRUE(may(rules, {"GET", "b:x"}));
    EXPECT_FALSE(may(rules, {"GET", "c:x"}));
    EXPECT_TRUE(may(rules, {"SET", "c:x", "v"}));
    EXPECT_TRUE(may(rules, {"GET", "c:y"}));
}

TEST(fallback_rules_test, patterns_are_redis_own) {
    const fallback_rules rules({rule({"h[a-c]llo", "w?rld", "st\\*r"}, false, false)});
    for (const std::string key : {"hallo", "world", "st*r"}) EXPECT_FALSE(may(rules, {"GET", key})) << key;
    for (const std::string key : {"hello", "wrld", "star", "hallo!", "HALLO"}) EXPECT_TRUE(may(rules, {"GET", key})) << key;
}

TEST(fallback_rules_test, a_star_is_for_the_empty_key_too) {
    EXPECT_FALSE(may(fallback_rules({rule({"*"}, false, false)}), {"GET", ""}));
}

TEST(fallback_rules_test, of_several_keys_all_must_be_allowed_wherever_they_stand) {
    for (const words& request : {words{"MSET", "a", "1", "lock:1", "2"}, {"MSET", "lock:1", "1", "a", "2"},
                                 {"DEL", "a", "b", "lock:1"}, {"COPY", "a", "lock:1"}, {"RENAME", "lock:1", "a"},
                                 {"SUNIONSTORE", "lock:1", "a", "b"}, {"SINTERSTORE", "a", "b", "lock:1"},
                                 {"ZUNIONSTORE", "d", "2", "a", "lock:1"}, {"ZUNIONSTORE", "lock:1", "1", "a"},
                                 {"LMPOP", "2", "a", "lock:1", "LEFT"}, {"LMOVE", "a", "lock:1", "LEFT", "LEFT"}})
        EXPECT_FALSE(may(no_writes_to_locks, request)) << testing::PrintToString(request);
    EXPECT_TRUE(may(no_writes_to_locks, {"MSET", "a", "lock:1", "b", "lock:2"})) << "those are values";
    EXPECT_TRUE(may(no_writes_to_locks, {"MGET", "a", "lock:1"}));
    EXPECT_FALSE(may(no_reads_of_stock, {"MGET", "a", "stock:1"}));
    EXPECT_FALSE(may(no_reads_of_stock, {"SINTERCARD", "2", "a", "stock:1"}));
    EXPECT_TRUE(may(no_reads_of_stock, {"SINTERCARD", "1", "a", "LIMIT", "1"}));
}

TEST(fallback_rules_test, a_false_number_of_keys_makes_keys_of_all_arguments_behind_it) {
    EXPECT_FALSE(may(no_reads_of_stock, {"ZUNION", "99", "a", "stock:1"}));
    EXPECT_FALSE(may(no_reads_of_stock, {"ZUNION", "x", "a", "stock:1"}));
}

TEST(fallback_rules_test, what_means_the_keyspace_needs_every_rule) {
    const words reads[] = {{"KEYS", "a*"}, {"SCAN", "0"}, {"DBSIZE"}, {"RANDOMKEY"}};
    const words writes[] = {{"FLUSHDB"}, {"FLUSHALL", "ASYNC"}};
    for (const words& request : reads) {
        EXPECT_TRUE(may(no_writes_to_locks, request)) << request[0];
        EXPECT_FALSE(may(no_reads_of_stock, request)) << request[0];
        EXPECT_FALSE(may(fallback_rules({rule({"a"}, true, true), rule({"b"}, false, true)}), request)) << request[0];
    }
    for (const words& request : writes) {
        EXPECT_FALSE(may(no_writes_to_locks, request)) << request[0];
        EXPECT_TRUE(may(no_reads_of_stock, request)) << request[0];
    }
}

TEST(fallback_rules_test, what_touches_no_key_is_allowed) {
    const fallback_rules nothing({rule({"*"}, false, false)});
    for (const words& request : {words{"PING"}, {"ECHO", "x"}, {"SELECT", "1"}, {"INFO"}, {"OBJECT", "HELP"}})
        EXPECT_TRUE(may(nothing, request)) << request[0];
}

TEST(fallback_rules_test, sort_is_a_write_of_its_key_and_of_what_it_stores) {
    EXPECT_FALSE(may(no_writes_to_locks, {"SORT", "lock:1"}));
    EXPECT_TRUE(may(no_writes_to_locks, {"SORT_RO", "lock:1"}));
    EXPECT_FALSE(may(no_writes_to_locks, {"SORT", "a", "LIMIT", "0", "5", "STORE", "lock:1"}));
    EXPECT_FALSE(may(no_writes_to_locks, {"SORT", "a", "STORE", "b", "STORE", "lock:1"}));
    EXPECT_FALSE(may(no_writes_to_locks, {"SORT", "a", "STORE", "lock:1", "STORE", "b"})) << "though the last one counts";
    EXPECT_TRUE(may(no_writes_to_locks, {"SORT", "a", "STORE", "b"}));
}

TEST(fallback_rules_test, sort_by_patterns_reads_keys_that_nobody_names) {
    for (const words& request : {words{"SORT", "a", "BY", "w_*"}, {"SORT", "a", "GET", "#", "GET", "w_*->f"}, {"SORT_RO", "a", "BY", "w_*"}}) {
        EXPECT_FALSE(may(no_reads_of_stock, request)) << testing::PrintToString(request);
        EXPECT_TRUE(may(no_writes_to_locks, request)) << testing::PrintToString(request);
    }
    EXPECT_TRUE(may(no_reads_of_stock, {"SORT", "a", "BY", "nosort", "GET", "#", "GET", "fixed"}));
}

TEST(fallback_rules_test, a_command_whose_keys_cannot_be_found_is_refused) {
    const fallback_rules harmless({rule({"x"}, true, true)});
    EXPECT_FALSE(may(harmless, {"MIGRATE", "h", "1", "", "0", "5", "KEYS", "a"}));
    EXPECT_FALSE(may(harmless, {"EVAL", "return redis.call('get', 'x')", "0"}));
    EXPECT_FALSE(may(harmless, {"FCALL_RO", "f", "1", "k"}));
    command_spec unknown;
    unknown.name = "m.get";
    unknown.flags = static_cast<std::uint32_t>(command_flag::movablekeys);
    const request_text text({"m.get", "k"});
    EXPECT_EQ(harmless.place_of(text.view(), unknown), fallback_place::nowhere);
}

TEST(fallback_rules_test, georadius_is_held_to_each_key_it_stores) {
    EXPECT_FALSE(may(no_writes_to_locks, {"GEORADIUS", "g", "1", "1", "1", "m", "STORE", "a", "STORE", "lock:1"}));
    EXPECT_FALSE(may(no_writes_to_locks, {"GEORADIUS", "g", "1", "1", "1", "m", "STORE", "a", "STORE", "lock:1", "STORE", "b"}));
    EXPECT_TRUE(may(no_writes_to_locks, {"GEORADIUS", "g", "1", "1", "1", "m", "STORE", "a"}));
}

TEST(fallback_rules_test, a_tenants_rules_have_them) {
    tenant_terms terms;
    terms.fallback = {rule({"lock:*"}, true, false)};
    const tenant_rules rules{shared_terms(terms)};
    EXPECT_FALSE(may(rules.fallback(), {"SET", "lock:1", "v"}));
    EXPECT_TRUE(may(rules.fallback(), {"SET", "a", "v"}));
}

TEST(fallback_rules_test, keys_whose_writes_go_to_memory_are_read_there) {
    using enum fallback_place;
    const fallback_rules rules({{{"tmp:*"}, true, fallback_writes::memory}, {{"lock:*"}, true, fallback_writes::refuse}});
    EXPECT_EQ(place(rules, {"SET", "tmp:1", "v"}), memory);
    EXPECT_EQ(place(rules, {"GET", "tmp:1"}), memory);
    EXPECT_EQ(place(rules, {"MGET", "tmp:1", "tmp:2"}), memory);
    EXPECT_EQ(place(rules, {"GET", "cart:1"}), stores);
    EXPECT_EQ(place(rules, {"GET", "lock:1"}), stores);
    EXPECT_EQ(place(rules, {"SET", "lock:1", "v"}), nowhere);
    EXPECT_EQ(place(rules, {"RENAME", "tmp:1", "cart:1"}), nowhere) << "no store has both";
    EXPECT_EQ(place(rules, {"MGET", "cart:1", "tmp:1", "cart:2"}), nowhere);
    for (const words& all : {words{"KEYS", "*"}, {"DBSIZE"}, {"FLUSHDB"}}) EXPECT_EQ(place(rules, all), nowhere) << all[0];
    EXPECT_EQ(place(rules, {"SORT", "tmp:1", "BY", "w:*"}), nowhere);
    EXPECT_EQ(place(rules, {"SORT", "tmp:1", "STORE", "tmp:2"}), memory);
    const fallback_rules everything({{{"*"}, true, fallback_writes::memory}});
    for (const words& all : {words{"KEYS", "*"}, {"DBSIZE"}, {"FLUSHDB"}}) EXPECT_EQ(place(everything, all), memory) << all[0];
}

}  // namespace
}  // namespace weir
