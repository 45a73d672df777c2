#include "protocol/glob.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir {
namespace {

TEST(glob_test, leaves_text_without_special_characters_as_it_is) {
    EXPECT_EQ(escape_glob(""), "");
    EXPECT_EQ(escape_glob("tenant:acme:"), "tenant:acme:");
    EXPECT_EQ(escape_glob("{a}(b)^c-d$|."), "{a}(b)^c-d$|.")
        << "special to a regular expression, not to a glob";
}

TEST(glob_test, escapes_every_character_that_the_matcher_treats_specially) {
    EXPECT_EQ(escape_glob("*?[]\\"), "\\*\\?\\[\\]\\\\");
    EXPECT_EQ(escape_glob("a*b[c]d"), "a\\*b\\[c\\]d");
    EXPECT_EQ(escape_glob("\\\\"), "\\\\\\\\");
}

TEST(glob_test, keeps_bytes_that_are_no_text) {
    const std::string bytes("\0\xff\r\n", 4);
    EXPECT_EQ(escape_glob(bytes), bytes);
}

// What redis-server 7.0.15 answered to KEYS with these patterns and these keys.
TEST(glob_test, matches_what_the_server_matches) {
    const std::vector<std::string> all{"a", "b", "ab", "abc", "aab", "ba", "]", "-", "^", "\\", "*", "a]", "[a", "a*", "a-b", "[", "é"};
    const std::vector<std::pair<std::string, std::vector<std::string>>> answers{
        {"*", all},
        {"?", {"a", "b", "]", "-", "^", "\\", "*", "["}},
        {"a", {"a"}},
        {"", {}},
        {"a*", {"a", "ab", "abc", "aab", "a]", "a*", "a-b"}},
        {"*a", {"a", "ba", "[a"}},
        {"*b*", {"b", "ab", "abc", "aab", "ba", "a-b"}},
        {"**", all},
        {"a?", {"ab", "a]", "a*"}},
        {"[ab]", {"a", "b"}},
        {"[^ab]", {"]", "-", "^", "\\", "*", "["}},
        {"[a-c]", {"a", "b"}},
        {"[c-a]", {"a", "b"}},
        {"[a-]", {"a", "]", "^"}},
        {"[a-]]", {"a", "]", "^"}},
        {"[-a]", {"a", "-"}},
        {"[]", {}},
        {"[^]", {"a", "b", "]", "-", "^", "\\", "*", "["}},
        {"[", {}},
        {"[^", {"a", "b", "]", "-", "^", "\\", "*", "["}},
        {"[a", {"a"}},
        {"[^a", {"b", "]", "-", "^", "\\", "*", "["}},
        {"[]a", {}},
        {"[\\]]", {"]"}},
        {"[\\", {"\\"}},
        {"[a\\", {"a", "\\"}},
        {"\\", {"\\"}},
        {"\\a", {"a"}},
        {"\\*", {"*"}},
        {"a\\", {}},
        {"\\\\", {"\\"}},
        {"*\\", {"\\"}},
        {"*]", {"]", "a]"}},
        {"a]", {"a]"}},
        {"[*]", {"*"}},
        {"[?]", {}},
        {"[^^]", {"a", "b", "]", "-", "\\", "*", "["}},
        {"[a^]", {"a", "^"}},
        {"[!a]", {"a"}},
        {"*[ab]", {"a", "b", "ab", "aab", "ba", "[a", "a-b"}},
        {"*[ab]*b", {"ab", "aab", "a-b"}},
        {"[a-b-c]", {"a", "b", "-"}},
        {"?*", all},
        {"*?", all},
        {"??", {"ab", "ba", "a]", "[a", "a*", "é"}},
        {"a[^b]", {"a]", "a*"}},
        {"a[^b", {"a]", "a*"}},
        {"*a*b", {"ab", "aab", "a-b"}},
        {"[\\a-c]", {"a", "-"}},
        {"[a-\\]]", {"a]"}},
        {"[Z-a]", {"a", "]", "^", "\\", "["}},
    };
    for (const auto& [pattern, matching] : answers) {
        std::vector<std::string> found;
        for (const auto& text : all) {
            if (glob_match(pattern, text)) found.push_back(text);
        }
        EXPECT_EQ(found, matching) << pattern;
    }
}

TEST(glob_test, the_empty_text_is_matched_by_the_empty_pattern_alone) {
    EXPECT_TRUE(glob_match("", ""));
    for (const auto* pattern : {"*", "**", "?", "[^a]", "a"}) EXPECT_FALSE(glob_match(pattern, "")) << pattern;
}

TEST(glob_test, escaped_text_matches_itself_and_nothing_else) {
    const std::string text = "te*n?an[t]\\:^-";
    EXPECT_TRUE(glob_match(escape_glob(text), text));
    EXPECT_TRUE(glob_match(escape_glob(text) + "*", text + "x"));
    EXPECT_FALSE(glob_match(escape_glob(text), "texn?an[t]\\:^-"));
}

TEST(glob_test, bytes_that_are_no_text_match_like_any_others) {
    EXPECT_TRUE(glob_match(std::string("a?\0*", 4), std::string("a\r\0\xff", 4)));
    EXPECT_FALSE(glob_match(std::string("a\0b", 3), std::string("a\0c", 3)));
}

TEST(glob_test, many_stars_do_not_take_for_ever) {
    std::string pattern;
    for (int i = 0; i < 500; ++i) pattern += "a*";
    EXPECT_FALSE(glob_match(pattern + "b", std::string(20'000, 'a')));
    EXPECT_TRUE(glob_match(pattern + "b", std::string(20'000, 'a') + "b"));
}

TEST(glob_test, the_literal_part_ends_at_the_first_special_character) {
    EXPECT_EQ(glob_literal("news.*"), "news.");
    EXPECT_EQ(glob_literal("a\\b"), "a");
    EXPECT_EQ(glob_literal("[a]"), "");
    EXPECT_EQ(glob_literal("plain"), "plain");
}

}  // namespace
}  // namespace weir
