#include "protocol/inline_request.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "tests/support/request_text.hpp"

namespace weir {
namespace {

using test::words_of;
using namespace std::string_literals;
using words = std::vector<std::string>;

/// The words of a line, or nullopt for unbalanced quotes.
std::optional<words> split(std::string_view line) {
    std::string canonical = "left over";
    std::vector<argument_slice> slices(3);
    if (!split_inline_request(line, canonical, slices)) return std::nullopt;
    const words found = words_of({canonical, slices});
    EXPECT_EQ(canonical, test::request_text(found).raw()) << "the array request is the canonical one";
    return found;
}

// Each expectation was seen at redis-server 7.0.15.

TEST(inline_request_test, splits_at_any_run_of_spaces_and_tabs) {
    EXPECT_EQ(split("GET foo"), (words{"GET", "foo"}));
    EXPECT_EQ(split("  GET \t foo\t"), (words{"GET", "foo"}));
    EXPECT_EQ(split("PING"), words{"PING"});
}

TEST(inline_request_test, a_blank_line_gives_no_arguments) {
    EXPECT_EQ(split(""), words{});
    EXPECT_EQ(split("  \t\r\v\f "), words{});
}

TEST(inline_request_test, a_carriage_return_inside_the_line_separates) {
    EXPECT_EQ(split("PING a\rb"), (words{"PING", "a", "b"}));
}

TEST(inline_request_test, vertical_tab_and_form_feed_are_skipped_before_an_argument_and_part_of_one_inside) {
    EXPECT_EQ(split("\vPING \ffoo"), (words{"PING", "foo"}));
    EXPECT_EQ(split("PING a\vb"), (words{"PING", "a\vb"}));
    EXPECT_EQ(split("PING a\fb"), (words{"PING", "a\fb"}));
    EXPECT_EQ(split("PING \"a\"\v"), (words{"PING", "a"})) << "behind a closing quote they count as space";
}

TEST(inline_request_test, double_quotes_hold_spaces_and_escapes) {
    EXPECT_EQ(split(R"(SET "a b" "")"), (words{"SET", "a b", ""}));
    EXPECT_EQ(split(R"("\n\r\t\b\a\"\\\q\'")"), (words{"\n\r\t\b\a\"\\q'"}));
    EXPECT_EQ(split(R"("\x41\x00\xfF\x0d")"), (words{"A\0\xff\r"s}));
}

TEST(inline_request_test, an_escape_that_is_no_hex_pair_is_the_letter_itself) {
    EXPECT_EQ(split(R"("\x4")"), words{"x4"});
    EXPECT_EQ(split(R"("\x4g")"), words{"x4g"});
    EXPECT_EQ(split(R"("\xg4")"), words{"xg4"});
    EXPECT_EQ(split(R"("\X41")"), words{"X41"});
}

TEST(inline_request_test, single_quotes_know_one_escape_only) {
    EXPECT_EQ(split(R"('a\'b\n' '')"), (words{"a'b\\n", ""}));
    EXPECT_EQ(split(R"('say "hi"')"), words{R"(say "hi")"});
}

TEST(inline_request_test, a_backslash_outside_quotes_is_an_ordinary_byte) {
    EXPECT_EQ(split(R"(a\nb \x41)"), (words{R"(a\nb)", R"(\x41)"}));
}

TEST(inline_request_test, quotes_may_open_in_the_middle_of_an_argument) {
    EXPECT_EQ(split(R"(PING a"b c")"), (words{"PING", "ab c"}));
    EXPECT_EQ(split(R"(PING a'b c')"), (words{"PING", "ab c"}));
}

TEST(inline_request_test, quotes_that_stay_open_are_unbalanced) {
    for (const std::string_view line :
         {R"(PING "a)", R"(PING 'a)", R"(PING ")", R"(PING "\)", R"(PING "\")", R"(PING '\')"}) {
        EXPECT_EQ(split(line), std::nullopt) << line;
    }
}

TEST(inline_request_test, something_right_behind_a_closing_quote_is_unbalanced) {
    for (const std::string_view line : {R"(PING "a"b)", R"(PING 'a'b)", R"(PING "a""b")", R"(PING "a"'b')"}) {
        EXPECT_EQ(split(line), std::nullopt) << line;
    }
}

TEST(inline_request_test, bytes_beyond_ascii_are_ordinary) {
    EXPECT_EQ(split("SET k\xff \xc3\xa4"), (words{"SET", "k\xff", "\xc3\xa4"}));
}

}  // namespace
}  // namespace weir
