#include "policy/key_rewriter.hpp"

#include <gtest/gtest.h>

#include "tests/policy/rewritten.hpp"

namespace weir {
namespace {

using test::request_text;
using test::result;
using test::rewritten;
using test::row;
using test::sent;
using test::with_prefix;
using namespace std::string_literals;
using test::words;
using test::words_of;

// ---- keys
// ----------------------------------------------------------------------------------------------------------

TEST(key_rewriter_test, prefixes_the_keys_and_nothing_else) {
    EXPECT_EQ(rewritten({"GET", "k"}), sent({"GET", "p:k"}));
    EXPECT_EQ(rewritten({"set", "k", "p:v", "EX", "10"}), sent({"set", "p:k", "p:v", "EX", "10"}));
    EXPECT_EQ(rewritten({"DEL", "a", "b", "c"}), sent({"DEL", "p:a", "p:b", "p:c"}));
    EXPECT_EQ(rewritten({"MSET", "a", "1", "b", "2"}), sent({"MSET", "p:a", "1", "p:b", "2"}));
    EXPECT_EQ(rewritten({"BITOP", "AND", "d", "a", "b"}), sent({"BITOP", "AND", "p:d", "p:a", "p:b"}));
    EXPECT_EQ(rewritten({"RENAME", "a", "b"}), sent({"RENAME", "p:a", "p:b"}));
    EXPECT_EQ(rewritten(row("object|encoding"), {"OBJECT", "ENCODING", "k"}),
              sent({"OBJECT", "ENCODING", "p:k"}));
    EXPECT_EQ(rewritten(row("xgroup|create"), {"XGROUP", "CREATE", "k", "g", "$"}),
              sent({"XGROUP", "CREATE", "p:k", "g", "$"}));
}

TEST(key_rewriter_test, any_bytes_are_a_key) {
    const words keys = {"", "\r\n", "a\0b"s, "p:p:", "$3\r\nfoo\r\n", std::string(100'000, 'k'), "\xff\xfe"};
    for (const std::string& key : keys) {
        EXPECT_EQ(rewritten({"SET", key, key}), sent({"SET", "p:" + key, key})) << key.size();
    }
}

TEST(key_rewriter_test, the_length_grows_by_a_digit_where_the_prefix_makes_it) {
    for (std::size_t size : {0u, 7u, 8u, 9u, 97u, 98u, 99u, 997u, 998u, 9'998u}) {
        const std::string key(size, 'k');
        EXPECT_EQ(rewritten({"MGET", key, "x", key}), sent({"MGET", "p:" + key, "p:x", "p:" + key})) << size;
    }
}

TEST(key_rewriter_test, two_specifications_of_one_argument_prefix_it_once) {
    const key_spec first{
        .begin = key_spec::begin_kind::index, .find = key_spec::find_kind::range, .index = 1};
    key_spec all = first;
    all.last_key = -1;
    command_spec command;
    command.name = "twice";
    command.key_specs = {all, first};
    command.key_spec_count = 2;
    EXPECT_EQ(rewritten(command, {"TWICE", "a", "b"}), sent({"TWICE", "p:a", "p:b"}));
}

TEST(key_rewriter_test, a_request_without_keys_is_sent_as_it_is) {
    EXPECT_EQ(rewritten(row("object|help"), {"OBJECT", "HELP"}), sent({"OBJECT", "HELP"}));
}

TEST(key_rewriter_test, one_rewriter_serves_request_after_request) {
    const tenant owner("acme", {});
    key_rewriter rewriter;
    buffer out;
    const request_text scan({"SCAN", "0"});
    const request_text get({"GET", "k"});
    ASSERT_EQ(rewriter.rewrite(scan.view(), row("scan"), owner, out), rewrite_status::ok);
    out.clear();
    ASSERT_EQ(rewriter.rewrite(get.view(), row("get"), owner, out), rewrite_status::ok);
    EXPECT_EQ(out.view(), request_text({"GET", "tenant:acme:k"}).raw());
}

// ---- counts and keywords
// -------------------------------------------------------------------------------------------

TEST(key_rewriter_test, prefixes_as_many_keys_as_numkeys_says) {
    EXPECT_EQ(rewritten({"LMPOP", "2", "a", "b", "LEFT"}), sent({"LMPOP", "2", "p:a", "p:b", "LEFT"}));
    EXPECT_EQ(rewritten({"ZUNIONSTORE", "d", "2", "a", "b", "WEIGHTS", "1", "2"}),
              sent({"ZUNIONSTORE", "p:d", "2", "p:a", "p:b", "WEIGHTS", "1", "2"}));
    EXPECT_EQ(rewritten({"SINTERCARD", "1", "a", "LIMIT", "3"}),
              sent({"SINTERCARD", "1", "p:a", "LIMIT", "3"}));
    EXPECT_EQ(rewritten({"SINTERCARD", "0", "a"}), sent({"SINTERCARD", "0", "a"}));
}

TEST(key_rewriter_test, behind_a_numkeys_that_lies_no_argument_keeps_its_name) {
    for (const std::string& count :
         {"-1"s, "abc"s, "3"s, "4294967297"s, "01"s, "1\0"s, "9223372036854775808"s}) {
        EXPECT_EQ(rewritten({"ZUNION", count, "a", "b"}), sent({"ZUNION", count, "p:a", "p:b"})) << count;
    }
    EXPECT_EQ(rewritten({"ZUNIONSTORE", "d", "9", "a"}), sent({"ZUNIONSTORE", "p:d", "9", "p:a"}));
}

TEST(key_rewriter_test, prefixes_the_keys_behind_streams) {
    EXPECT_EQ(rewritten({"XREAD", "COUNT", "2", "STREAMS", "a", "b", "0", "0"}),
              sent({"XREAD", "COUNT", "2", "STREAMS", "p:a", "p:b", "0", "0"}));
    EXPECT_EQ(rewritten({"XREAD", "STREAMS", "STREAMS", "0"}), sent({"XREAD", "STREAMS", "p:STREAMS", "0"}));
    EXPECT_EQ(rewritten({"XREADGROUP", "GROUP", "g", "c", "STREAMS", "a", ">"}),
              sent({"XREADGROUP", "GROUP", "g", "c", "STREAMS", "p:a", ">"}));
}

TEST(key_rewriter_test, a_channel_is_confined_like_a_key) {
    EXPECT_EQ(rewritten({"PUBLISH", "c", "text"}), sent({"PUBLISH", "p:c", "text"}));
    EXPECT_EQ(rewritten({"SPUBLISH", "c", "text"}), sent({"SPUBLISH", "p:c", "text"}));
    EXPECT_EQ(rewritten({"PUBLISH", "", ""}), sent({"PUBLISH", "p:", ""}));
    EXPECT_EQ(rewritten({"PUBLISH", "__x", "text"}), sent({"PUBLISH", "p:__x", "text"}));
}

TEST(key_rewriter_test, what_is_published_as_an_event_names_a_key_of_the_tenant) {
    EXPECT_EQ(rewritten({"PUBLISH", "__keyspace@0__:k", "set"}), sent({"PUBLISH", "__keyspace@0__:p:k", "set"}));
    EXPECT_EQ(rewritten({"PUBLISH", "__keyevent@0__:set", "k"}), sent({"PUBLISH", "__keyevent@0__:set", "p:k"}));
}

TEST(key_rewriter_test, channels_that_are_asked_for_are_the_tenants) {
    const command_spec& numsub = row("pubsub|numsub");
    EXPECT_EQ(rewritten(numsub, {"PUBSUB", "NUMSUB"}), sent({"PUBSUB", "NUMSUB"}));
    EXPECT_EQ(rewritten(numsub, {"PUBSUB", "NUMSUB", "a", "__keyspace@0__:k", "__keyevent@0__:del", ""}),
              sent({"PUBSUB", "NUMSUB", "p:a", "__keyspace@0__:p:k", "__keyevent@0__:del", "p:"}));
    const command_spec& channels = row("pubsub|channels");
    EXPECT_EQ(rewritten(channels, {"pubsub", "channels"}), sent({"pubsub", "channels", "p:*"}));
    EXPECT_EQ(rewritten(channels, {"PUBSUB", "CHANNELS", "a*"}), sent({"PUBSUB", "CHANNELS", "p:a*"}));
    EXPECT_EQ(rewritten(channels, {"PUBSUB", "CHANNELS", ""}), sent({"PUBSUB", "CHANNELS", "p:"}));
    EXPECT_EQ(rewritten(channels, {"PUBSUB", "CHANNELS"}, with_prefix("[a]:")),
              sent({"PUBSUB", "CHANNELS", "\\[a\\]:*"}));
}

// ---- scripts

/// Names scripts by their length.
class counted_names final : public script_names {
public:
    script_insertion take_script(std::string_view body) override { return {body.starts_with("#!") ? 3u : 0u, "PRE;"}; }
    std::string upstream_name(std::string_view name) override { return "name" + std::to_string(name.size()); }
    std::string client_name(std::string_view name) override { return std::string(name); }
};

words rewritten_script(const words& request) {
    const std::string row_name = request[0] == "SCRIPT" ? "script|" + request[1] : request[0];
    const tenant owner("acme", with_prefix("p:"));
    const request_text text(request);
    counted_names names;
    key_rewriter rewriter;
    buffer out;
    EXPECT_EQ(rewriter.rewrite(text.view(), row(row_name), owner, out, &names), rewrite_status::ok);
    request_parser parser;
    EXPECT_EQ(parser.parse(out.view(), {}), parse_status::complete);
    EXPECT_EQ(parser.consumed(), out.size());
    return words_of(parser.request(out.view()));
}

TEST(key_rewriter_test, a_script_gets_its_prelude_and_its_keys_their_prefix) {
    for (const std::string name : {"EVAL", "EVAL_RO"}) {
        EXPECT_EQ(rewritten_script({name, "return 1", "1", "k", "v"}), (words{name, "PRE;return 1", "1", "p:k", "v"}));
        EXPECT_EQ(rewritten_script({name, "", "0"}), (words{name, "PRE;", "0"}));
        EXPECT_EQ(rewritten_script({name, "#!\nx", "0", "v"}), (words{name, "#!\nPRE;x", "0", "v"}));
    }
    EXPECT_EQ(rewritten_script({"SCRIPT", "LOAD", "return 1"}), (words{"SCRIPT", "LOAD", "PRE;return 1"}));
}

TEST(key_rewriter_test, a_script_is_called_by_the_servers_name) {
    EXPECT_EQ(rewritten_script({"EVALSHA", "abc", "1", "k", "v"}), (words{"EVALSHA", "name3", "1", "p:k", "v"}));
    EXPECT_EQ(rewritten_script({"SCRIPT", "EXISTS", "abc", "", "k"}), (words{"SCRIPT", "EXISTS", "name3", "name0", "name1"}));
}

TEST(key_rewriter_test, without_names_for_them_scripts_pass_as_they_are) {
    EXPECT_EQ(rewritten({"EVAL", "return 1", "1", "k", "v"}), sent({"EVAL", "return 1", "1", "p:k", "v"}));
    EXPECT_EQ(rewritten({"EVALSHA", "abc", "0"}), sent({"EVALSHA", "abc", "0"}));
}

// ---- GEORADIUS
// -----------------------------------------------------------------------------------------------------

TEST(key_rewriter_test, prefixes_every_destination_of_georadius) {
    EXPECT_EQ(
        rewritten({"GEORADIUS", "k", "1", "2", "3", "m", "STORE", "a", "storedist", "b", "STORE", "c"}),
        sent({"GEORADIUS", "p:k", "1", "2", "3", "m", "STORE", "p:a", "storedist", "p:b", "STORE", "p:c"}));
    EXPECT_EQ(rewritten({"GEORADIUSBYMEMBER", "k", "x", "3", "m", "COUNT", "1", "ANY", "STORE", "a"}),
              sent({"GEORADIUSBYMEMBER", "p:k", "x", "3", "m", "COUNT", "1", "ANY", "STORE", "p:a"}));
}

TEST(key_rewriter_test, a_destination_of_georadius_may_be_called_store) {
    EXPECT_EQ(rewritten({"GEORADIUS", "k", "1", "2", "3", "m", "STORE", "STORE", "STOREDIST", "COUNT"}),
              sent({"GEORADIUS", "p:k", "1", "2", "3", "m", "STORE", "p:STORE", "STOREDIST", "p:COUNT"}));
    EXPECT_EQ(rewritten({"GEORADIUS", "k", "1", "2", "3", "m", "STORE"}),
              sent({"GEORADIUS", "p:k", "1", "2", "3", "m", "STORE"}));
}

TEST(key_rewriter_test, a_member_of_georadiusbymember_may_be_called_like_an_option) {
    for (const std::string& member : {"store"s, "STOREDIST"s, "count"s}) {
        EXPECT_EQ(rewritten({"GEORADIUSBYMEMBER", "k", member, "3", "m", "STORE", "d"}),
                  sent({"GEORADIUSBYMEMBER", "p:k", member, "3", "m", "STORE", "p:d"}))
            << member;
    }
}

/// The server compares options with strcasecmp, for which the word ends at a NUL: what follows must be
/// confined too, or the request must not be sent.
void expect_confined(const words& request, std::size_t name_at) {
    const result seen = rewritten(request);
    if (seen.status == rewrite_status::ok) {
        EXPECT_EQ(seen.sent.at(name_at).substr(0, 2), "p:") << testing::PrintToString(request);
    }
}

TEST(key_rewriter_test, an_option_with_a_nul_behind_it_lets_no_name_through) {
    expect_confined({"GEORADIUS", "k", "1", "2", "3", "m", "STORE\0"s, "foreign"}, 7);
    expect_confined({"GEORADIUSBYMEMBER", "k", "m", "3", "m", "STOREDIST\0x"s, "foreign"}, 6);
    expect_confined({"SORT", "k", "GET\0"s, "foreign:*"}, 3);
    expect_confined({"SORT_RO", "k", "BY\0y"s, "foreign:*"}, 3);
    expect_confined({"SORT", "k", "STORE\0"s, "foreign"}, 3);
    expect_confined({"SORT", "k", "LIMIT\0"s, "0", "GET", "GET", "foreign:*"}, 6);
    expect_confined({"XREAD", "STREAMS\0"s, "foreign", "0"}, 2);
    expect_confined({"XREADGROUP", "GROUP", "g", "c", "STREAMS\0"s, "foreign", ">"}, 5);
    expect_confined({"SCAN", "0", "MATCH\0"s, "foreign*"}, 3);
}

// ---- SORT
// ----------------------------------------------------------------------------------------------------------

TEST(key_rewriter_test, prefixes_the_patterns_and_the_destination_of_sort) {
    EXPECT_EQ(rewritten({"SORT", "k"}), sent({"SORT", "p:k"}));
    EXPECT_EQ(rewritten({"SORT", "k", "BY", "w_*", "LIMIT", "0", "5", "GET", "o_*->f", "get", "x", "DESC",
                         "ALPHA", "STORE", "d"}),
              sent({"SORT", "p:k", "BY", "p:w_*", "LIMIT", "0", "5", "GET", "p:o_*->f", "get", "p:x", "DESC",
                    "ALPHA", "STORE", "p:d"}));
    EXPECT_EQ(rewritten({"SORT_RO", "k", "by", "w_*", "GET", "o_*"}),
              sent({"SORT_RO", "p:k", "by", "p:w_*", "GET", "p:o_*"}));
}

TEST(key_rewriter_test, leaves_what_names_no_key_in_sort) {
    EXPECT_EQ(rewritten({"SORT", "k", "BY", "nosort", "GET", "#"}),
              sent({"SORT", "p:k", "BY", "nosort", "GET", "#"}));
}

TEST(key_rewriter_test, every_destination_of_sort_is_prefixed_as_the_server_takes_the_last) {
    EXPECT_EQ(rewritten({"SORT", "k", "STORE", "a", "STORE", "b"}),
              sent({"SORT", "p:k", "STORE", "p:a", "STORE", "p:b"}));
}

TEST(key_rewriter_test, names_in_sort_may_look_like_options) {
    EXPECT_EQ(rewritten({"SORT", "get", "BY", "by*", "GET", "limit", "GET", "store", "STORE", "GET"}),
              sent({"SORT", "p:get", "BY", "p:by*", "GET", "p:limit", "GET", "p:store", "STORE", "p:GET"}));
    EXPECT_EQ(rewritten({"SORT", "k", "LIMIT", "GET", "BY", "GET", "x*"}),
              sent({"SORT", "p:k", "LIMIT", "GET", "BY", "GET", "p:x*"}));
}

TEST(key_rewriter_test, an_option_of_sort_without_its_value_is_left_to_the_servers_error) {
    EXPECT_EQ(rewritten({"SORT", "k", "BY"}), sent({"SORT", "p:k", "BY"}));
    EXPECT_EQ(rewritten({"SORT", "k", "LIMIT", "0"}), sent({"SORT", "p:k", "LIMIT", "0"}));
}

TEST(key_rewriter_test, an_option_ends_at_a_nul_as_it_does_for_the_server) {
    EXPECT_EQ(rewritten({"SORT", "k", "BY\0x"s, "w_*", "GET\0"s, "o_*", "STORE\0\r\n"s, "d"}),
              sent({"SORT", "p:k", "BY\0x"s, "p:w_*", "GET\0"s, "p:o_*", "STORE\0\r\n"s, "p:d"}));
    EXPECT_EQ(rewritten({"GEORADIUS", "k", "1", "1", "9", "km", "COUNT\0"s, "5", "STORE\0"s, "d",
                         "storedist\0"s, "e"}),
              sent({"GEORADIUS", "p:k", "1", "1", "9", "km", "COUNT\0"s, "5", "STORE\0"s, "p:d",
                    "storedist\0"s, "p:e"}));
    EXPECT_EQ(rewritten({"XREAD", "COUNT", "1", "streams\0"s, "k", "0"}),
              sent({"XREAD", "COUNT", "1", "streams\0"s, "p:k", "0"}));
}

// ---- SCAN and KEYS
// -------------------------------------------------------------------------------------------------

TEST(key_rewriter_test, scan_without_match_gets_one_that_stays_within_the_tenants_part) {
    EXPECT_EQ(rewritten({"SCAN", "0"}), sent({"SCAN", "0", "MATCH", "p:*"}));
    EXPECT_EQ(rewritten({"scan", "18446744073709551615", "COUNT", "10", "TYPE", "string"}),
              sent({"scan", "18446744073709551615", "MATCH", "p:*", "COUNT", "10", "TYPE", "string"}));
}

TEST(key_rewriter_test, every_match_of_scan_is_confined) {
    EXPECT_EQ(rewritten({"SCAN", "0", "match", "a*", "COUNT", "5", "MATCH", "*"}),
              sent({"SCAN", "0", "match", "p:a*", "COUNT", "5", "MATCH", "p:*"}));
}

TEST(key_rewriter_test, a_pattern_of_scan_may_look_like_an_option) {
    EXPECT_EQ(rewritten({"SCAN", "0", "MATCH", "COUNT", "COUNT", "5"}),
              sent({"SCAN", "0", "MATCH", "p:COUNT", "COUNT", "5"}));
    EXPECT_EQ(rewritten({"SCAN", "0", "TYPE", "MATCH"}),
              sent({"SCAN", "0", "MATCH", "p:*", "TYPE", "MATCH"}));
}

TEST(key_rewriter_test, options_of_scan_that_could_hide_a_match_are_a_syntax_error) {
    const result refused{rewrite_status::syntax_error, {}};
    EXPECT_EQ(rewritten({"SCAN", "0", "FOO", "1"}), refused);
    EXPECT_EQ(rewritten({"SCAN", "0", "MATCH"}), refused);
    EXPECT_EQ(rewritten({"SCAN", "0", "COUNT", "1", "COUNT"}), refused);
    EXPECT_EQ(rewritten({"SCAN", "0", "COUNT", "MATCH", "*"}), refused);
}

TEST(key_rewriter_test, glob_characters_of_the_prefix_are_escaped_in_patterns_and_nowhere_else) {
    const tenant_options options = with_prefix("a?[b]\\");
    EXPECT_EQ(rewritten({"KEYS", "*"}, options), sent({"KEYS", R"(a\?\[b\]\\*)"}));
    EXPECT_EQ(rewritten({"KEYS", "[x]\\?"}, options), sent({"KEYS", R"(a\?\[b\]\\[x]\?)"}))
        << "the client's stay";
    EXPECT_EQ(rewritten({"SCAN", "0"}, options), sent({"SCAN", "0", "MATCH", R"(a\?\[b\]\\*)"}));
    EXPECT_EQ(rewritten({"SCAN", "0", "MATCH", "x"}, options),
              sent({"SCAN", "0", "MATCH", R"(a\?\[b\]\\x)"}));
    EXPECT_EQ(rewritten({"GET", "k"}, options), sent({"GET", R"(a?[b]\k)"}));
    EXPECT_EQ(rewritten({"SORT", "k", "GET", "x*"}, options),
              sent({"SORT", R"(a?[b]\k)", "GET", R"(a?[b]\x*)"}));
}

}  // namespace
}  // namespace weir
