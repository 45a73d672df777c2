#include "protocol/ascii.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace weir {
namespace {

TEST(ascii_test, parses_every_integer_in_its_one_spelling) {
    EXPECT_EQ(parse_integer("0"), 0);
    EXPECT_EQ(parse_integer("7"), 7);
    EXPECT_EQ(parse_integer("-1"), -1);
    EXPECT_EQ(parse_integer("1048576"), 1'048'576);
    EXPECT_EQ(parse_integer("999999999999999999"), 999'999'999'999'999'999);
    EXPECT_EQ(parse_integer("-1000000000000000000"), -1'000'000'000'000'000'000);
    EXPECT_EQ(parse_integer("9223372036854775807"), std::numeric_limits<std::int64_t>::max());
    EXPECT_EQ(parse_integer("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
}

TEST(ascii_test, refuses_what_redis_takes_for_no_length) {
    using namespace std::string_view_literals;
    for (const std::string_view text : {""sv,
                                        "-"sv,
                                        "--1"sv,
                                        "+1"sv,
                                        "01"sv,
                                        "00"sv,
                                        "-0"sv,
                                        "-01"sv,
                                        " 1"sv,
                                        "1 "sv,
                                        "1\0"sv,
                                        "1a"sv,
                                        "0x10"sv,
                                        "1.0"sv,
                                        "1e3"sv,
                                        "abc"sv,
                                        "9223372036854775808"sv,
                                        "-9223372036854775809"sv,
                                        "18446744073709551615"sv,
                                        "99999999999999999999999999"sv}) {
        EXPECT_EQ(parse_integer(text), std::nullopt) << '"' << text << '"';
    }
}

TEST(ascii_test, compares_letters_in_any_case_and_all_other_bytes_exactly) {
    EXPECT_TRUE(equals_ignoring_case("mAtCh", "match"));
    EXPECT_TRUE(equals_ignoring_case("", ""));
    EXPECT_FALSE(equals_ignoring_case("matc", "match"));
    EXPECT_FALSE(equals_ignoring_case("matchx", "match"));
    EXPECT_FALSE(equals_ignoring_case("[", "{")) << "these differ by the case bit alone";
    EXPECT_FALSE(equals_ignoring_case("\xc4", "\xe4")) << "no letters of other alphabets";
}

TEST(ascii_test, counts_digits_at_every_power_of_ten) {
    EXPECT_EQ(digit_count(0), 1u);
    EXPECT_EQ(digit_count(9), 1u);
    EXPECT_EQ(digit_count(10), 2u);
    EXPECT_EQ(digit_count(99), 2u);
    EXPECT_EQ(digit_count(100), 3u);
    EXPECT_EQ(digit_count(std::numeric_limits<std::uint32_t>::max()), 10u);
    EXPECT_EQ(digit_count(std::numeric_limits<std::size_t>::max()), 20u);
}

}  // namespace
}  // namespace weir
