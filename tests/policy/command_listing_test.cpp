#include "policy/command_listing.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "protocol/errors.hpp"
#include "protocol/reply_scanner.hpp"
#include "tests/policy/rewritten.hpp"

namespace weir {
namespace {

using test::row;

std::string bulk(const std::string& bytes) {
    return "$" + std::to_string(bytes.size()) + "\r\n" + bytes + "\r\n";
}

std::string list(char type, const std::vector<std::string>& elements) {
    std::string text = type + std::to_string(type == '%' ? elements.size() / 2 : elements.size()) + "\r\n";
    for (const std::string& element : elements) text += element;
    return text;
}

std::string array(const std::vector<std::string>& elements) {
    return list('*', elements);
}

/// An element of COMMAND as Redis 7 has it; `flags` is how the protocol version spells lists of flags.
std::string command(const std::string& name, const std::vector<std::string>& subcommands = {},
                    char flags = '*') {
    return array({bulk(name), ":-2\r\n", list(flags, {"+loading\r\n", "+stale\r\n"}), ":0\r\n", ":0\r\n",
                  ":0\r\n", list(flags, {"+@slow\r\n"}), list(flags, {}), list(flags, {}),
                  array(subcommands)});
}

/// What the client gets; nullopt when the reply is to be withheld.
std::optional<std::string> filtered(const std::string& reply, command_listing kind,
                                    resp_version version = resp_version::resp2) {
    buffer out;
    if (!filter_listing(reply, kind, version, *command_table::built_in(), out)) {
        EXPECT_TRUE(out.empty());
        return std::nullopt;
    }
    return std::string(out.view());
}

// ---- what is asked

TEST(listing_of, follows_from_the_command_and_the_number_of_its_arguments) {
    EXPECT_EQ(listing_of(row("command"), 1), command_listing::all);
    EXPECT_EQ(listing_of(row("command|info"), 2), command_listing::all);
    EXPECT_EQ(listing_of(row("command|info"), 3), command_listing::asked);
    EXPECT_EQ(listing_of(row("command|list"), 5), command_listing::names);
    EXPECT_EQ(listing_of(row("command|docs"), 2), command_listing::docs);
    for (const auto* name :
         {"command|help", "command|getkeys", "command|getkeysandflags", "command|count", "get", "client|list"}) {
        EXPECT_EQ(listing_of(row(name), 3), std::nullopt) << name;
    }
}

TEST(is_listed, is_what_a_tenant_may_use) {
    const auto table = command_table::built_in();
    for (const auto* name : {"get", "GET", "dbsize", "hello", "client", "client|list", "config|get", "config",
                             "module", "module|help", "command", "cluster|info"}) {
        EXPECT_TRUE(is_listed(*table, name)) << name;
    }
    for (const auto* name : {"shutdown", "config|set", "debug", "module|load", "nosuch", "config|nosuch",
                             "nosuch|get", "get|nosuch", "", "|", "config|", "|get", "client|list|x"}) {
        EXPECT_FALSE(is_listed(*table, name)) << name;
    }
}

TEST(is_listed, leaves_out_what_no_table_knows_until_it_is_learned) {
    command_facts facts;
    facts.name = "json.set";
    facts.arity = -4;
    facts.flags = {"write"};
    command_facts::spec key;
    key.value.begin = key_spec::begin_kind::index;
    key.value.find = key_spec::find_kind::range;
    key.value.index = 1;
    facts.specs = {key};
    EXPECT_FALSE(is_listed(*command_table::built_in(), "json.set"));
    EXPECT_TRUE(is_listed(*command_table::learned({&facts, 1}), "json.set"));
}

TEST(count_listed, counts_no_subcommands) {
    const auto table = command_table::built_in();
    EXPECT_GT(count_listed(*table), 150u);
    EXPECT_LT(count_listed(*table), 250u);
    command_facts facts;
    facts.name = "nosuch.command";
    EXPECT_EQ(count_listed(*command_table::learned({&facts, 1})), count_listed(*table)) << "it is refused";
}

// ---- COMMAND and COMMAND INFO

TEST(filter_listing, leaves_hidden_commands_out_of_the_whole_list) {
    const std::string reply = array({command("get"), command("shutdown"), command("nosuch"), command("set")});
    EXPECT_EQ(filtered(reply, command_listing::all), array({command("get"), command("set")}));
    EXPECT_EQ(filtered(array({}), command_listing::all), array({}));
    EXPECT_EQ(filtered(array({command("debug")}), command_listing::all), array({}));
}

TEST(filter_listing, makes_hidden_commands_that_were_asked_for_null) {
    const std::string reply =
        array({command("get"), command("shutdown"), "$-1\r\n", "*-1\r\n", command("set")});
    EXPECT_EQ(filtered(reply, command_listing::asked),
              array({command("get"), "$-1\r\n", "$-1\r\n", "$-1\r\n", command("set")}));
    EXPECT_EQ(filtered(array({command("shutdown", {}, '~'), "_\r\n", command("get", {}, '~')}),
                       command_listing::asked, resp_version::resp3),
              array({"_\r\n", "_\r\n", command("get", {}, '~')}));
}

TEST(filter_listing, leaves_hidden_subcommands_out_of_their_container) {
    const std::string all =
        command("config", {command("config|set"), command("config|get"), command("config|nosuch")});
    for (const auto kind : {command_listing::all, command_listing::asked}) {
        EXPECT_EQ(filtered(array({all}), kind), array({command("config", {command("config|get")})}));
    }
    // A subcommand that is asked for by itself.
    EXPECT_EQ(filtered(array({command("config|set"), command("config|get")}), command_listing::asked),
              array({"$-1\r\n", command("config|get")}));
}

TEST(filter_listing, keeps_what_servers_before_and_after_tell_otherwise) {
    const std::string six =
        array({bulk("get"), ":2\r\n", array({"+readonly\r\n"}), ":1\r\n", ":1\r\n", ":1\r\n"});
    EXPECT_EQ(filtered(array({six, command("debug")}), command_listing::all), array({six}));
    std::string later = command("get");
    later = "*11" + later.substr(3) + bulk("more");
    EXPECT_EQ(filtered(array({later}), command_listing::all), array({later}));
}

// ---- COMMAND LIST

TEST(filter_listing, lists_only_names_that_may_be_used) {
    const std::string names =
        array({bulk("get"), bulk("shutdown"), bulk("config"), bulk("config|set"), bulk("config|get")});
    EXPECT_EQ(filtered(names, command_listing::names),
              array({bulk("get"), bulk("config"), bulk("config|get")}));
    EXPECT_EQ(filtered(list('~', {bulk("get"), bulk("debug")}), command_listing::names),
              list('~', {bulk("get")}));
    EXPECT_EQ(filtered(array({}), command_listing::names), array({}));
}

// ---- COMMAND DOCS

/// What is told of one command, as RESP2 (`*`) or RESP3 (`%`) has it.
std::string doc(char type, const std::string& summary, const std::vector<std::string>& subcommands = {}) {
    std::vector<std::string> fields{bulk("summary"), bulk(summary), bulk("arguments"),
                                    array({list(type, {bulk("name"), bulk("subcommands")})})};
    if (!subcommands.empty()) {
        fields.push_back(bulk("subcommands"));
        fields.push_back(list(type, subcommands));
    }
    return list(type, fields);
}

TEST(filter_listing, leaves_hidden_commands_and_subcommands_out_of_the_docs) {
    for (const char type : {'*', '%'}) {
        const std::string reply = list(
            type,
            {bulk("get"), doc(type, "reads"), bulk("shutdown"), doc(type, "ends"), bulk("config"),
             doc(type, "holds", {bulk("config|set"), doc(type, "w"), bulk("config|get"), doc(type, "r")})});
        EXPECT_EQ(filtered(reply, command_listing::docs),
                  list(type, {bulk("get"), doc(type, "reads"), bulk("config"),
                              doc(type, "holds", {bulk("config|get"), doc(type, "r")})}));
        EXPECT_EQ(filtered(list(type, {bulk("debug"), doc(type, "x")}), command_listing::docs),
                  list(type, {}));
    }
}

// ---- what is no listing

TEST(filter_listing, passes_errors_on) {
    for (const auto kind :
         {command_listing::all, command_listing::names, command_listing::docs}) {
        EXPECT_EQ(filtered("-ERR syntax error\r\n", kind), "-ERR syntax error\r\n");
    }
}

TEST(filter_listing, withholds_what_it_does_not_understand) {
    const std::vector<std::string> replies = {
        "",
        "*",
        "*1\r\n",
        "*1",
        "*2\r\n" + command("get"),
        array({command("get")}) + "+more\r\n",
        "+OK\r\n",
        ":1\r\n",
        "$3\r\nget\r\n",
        "*-1\r\n",
        "*9223372036854775807\r\n",
        "*1000000\r\n+x\r\n",
        "*-2\r\n",
        "*x\r\n",
        "*?\r\n.\r\n",
        "%1\r\n",
        "|1\r\n+a\r\n+b\r\n*0\r\n",
        ">1\r\n+get\r\n",
        array({"$5\r\nget\r\n"}),
        array({"$-2\r\n"}),
        array({"$99999999999999999999\r\n"}),
        array({"$3\r\ngetxx"}),
        array({":1\r\n"}),
        array({array({})}),
        array({array({":1\r\n"})}),
        array({array({bulk("get"), "!3\r\nabc\r\n"})}),
        array({array({"$-1\r\n", ":1\r\n"})}),
        array({command("config", {command("config|get", {command("config|get")})})}),
        array({array({bulk("get"), ":1\r\n", ":1\r\n", ":1\r\n", ":1\r\n", ":1\r\n", ":1\r\n", ":1\r\n",
                      ":1\r\n", "+no list\r\n"})}),
    };
    for (const std::string& reply : replies) {
        for (const auto kind : {command_listing::all, command_listing::asked}) {
            EXPECT_EQ(filtered(reply, kind), std::nullopt) << reply;
        }
    }
    for (const std::string& reply :
         {array({":1\r\n"}), array({"$-1\r\n"}), array({array({})}), list('%', {})}) {
        EXPECT_EQ(filtered(reply, command_listing::names), std::nullopt) << reply;
    }
    for (const std::string& reply :
         {array({bulk("get")}), array({bulk("get"), bulk("x")}), array({":1\r\n", array({})}),
          array({bulk("get"), array({bulk("summary")})}), array({bulk("get"), array({array({}), ":1\r\n"})}),
          array({bulk("config"), array({bulk("subcommands"), ":1\r\n"})}),
          list('~', {bulk("get"), array({})})}) {
        EXPECT_EQ(filtered(reply, command_listing::docs), std::nullopt) << reply;
    }
}

TEST(filter_listing, withholds_a_list_that_is_cut_anywhere) {
    const std::string reply =
        array({command("get"), command("config", {command("config|get")}), command("debug")});
    ASSERT_TRUE(filtered(reply, command_listing::all));
    for (std::size_t size = 0; size < reply.size(); ++size) {
        EXPECT_EQ(filtered(reply.substr(0, size), command_listing::all), std::nullopt) << size;
    }
}

// ---- in pieces

std::optional<std::string> fed(const std::string& reply, std::size_t cut, command_listing kind) {
    command_listing_reply interpreter(kind, resp_version::resp2, command_table::built_in());
    reply_scanner scanner;
    buffer out;
    std::size_t consumed = 0;
    for (const std::size_t end : {cut, reply.size()}) {
        const std::string shown = reply.substr(consumed, end - consumed);
        const bool complete = scanner.scan(shown) == scan_status::complete;
        if (!interpreter.feed(std::string_view(shown).substr(0, scanner.consumed()), complete, out))
            return std::nullopt;
        consumed += scanner.consumed();
        if (complete) break;
    }
    return std::string(out.view());
}

TEST(command_listing_reply, gives_the_same_wherever_the_reply_is_cut) {
    const std::string reply =
        array({command("get"), command("debug"), command("config", {command("config|set")})});
    const auto whole = filtered(reply, command_listing::asked);
    ASSERT_TRUE(whole);
    for (std::size_t cut = 0; cut <= reply.size(); ++cut) {
        EXPECT_EQ(fed(reply, cut, command_listing::asked), whole) << cut;
    }
    EXPECT_EQ(fed(array({command("get")}), 9, command_listing::docs), std::nullopt);
}

TEST(command_listing_reply, holds_no_more_than_its_bound) {
    command_listing_reply interpreter(command_listing::docs, resp_version::resp2, command_table::built_in());
    buffer out;
    const std::string piece(1 << 20, 'x');
    for (int i = 0; i < 64; ++i) ASSERT_TRUE(interpreter.feed(piece, false, out));
    EXPECT_TRUE(out.empty());
    ASSERT_TRUE(interpreter.feed("\r\n", true, out));
    EXPECT_EQ(out.view(), "-" + std::string(errors::listing_too_long) + "\r\n");
}

}  // namespace
}  // namespace weir
