#include "policy/reply_rewriter.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "protocol/reply_scanner.hpp"

namespace weir {
namespace {

using namespace std::string_literals;

constexpr std::string_view prefix = "p:";

/// Feeds what the scanner consumes of `reply`, which arrives cut in front of every byte of `cuts`, as a
/// connection does. What the client gets, or nullopt when the reply is to be withheld; `leaked` is what went
/// out before that.
std::optional<std::string> rewrite(reply_rule rule, std::string_view reply,
                                   const std::vector<std::size_t>& cuts, std::string* leaked = nullptr) {
    reply_scanner scanner;
    reply_rewriter rewriter(rule, prefix);
    buffer out;
    std::size_t consumed = 0;
    std::vector<std::size_t> ends = cuts;
    ends.push_back(reply.size());
    for (const std::size_t end : ends) {
        const std::string shown(reply.substr(consumed, end - consumed));
        const scan_status status = scanner.scan(shown);
        EXPECT_NE(status, scan_status::error) << reply;
        EXPECT_EQ(status == scan_status::complete, end == reply.size()) << reply;
        if (!rewriter.feed(std::string_view(shown).substr(0, scanner.consumed()), out)) {
            if (leaked != nullptr) *leaked = std::string(out.view());
            return std::nullopt;
        }
        consumed += scanner.consumed();
    }
    return std::string(out.view());
}

/// The same, whole and cut at every one and two places, which must not matter.
std::optional<std::string> rewritten(reply_rule rule, std::string_view reply) {
    const auto whole = rewrite(rule, reply, {});
    for (std::size_t first = 0; first < reply.size(); ++first) {
        for (std::size_t second = first; second < reply.size(); ++second) {
            const auto cut = rewrite(rule, reply, {first, second});
            EXPECT_EQ(cut, whole) << first << ' ' << second;
            if (cut != whole) return whole;
        }
    }
    return whole;
}

std::string bulk(const std::string& bytes) {
    return "$" + std::to_string(bytes.size()) + "\r\n" + bytes + "\r\n";
}

// ---- KEYS
// ----------------------------------------------------------------------------------------------------------

TEST(reply_rewriter_test, strips_every_key_of_an_array) {
    EXPECT_EQ(rewritten(reply_rule::keys, "*3\r\n" + bulk("p:a") + bulk("p:\r\n\0"s) + bulk("p:p:c")),
              "*3\r\n" + bulk("a") + bulk("\r\n\0"s) + bulk("p:c"));
    EXPECT_EQ(rewritten(reply_rule::keys, "*1\r\n" + bulk("p:")), "*1\r\n" + bulk("")) << "the empty key";
    EXPECT_EQ(rewritten(reply_rule::keys, "*0\r\n"), "*0\r\n");
}

TEST(reply_rewriter_test, a_length_loses_a_digit_where_the_prefix_was_one) {
    for (const std::size_t size : {8u, 10u, 11u, 100u, 101u}) {
        const std::string key(size - 2, 'k');
        EXPECT_EQ(rewrite(reply_rule::keys, "*1\r\n" + bulk("p:" + key), {}), "*1\r\n" + bulk(key));
    }
}

TEST(reply_rewriter_test, strips_keys_of_a_set_as_of_an_array) {
    EXPECT_EQ(rewritten(reply_rule::keys, "~1\r\n" + bulk("p:a")), "~1\r\n" + bulk("a"));
}

// ---- SCAN
// ----------------------------------------------------------------------------------------------------------

TEST(reply_rewriter_test, strips_the_keys_of_a_scan_and_leaves_its_cursor) {
    EXPECT_EQ(rewritten(reply_rule::scan, "*2\r\n" + bulk("42") + "*2\r\n" + bulk("p:a") + bulk("p:b")),
              "*2\r\n" + bulk("42") + "*2\r\n" + bulk("a") + bulk("b"));
    EXPECT_EQ(rewritten(reply_rule::scan, "*2\r\n" + bulk("0") + "*0\r\n"), "*2\r\n" + bulk("0") + "*0\r\n");
}

// ---- popped
// --------------------------------------------------------------------------------------------------------

TEST(reply_rewriter_test, strips_the_key_of_what_was_popped_and_no_value) {
    EXPECT_EQ(rewritten(reply_rule::popped, "*2\r\n" + bulk("p:k") + bulk("p:v")),
              "*2\r\n" + bulk("k") + bulk("p:v"));
    EXPECT_EQ(rewritten(reply_rule::popped, "*2\r\n" + bulk("p:k") + "*2\r\n" + bulk("p:v") + bulk("p:w")),
              "*2\r\n" + bulk("k") + "*2\r\n" + bulk("p:v") + bulk("p:w"));
    EXPECT_EQ(
        rewritten(reply_rule::popped, "*2\r\n" + bulk("p:k") + "*1\r\n*2\r\n" + bulk("p:m") + ",1.5\r\n"),
        "*2\r\n" + bulk("k") + "*1\r\n*2\r\n" + bulk("p:m") + ",1.5\r\n");
}

TEST(reply_rewriter_test, nothing_popped_stays_nothing) {
    for (const std::string reply : {"*-1\r\n", "_\r\n", "$-1\r\n"}) {
        EXPECT_EQ(rewritten(reply_rule::popped, reply), reply);
        EXPECT_EQ(rewritten(reply_rule::streams, reply), reply);
    }
}

// ---- XREAD
// ---------------------------------------------------------------------------------------------------------

const std::string entries = "*1\r\n*2\r\n" + bulk("1-1") + "*2\r\n" + bulk("p:f") + bulk("p:v");

TEST(reply_rewriter_test, strips_the_streams_of_a_resp2_array) {
    EXPECT_EQ(rewritten(reply_rule::streams,
                        "*2\r\n*2\r\n" + bulk("p:a") + entries + "*2\r\n" + bulk("p:b") + "*0\r\n"),
              "*2\r\n*2\r\n" + bulk("a") + entries + "*2\r\n" + bulk("b") + "*0\r\n");
}

TEST(reply_rewriter_test, strips_the_streams_of_a_resp3_map) {
    EXPECT_EQ(rewritten(reply_rule::streams, "%2\r\n" + bulk("p:a") + entries + bulk("p:b") + entries),
              "%2\r\n" + bulk("a") + entries + bulk("b") + entries);
    EXPECT_EQ(rewritten(reply_rule::streams, "%0\r\n"), "%0\r\n");
}

TEST(reply_rewriter_test, an_empty_stream_in_front_of_others_does_not_hide_their_names) {
    EXPECT_EQ(
        rewritten(reply_rule::streams, "*2\r\n*2\r\n" + bulk("p:a") + "*0\r\n*2\r\n" + bulk("p:b") + entries),
        "*2\r\n*2\r\n" + bulk("a") + "*0\r\n*2\r\n" + bulk("b") + entries);
    EXPECT_EQ(rewritten(reply_rule::streams, "%2\r\n" + bulk("p:a") + "*0\r\n" + bulk("p:b") + bulk("p:v")),
              "%2\r\n" + bulk("a") + "*0\r\n" + bulk("b") + bulk("p:v"))
        << "and a value is none, whatever it is";
    EXPECT_EQ(
        rewrite(reply_rule::streams, "%2\r\n" + bulk("p:a") + "*0\r\n" + bulk("foreign") + "*0\r\n", {}),
        std::nullopt);
}

TEST(reply_rewriter_test, an_entry_that_was_deleted_has_no_fields) {
    const std::string deleted = "*1\r\n*2\r\n" + bulk("1-1");
    EXPECT_EQ(rewritten(reply_rule::streams, "*1\r\n*2\r\n" + bulk("p:a") + deleted + "*-1\r\n"),
              "*1\r\n*2\r\n" + bulk("a") + deleted + "*-1\r\n");
    EXPECT_EQ(rewritten(reply_rule::streams, "%1\r\n" + bulk("p:a") + deleted + "_\r\n"),
              "%1\r\n" + bulk("a") + deleted + "_\r\n");
}

// ---- names that are not the tenant's
// -------------------------------------------------------------------------------

TEST(reply_rewriter_test, withholds_a_reply_with_a_foreign_name_and_shows_nothing_of_the_name) {
    struct {
        reply_rule rule;
        std::string before;
        std::string behind;
    } const shapes[] = {
        {reply_rule::keys, "*2\r\n" + bulk("p:a"), ""},
        {reply_rule::scan, "*2\r\n" + bulk("0") + "*1\r\n", ""},
        {reply_rule::popped, "*2\r\n", bulk("v")},
        {reply_rule::streams, "*1\r\n*2\r\n", "*0\r\n"},
        {reply_rule::streams, "%1\r\n", "*0\r\n"},
    };
    for (const auto& shape : shapes) {
        for (const std::string& name :
             {"canary"s, "p"s, ""s, "pcanary"s, "P:canary"s, "xp:canary"s, "tenant:other:k"s}) {
            const std::string reply = shape.before + bulk(name) + shape.behind;
            for (std::size_t cut = 0; cut < reply.size(); ++cut) {
                std::string leaked = "none";
                ASSERT_EQ(rewrite(shape.rule, reply, {cut}, &leaked), std::nullopt) << reply << cut;
                ASSERT_EQ(leaked.find("canary"), std::string::npos) << leaked;
                ASSERT_LE(leaked.size(), shape.before.size()) << leaked;
            }
        }
    }
}

TEST(reply_rewriter_test, a_name_of_another_kind_than_a_bulk_string_is_withheld) {
    for (const std::string& name : {"+p:canary\r\n"s, ":1\r\n"s, ",1\r\n"s, "#t\r\n"s, "(1\r\n"s,
                                    "=12\r\ntxt:p:canary\r\n"s, "!8\r\np:canary\r\n"s}) {
        EXPECT_EQ(rewrite(reply_rule::keys, "*1\r\n" + name, {}), std::nullopt) << name;
        EXPECT_EQ(rewrite(reply_rule::streams, "%1\r\n" + name + "*0\r\n", {}), std::nullopt) << name;
        EXPECT_EQ(rewrite(reply_rule::popped, "*2\r\n" + name + "+v\r\n", {}), std::nullopt) << name;
    }
}

TEST(reply_rewriter_test, a_reply_that_cannot_be_followed_is_withheld) {
    for (const std::string& reply :
         {"*?\r\n$3\r\np:a\r\n.\r\n"s, "|1\r\n+k\r\n+v\r\n*0\r\n"s, ">1\r\n+x\r\n"s,
          "$?\r\n;3\r\np:a\r\n;0\r\n"s, "*1\r\n$?\r\n;3\r\np:a\r\n;0\r\n"s}) {
        EXPECT_EQ(rewrite(reply_rule::keys, reply, {}), std::nullopt) << reply;
    }
}

// ---- errors
// --------------------------------------------------------------------------------------------------------

TEST(reply_rewriter_test, an_error_loses_the_prefix_of_the_keys_it_quotes) {
    EXPECT_EQ(rewritten(reply_rule::streams, "-NOGROUP No such key 'p:k' or consumer group 'p:g'\r\n"),
              "-NOGROUP No such key 'k' or consumer group 'p:g'\r\n");
    EXPECT_EQ(rewritten(reply_rule::keys, "-ERR no\r\n"), "-ERR no\r\n");
}

TEST(reply_rewriter_test, stripping_an_error_leaves_all_but_the_prefix) {
    EXPECT_EQ(strip_prefix_from_error("-ERR x\r\n", "tenant:a:"), "-ERR x\r\n");
    EXPECT_EQ(strip_prefix_from_error("-ERR 'tenant:a:k' 'tenant:b:k' tenant:a\r\n", "tenant:a:"),
              "-ERR 'k' 'tenant:b:k' tenant:a\r\n");
    EXPECT_EQ(strip_prefix_from_error("-ERR 'p:p:k'\r\n", "p:"), "-ERR 'p:k'\r\n");
    EXPECT_EQ(
        strip_prefix_from_error("-NOGROUP No such consumer group 'p:' for key name 'p:p:p:k'\r\n", "p:"),
        "-NOGROUP No such consumer group 'p:' for key name 'p:p:k'\r\n");
    EXPECT_EQ(strip_prefix_from_error("-ERR x\r\n", ""), "-ERR x\r\n");
}

TEST(reply_rewriter_test, a_plain_reply_passes_as_it_is) {
    for (const std::string& reply : {bulk("p:value"), "*2\r\n"s + bulk("p:a") + "+p:b\r\n", "+OK\r\n"s,
                                     ":1\r\n"s, "%1\r\n+k\r\n*1\r\n,1.5\r\n"s, "=7\r\ntxt:p:a\r\n"s}) {
        EXPECT_EQ(rewritten(reply_rule::plain, reply), reply);
    }
}

// ---- scripts

/// Calls every script `mine`.
class one_name final : public script_names {
public:
    script_insertion take_script(std::string_view) override { return {}; }
    std::string upstream_name(std::string_view name) override { return std::string(name); }
    std::string client_name(std::string_view) override { return "mine"; }
};

TEST(reply_rewriter_test, an_error_calls_a_script_as_the_client_does) {
    one_name scripts;
    const std::string theirs(40, 'a');
    const auto renamed = [&](const std::string& line) { return rename_script_in_error(line, scripts); };
    EXPECT_EQ(renamed("-ERR text script: " + theirs + ", on @user_script:1.\r\n"),
              "-ERR text script: mine, on @user_script:1.\r\n");
    EXPECT_EQ(renamed("-ERR script: " + theirs + ", on @x script: " + theirs + ", on @user_script:1.\r\n"),
              "-ERR script: " + theirs + ", on @x script: mine, on @user_script:1.\r\n")
        << "the script's own words stay";
    for (const std::string& other : {"-ERR text\r\n"s, "-ERR a script: \r\n"s, "-ERR script: " + theirs + "\r\n",
                                     "-ERR script: " + theirs.substr(1) + ", on @user_script:1.\r\n"}) {
        EXPECT_EQ(renamed(other), other);
    }
}

TEST(reply_rewriter_test, only_an_error_in_reply_to_a_script_is_searched_for_its_name) {
    one_name scripts;
    const std::string line = "-ERR p: script: " + std::string(40, 'a') + ", on @user_script:1.\r\n";
    for (const auto rule : {reply_rule::plain, reply_rule::script}) {
        reply_rewriter rewriter(rule, prefix, &scripts);
        buffer out;
        ASSERT_TRUE(rewriter.feed(line, out));
        const bool renamed = out.view() == "-ERR  script: mine, on @user_script:1.\r\n";
        EXPECT_EQ(renamed, rule == reply_rule::script) << out.view();
    }
}

}  // namespace
}  // namespace weir
