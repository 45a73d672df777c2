#include "policy/script_prelude.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/command_table.hpp"
#include "tests/policy/rewritten.hpp"

namespace weir::test {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string wrapped(std::string body, std::string_view prefix = "p:") {
    const script_prelude prelude(prefix);
    const script_insertion what = prelude.insertion(body);
    return body.insert(what.offset, what.text);
}

/// The places of a command, as `r191`; empty where the first argument is the key.
std::string places_of(const std::string& command) {
    const std::string list = script_key_places();
    const auto at = list.find(' ' + command + ' ');
    if (at == std::string::npos) return {};
    const auto sign = list.find('=', at);
    return list.substr(sign + 1, list.find(' ', sign) - sign - 1);
}

TEST(script_prelude, stands_in_front_on_the_same_line) {
    EXPECT_THAT(wrapped("return 1\nx"),
                AllOf(StartsWith("local redis="), EndsWith("end)();return 1\nx"), HasSubstr("v==1 and")));
    EXPECT_THAT(wrapped(""), EndsWith("end)();"));
    const std::string text = wrapped("");
    EXPECT_EQ(text.find('\n'), std::string::npos);
    EXPECT_EQ(text.find("--"), std::string::npos) << "a comment would hide the rest of the line";
}

TEST(script_prelude, stands_behind_a_shebang_line) {
    EXPECT_THAT(wrapped("#!lua flags=no-writes\nreturn 1\n"),
                AllOf(StartsWith("#!lua flags=no-writes\nlocal redis="), EndsWith("end)();return 1\n"),
                      HasSubstr("v==2 and")));
    EXPECT_EQ(wrapped("#!lua"), "#!lua");
}

TEST(script_prelude, renames_server_only_where_a_script_speaks_of_it) {
    EXPECT_THAT(wrapped("return server.call('get', 'k')"), HasSubstr("local server="));
    EXPECT_THAT(wrapped("#!lua\nreturn server.call('get', 'k')"), HasSubstr("local server="));
    EXPECT_THAT(wrapped("return 1"), Not(HasSubstr("local server=")));
}

TEST(script_prelude, quotes_the_prefix) {
    EXPECT_THAT(wrapped("", "tenant:a:"), HasSubstr("\"tenant:a:\"..k"));
    EXPECT_THAT(wrapped("", "a\"b\\c]\xff"), HasSubstr("\"a\\034b\\092c]\\255\"..k"));
    EXPECT_THAT(wrapped("", "$N$P$S"), HasSubstr("\"$N$P$S\"..k"));
    EXPECT_THAT(wrapped("",
                        "\\1"
                        "1"),
                HasSubstr("\"\\09211\"..k"));
}

TEST(script_prelude, knows_where_keys_stand) {
    for (const auto* name : {"GET", "SET", "HSET", "LPUSH", "ZADD", "XADD", "PUBLISH", "SPUBLISH"})
        EXPECT_EQ(places_of(name), "");
    for (const auto* name : {"DEL", "MGET", "EXISTS", "SINTERSTORE", "PFMERGE"})
        EXPECT_EQ(places_of(name), "r191");
    for (const auto* name : {"RENAME", "LMOVE", "SMOVE", "COPY", "LCS", "ZRANGESTORE"})
        EXPECT_EQ(places_of(name), "r121");
    EXPECT_EQ(places_of("MSET"), "r192");
    EXPECT_EQ(places_of("BITOP"), "r291");
    EXPECT_EQ(places_of("BLPOP"), "r181p");
    EXPECT_EQ(places_of("LMPOP"), "n100p");
    EXPECT_EQ(places_of("BZMPOP"), "n200p");
    EXPECT_EQ(places_of("ZUNION"), "n100");
    EXPECT_EQ(places_of("ZUNIONSTORE"), "k200");
    EXPECT_EQ(places_of("XREAD"), "s100");
    EXPECT_EQ(places_of("XREADGROUP"), "s400");
    EXPECT_EQ(places_of("SORT"), "o200");
    EXPECT_EQ(places_of("GEORADIUS"), "o600");
    for (const auto* name : {"OBJECT", "XGROUP", "XINFO", "MEMORY"}) EXPECT_EQ(places_of(name), "r221");
    for (const auto* name : {"ECHO", "PING", "SELECT"}) EXPECT_EQ(places_of(name), "r201") << "no keys";
}

/// The list says of each command what the key rewriter finds in a request of it.
TEST(script_prelude, agrees_with_the_key_rewriter_on_ranges) {
    for (const command_spec* row : command_table::built_in()->rows()) {
        const bool plain =
            row->route == command_route::forward && row->request == request_rule::keys && !row->runs_script();
        if (!plain || row->key_spec_count == 0 || row->has(command_flag::movablekeys)) continue;
        const std::size_t bar = row->name.find('|');
        words request{std::string(row->name.substr(0, bar))};
        if (bar != std::string_view::npos) request.emplace_back(row->name.substr(bar + 1));
        while (request.size() < 8) request.push_back("1");
        std::string name = request[0];
        for (char& c : name) c = static_cast<char>(std::toupper(c));
        const std::string found = places_of(name);
        const std::string places = found.empty() ? "r111" : found;
        ASSERT_EQ(places[0], 'r') << row->name;
        const auto digit = [&](std::size_t i) { return static_cast<std::size_t>(places[i] - '0'); };
        const std::size_t last = digit(2) < 8 ? digit(2) : 7 - (9 - digit(2));
        words expected = request;
        for (std::size_t i = digit(1); i <= last; i += digit(3)) expected[i] = "p:" + expected[i];
        EXPECT_EQ(rewritten(*row, request), sent(expected)) << row->name;
    }
}

}  // namespace
}  // namespace weir::test
