#include "policy/permissions.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/policy/permission_words.hpp"
#include "tests/support/request_text.hpp"

namespace weir {
namespace {

using test::request_text;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using namespace std::string_literals;
using words = std::vector<std::string>;

const command_spec& row(std::string_view name) {
    return *command_table::built_in()->find_row(name);
}

permissions with_keys(words patterns) {
    return permissions(test::with_keys(std::move(patterns)));
}
permissions reading_only() {
    return permissions(test::reading_only());
}
permissions allowing(words allow, words deny = {}, words protect = {}) {
    return permissions(test::allowing(std::move(allow), std::move(deny), std::move(protect)));
}

const command_spec& row_of(const words& request) {
    const command_spec* command = command_table::built_in()->find(request[0]);
    if (command->container && request.size() > 1) {
        command = command_table::built_in()->find_subcommand(*command, request[1]);
    }
    return *command;
}

key_verdict verdict(const permissions& permits, const words& request, std::size_t count = 0) {
    const request_text text(request);
    return permits.judge_keys(text.view(), row_of(request), count == 0 ? request.size() : count);
}

bool may(const permissions& permits, const words& request) {
    return verdict(permits, request) == key_verdict::allowed;
}

// ---- commands

TEST(permissions_test, names_only_what_allow_spells_out) {
    const command_spec& dangerous = row("weir|breaker");
    EXPECT_FALSE(permissions().names(dangerous));
    EXPECT_FALSE(allowing({"*"}).names(dangerous));
    EXPECT_FALSE(allowing({"*", "weir"}).names(dangerous));
    EXPECT_FALSE(allowing({"*", "@all", "@connection"}).names(dangerous));
    EXPECT_FALSE(allowing({"*", "-weir|breaker"}).names(dangerous));
    EXPECT_FALSE(allowing({"*", "weir|breaker"}, {"weir|breaker"}).names(dangerous));
    EXPECT_TRUE(allowing({"*", "weir|breaker"}).names(dangerous));
    EXPECT_TRUE(allowing({"*", "+WEIR|Breaker"}).names(dangerous));
    EXPECT_FALSE(allowing({"*", "weir|breaker"}).names(row("weir|status")));
}

TEST(permissions_test, nothing_said_permits_everything) {
    for (const permissions& permits : {permissions(), permissions(permission_options{})}) {
        EXPECT_FALSE(permits.restricts());
        EXPECT_FALSE(permits.restricts_keys());
        EXPECT_EQ(permits.fingerprint(), "");
        for (const command_spec* one : command_table::built_in()->rows())
            EXPECT_TRUE(permits.may_run(*one)) << one->name;
        EXPECT_TRUE(may(permits, {"SET", "k", "v"}));
    }
}

TEST(permissions_test, allow_permits_what_it_names_and_deny_counts_for_more) {
    const auto permits = allowing({"@read", "+set", "config|get"}, {"keys", "-mget"});
    EXPECT_TRUE(permits.restricts());
    for (const auto name : {"get", "set", "config|get", "lrange"})
        EXPECT_TRUE(permits.may_run(row(name))) << name;
    for (const auto name : {"keys", "mget", "config|set", "del", "ping"})
        EXPECT_FALSE(permits.may_run(row(name))) << name;
}

TEST(permissions_test, allow_is_read_from_left_to_right) {
    EXPECT_FALSE(allowing({"+@read", "-get"}).may_run(row("get")));
    EXPECT_TRUE(allowing({"+@read", "-get", "+get"}).may_run(row("get")));
    EXPECT_FALSE(allowing({"+@read"}).may_run(row("set")));
}

TEST(permissions_test, an_allow_list_that_begins_by_taking_away_begins_with_everything) {
    const auto permits = allowing({"-@dangerous", "-get"});
    EXPECT_TRUE(permits.may_run(row("set")));
    EXPECT_FALSE(permits.may_run(row("get")));
    EXPECT_FALSE(permits.may_run(row("flushdb")));
}

TEST(permissions_test, a_word_of_deny_takes_away_with_and_without_a_sign) {
    const auto permits = allowing({}, {"-config|set", "@write", "OBJECT"});
    for (const auto name : {"config|set", "set", "object|encoding"})
        EXPECT_FALSE(permits.may_run(row(name))) << name;
    for (const auto name : {"config|get", "get"}) EXPECT_TRUE(permits.may_run(row(name))) << name;
}

TEST(permissions_test, saying_who_one_is_and_weirs_own_commands_are_never_taken_away) {
    std::set<std::string> left;
    const auto permits = allowing({"nocommands"}, {"@all"});
    for (const command_spec* one : command_table::built_in()->rows()) {
        if (permits.may_run(*one)) left.insert(std::string(one->name));
    }
    EXPECT_THAT(left, UnorderedElementsAre("auth", "hello", "quit", "reset", "weir|breaker", "weir|help",
                                           "weir|limits", "weir|status", "weir|tenant"));
}

TEST(permissions_test, read_only_leaves_what_a_replica_does) {
    const auto permits = reading_only();
    for (const auto name : {"get", "publish", "spublish", "eval", "eval_ro", "fcall", "keys", "sort_ro",
                            "pfcount", "multi", "exec"}) {
        EXPECT_TRUE(permits.may_run(row(name))) << name;
    }
    for (const auto name :
         {"set", "getex", "sort", "georadius", "flushdb", "xreadgroup", "restore", "move", "xgroup|create"}) {
        EXPECT_FALSE(permits.may_run(row(name))) << name;
    }
    for (const command_spec* one : command_table::built_in()->rows()) {
        EXPECT_EQ(permits.may_run(*one), !one->has(command_flag::write)) << one->name;
    }
}

TEST(permissions_test, a_protected_command_needs_its_own_name_in_allow) {
    const words protect{"flushdb", "keys", "config|get"};
    for (const words& allow : {words{}, words{"*"}, words{"@all"}, words{"+@dangerous"}, words{"-get"},
                               words{"config"}, words{"*", "-flushdb"}, words{"*", "+flushdb", "-flushdb"}}) {
        const auto permits = allowing(allow, {}, protect);
        EXPECT_FALSE(permits.may_run(row("flushdb"))) << testing::PrintToString(allow);
        EXPECT_FALSE(permits.may_run(row("config|get"))) << testing::PrintToString(allow);
    }
    for (const words& allow : {words{"*", "+flushdb"}, words{"FLUSHDB"}}) {
        const auto permits = allowing(allow, {}, protect);
        EXPECT_TRUE(permits.may_run(row("flushdb"))) << testing::PrintToString(allow);
        EXPECT_FALSE(permits.may_run(row("keys"))) << testing::PrintToString(allow);
    }
    EXPECT_TRUE(allowing({"*", "config|get"}, {}, protect).may_run(row("config|get")));
    EXPECT_TRUE(allowing({"*"}, {}, protect).may_run(row("get")));
    EXPECT_FALSE(allowing({"*", "flushdb"}, {"flushdb"}, protect).may_run(row("flushdb")));
}

TEST(permissions_test, a_protected_container_may_be_asked_for_as_a_whole_or_in_parts) {
    const auto whole = allowing({"*", "+client"}, {}, {"client"});
    EXPECT_TRUE(whole.may_run(row("client|kill")));
    const auto part = allowing({"*", "+client|list"}, {}, {"client"});
    EXPECT_TRUE(part.may_run(row("client|list")));
    EXPECT_FALSE(part.may_run(row("client|kill")));
    EXPECT_FALSE(allowing({"*", "+client"}, {}, {"client", "client|kill"}).may_run(row("client|kill")));
    EXPECT_FALSE(allowing({"*", "+client"}, {}, {"@dangerous"}).may_run(row("client|kill")))
        << "another word protects it";
}

command_facts module_command(const std::string& name, words flags) {
    command_facts facts;
    facts.name = name;
    facts.arity = -2;
    facts.flags = std::move(flags);
    facts.specs.resize(1);
    facts.specs[0].value.begin = key_spec::begin_kind::index;
    facts.specs[0].value.find = key_spec::find_kind::range;
    facts.specs[0].value.index = 1;
    facts.specs[0].flags = {"RW", "access", "update", "variable_flags"};
    return facts;
}

TEST(permissions_test, commands_learned_from_the_server_follow_the_words_too) {
    const std::array facts{module_command("json.set", {"write"}),
                           module_command("json.get", {"readonly", "no_auth"})};
    const auto table = command_table::learned(facts);
    const command_spec& set = *table->find("json.set");
    const command_spec& get = *table->find("json.get");
    EXPECT_FALSE(reading_only().may_run(set));
    EXPECT_TRUE(reading_only().may_run(get));
    EXPECT_FALSE(allowing({"*"}, {"json.get"}).may_run(get)) << "its own no_auth does not make it free";
    EXPECT_FALSE(allowing({"@read"}).may_run(set));
    EXPECT_TRUE(allowing({"json.set"}).may_run(set));
    EXPECT_FALSE(allowing({"*"}, {}, {"json.set"}).may_run(set));
    EXPECT_TRUE(allowing({"*", "json.set"}, {}, {"json.set"}).may_run(set));
    const request_text text({"json.get", "cart:1"});
    EXPECT_EQ(with_keys({"cart:*"}).judge_keys(text.view(), get, 2), key_verdict::allowed);
    EXPECT_EQ(with_keys({"%R~cart:*"}).judge_keys(text.view(), get, 2), key_verdict::refused)
        << "it may do anything";
}

// ---- keys

TEST(permissions_test, a_key_must_match_a_pattern_that_allows_what_is_done_to_it) {
    const auto permits = with_keys({"cart:*", "%R~catalog:*", "%W~log:?", "%rw~both"});
    EXPECT_TRUE(permits.restricts_keys());
    for (const words& request :
         {words{"GET", "cart:1"}, words{"SET", "cart:1", "v"}, words{"GET", "catalog:x"},
          words{"LPUSH", "log:1", "v"}, words{"SET", "log:1", "v", "EX", "10"}, words{"INCR", "both"},
          words{"MGET", "cart:1", "catalog:1"}, words{"COPY", "catalog:1", "log:1"},
          words{"EXISTS", "log:1", "catalog:1"}, words{"WATCH", "log:1", "cart:1"}}) {
        EXPECT_TRUE(may(permits, request)) << testing::PrintToString(request);
    }
    for (const words& request :
         {words{"GET", "other"}, words{"GET", ""}, words{"SET", "catalog:1", "v"}, words{"GET", "log:1"},
          words{"GET", "log:11"}, words{"INCR", "log:1"}, words{"MGET", "cart:1", "other"},
          words{"COPY", "log:1", "catalog:1"}, words{"RENAME", "catalog:1", "cart:1"},
          words{"EXISTS", "cart:1", "other"}, words{"WATCH", "other"}, words{"DEL", "cart:1", "catalog:1"}}) {
        EXPECT_EQ(verdict(permits, request), key_verdict::refused) << testing::PrintToString(request);
    }
}

TEST(permissions_test, one_pattern_must_allow_all_that_is_done_unless_it_is_said_twice) {
    EXPECT_FALSE(may(with_keys({"%R~a*", "%W~*a"}), {"INCR", "a"}));
    EXPECT_TRUE(may(with_keys({"%R~a", "%W~a"}), {"INCR", "a"})) << "the same pattern adds up";
}

TEST(permissions_test, all_keys_for_both_restrict_nothing) {
    for (const auto& word : {"*"s, "~*"s, "%RW~*"s, "allkeys"s})
        EXPECT_FALSE(with_keys({"cart:*", word}).restricts_keys()) << word;
    EXPECT_TRUE(with_keys({"%R~*"}).restricts_keys());
}

TEST(permissions_test, set_reads_where_it_gets) {
    const auto permits = with_keys({"%W~log:*"});
    EXPECT_TRUE(may(permits, {"SET", "log:1", "get"}));
    EXPECT_FALSE(may(permits, {"SET", "log:1", "v", "EX", "10", "gEt"}));
    EXPECT_FALSE(may(permits, {"SET", "log:1", "v", "GET\0x"s}));
    EXPECT_FALSE(may(with_keys({"%R~log:*"}), {"SET", "log:1", "v", "GET"}));
}

TEST(permissions_test, bitfield_writes_unless_it_only_gets) {
    const auto permits = with_keys({"%R~bits"});
    EXPECT_TRUE(may(permits, {"BITFIELD", "bits", "GET", "u8", "0", "OVERFLOW", "SAT", "get", "u4", "1"}));
    EXPECT_FALSE(may(permits, {"BITFIELD", "bits", "GET", "u8", "0", "SET", "u8", "0", "1"}));
    EXPECT_FALSE(may(permits, {"BITFIELD", "bits", "frob"}));
    EXPECT_FALSE(may(permits, {"BITFIELD", "bits", "GET", "u8"}));
    EXPECT_FALSE(may(with_keys({"%W~bits"}), {"BITFIELD", "bits", "SET", "u8", "0", "1"}))
        << "it returns what was there";
}

TEST(permissions_test, sort_needs_its_names_and_all_keys_for_by_and_get) {
    const auto permits = with_keys({"cart:*", "%W~log:*"});
    EXPECT_TRUE(may(permits, {"SORT", "cart:1", "BY", "nosort", "LIMIT", "by", "get"}));
    EXPECT_TRUE(may(permits, {"SORT", "cart:1", "STORE", "log:1"}));
    EXPECT_FALSE(may(permits, {"SORT", "log:1"}));
    EXPECT_EQ(verdict(permits, {"SORT", "cart:1", "STORE", "other"}), key_verdict::refused);
    EXPECT_EQ(verdict(permits, {"SORT", "cart:1", "STORE", "other", "STORE", "cart:2"}),
              key_verdict::refused);
    EXPECT_EQ(verdict(permits, {"SORT", "cart:1", "BY", "x*"}), key_verdict::refused_sort_by);
    EXPECT_EQ(verdict(permits, {"SORT_RO", "cart:1", "GET", "#"}), key_verdict::refused_sort_get);
    EXPECT_EQ(verdict(permits, {"SORT", "cart:1", "GET", "x*", "STORE", "other"}), key_verdict::refused)
        << "keys come first";
    const auto reads_all = with_keys({"%R~*", "cart:*"});
    EXPECT_TRUE(may(reads_all, {"SORT", "other", "BY", "x*", "GET", "y*", "STORE", "cart:1"}));
    EXPECT_FALSE(may(reads_all, {"SORT", "other", "STORE", "other"}));
    EXPECT_EQ(verdict(with_keys({"%W~*", "cart:*"}), {"SORT", "cart:1", "BY", "x*"}),
              key_verdict::refused_sort_by);
}

TEST(permissions_test, every_store_of_georadius_is_written) {
    const auto permits = with_keys({"%R~geo", "%W~out"});
    EXPECT_TRUE(may(permits, {"GEORADIUS", "geo", "0", "0", "1", "m"}));
    EXPECT_TRUE(may(permits, {"GEORADIUS", "geo", "0", "0", "1", "m", "STORE", "out"}));
    EXPECT_FALSE(may(permits, {"GEORADIUS", "geo", "0", "0", "1", "m", "STORE", "geo"}));
    EXPECT_FALSE(may(permits, {"GEORADIUS", "geo", "0", "0", "1", "m", "STORE", "out", "STORE", "other"}));
    EXPECT_FALSE(
        may(permits, {"GEORADIUSBYMEMBER", "geo", "a", "1", "m", "STOREDIST", "out", "STOREDIST", "geo"}));
}

TEST(permissions_test, counted_keys_and_those_behind_words_are_found) {
    const auto permits = with_keys({"a*", "%R~r"});
    EXPECT_TRUE(may(permits, {"EVAL", "return 1", "1", "a1", "other"}));
    EXPECT_FALSE(may(permits, {"EVAL", "return 1", "2", "a1", "other"}));
    EXPECT_FALSE(may(permits, {"EVAL", "return 1", "1", "r"})) << "a script may write";
    EXPECT_TRUE(may(permits, {"EVAL_RO", "return 1", "1", "r"}));
    EXPECT_FALSE(may(permits, {"ZUNIONSTORE", "a1", "2", "a2", "other"}));
    EXPECT_FALSE(may(permits, {"ZUNIONSTORE", "r", "1", "a2"}));
    EXPECT_TRUE(may(permits, {"XREAD", "COUNT", "1", "STREAMS", "a1", "r", "0", "0"}));
    EXPECT_FALSE(may(permits, {"XREAD", "COUNT", "1", "STREAMS", "a1", "other", "0", "0"}));
    EXPECT_FALSE(may(permits, {"BLPOP", "a1", "other", "0"}));
    EXPECT_TRUE(may(permits, {"BLPOP", "a1", "a2", "0"}));
    EXPECT_FALSE(may(permits, {"BITOP", "AND", "a1", "r", "other"}));
    EXPECT_TRUE(may(permits, {"BITOP", "AND", "a1", "r"}));
    EXPECT_FALSE(may(permits, {"OBJECT", "ENCODING", "other"}));
    EXPECT_FALSE(may(permits, {"MEMORY", "USAGE", "other"}));
}

TEST(permissions_test, a_lie_about_the_number_of_keys_makes_keys_of_all_that_follows) {
    const auto permits = with_keys({"a*"});
    for (const auto& number : {"9"s, "-1"s, "x"s, "01"s}) {
        EXPECT_FALSE(may(permits, {"EVAL", "return 1", number, "a1", "other"})) << number;
    }
}

TEST(permissions_test, commands_without_keys_need_no_pattern) {
    const auto permits = with_keys({"a*"});
    for (const words& request :
         {words{"PING"}, words{"KEYS", "*"}, words{"SCAN", "0"}, words{"FLUSHDB"}, words{"RANDOMKEY"},
          words{"PUBLISH", "c", "m"}, words{"SSUBSCRIBE", "c"}, words{"DBSIZE"}}) {
        EXPECT_TRUE(may(permits, request)) << request[0];
    }
}

/// What is judged must be what is prefixed: every key of every row.
TEST(permissions_test, every_command_that_names_keys_is_held_to_the_patterns) {
    const auto permits = with_keys({"nothing"});
    for (const command_spec* one : command_table::built_in()->rows()) {
        const bool has_keys = std::ranges::any_of(one->keys(), [](const key_spec& spec) {
            return !(spec.flags & key_spec::not_key) && spec.locatable() &&
                   spec.begin == key_spec::begin_kind::index;
        });
        if (!has_keys) continue;
        words request{std::string(one->name.substr(0, one->name.find('|')))};
        request.resize(static_cast<std::size_t>(std::max(8, std::abs(one->arity))), "3");
        const request_text text(request);
        EXPECT_EQ(permits.judge_keys(text.view(), *one, request.size()), key_verdict::refused) << one->name;
    }
}

TEST(permissions_test, the_first_arguments_decide_only_when_they_hold_every_key) {
    const auto permits = with_keys({"cart:*", "%W~log:*"});
    EXPECT_EQ(verdict(permits, {"SET", "cart:1"}, 3), key_verdict::allowed);
    EXPECT_EQ(verdict(permits, {"SET", "log:1"}, 3), key_verdict::allowed);
    EXPECT_EQ(verdict(permits, {"SET", "other"}, 3), key_verdict::refused);
    EXPECT_EQ(verdict(permits, {"SET", "cart:1"}, 5), key_verdict::allowed);
    EXPECT_EQ(verdict(permits, {"SET", "log:1"}, 5), key_verdict::undecided) << "a GET may follow";
    EXPECT_EQ(verdict(permits, {"SET"}, 3), key_verdict::undecided);
    EXPECT_EQ(verdict(permits, {"APPEND", "cart:1"}, 3), key_verdict::allowed);
    EXPECT_EQ(verdict(permits, {"RPUSH", "other"}, 100), key_verdict::refused);
    EXPECT_EQ(verdict(permits, {"MSET", "cart:1"}, 5), key_verdict::undecided);
    EXPECT_EQ(verdict(permits, {"LMOVE", "cart:1"}, 5), key_verdict::undecided);
    EXPECT_EQ(verdict(permits, {"EVAL", "x", "0"}, 5), key_verdict::undecided);
    EXPECT_EQ(verdict(permits, {"SORT", "cart:1"}, 5), key_verdict::undecided);
    EXPECT_EQ(verdict(permits, {"PUBLISH", "c"}, 3), key_verdict::allowed);
}

TEST(permissions_test, the_fingerprint_is_what_differs_for_a_script) {
    std::set<std::string> seen{permissions().fingerprint(),
                               reading_only().fingerprint(),
                               with_keys({"a"}).fingerprint(),
                               with_keys({"%R~a"}).fingerprint(),
                               with_keys({"%W~a"}).fingerprint(),
                               with_keys({"a", "b"}).fingerprint(),
                               allowing({"get"}).fingerprint(),
                               allowing({}, {"get"}).fingerprint(),
                               allowing({}, {}, {"flushdb"}).fingerprint()};
    EXPECT_EQ(seen.size(), 9u);
    EXPECT_EQ(allowing({"get", "set"}).fingerprint(), allowing({"+SET", "+get"}).fingerprint());
}

TEST(key_pattern_fault, is_empty_for_patterns_alone) {
    for (const auto& word : {"cart:*"s, "~cart:*"s, "%R~a"s, "%w~a"s, "%WR~a"s, "*"s, "allkeys"s, "[a-"s}) {
        EXPECT_EQ(key_pattern_fault(word), "") << word;
    }
    for (const auto& word :
         {""s, "~"s, "%~a"s, "%X~a"s, "%RR~a"s, "%R"s, "%cart:*"s, "%R~"s, "a b"s, "~a\tb"s, "a\0"s}) {
        EXPECT_NE(key_pattern_fault(word), "") << word;
    }
}

TEST(permissions_test, a_word_that_is_no_pattern_opens_nothing) {
    EXPECT_FALSE(may(with_keys({"%X~a"}), {"GET", "a"}));
}

}  // namespace
}  // namespace weir
