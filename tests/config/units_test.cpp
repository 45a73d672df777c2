#include "config/units.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace weir {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

TEST(parse_duration, every_unit_is_read) {
    EXPECT_EQ(*parse_duration("250ms"), 250ms);
    EXPECT_EQ(*parse_duration("5s"), 5s);
    EXPECT_EQ(*parse_duration("2m"), 2min);
    EXPECT_EQ(*parse_duration("1h"), 1h);
    EXPECT_EQ(*parse_duration("1d"), 24h);
    EXPECT_EQ(*parse_duration("0s"), 0s);
}

TEST(parse_duration, a_number_without_unit_is_refused) {
    EXPECT_THAT(parse_duration("5").why(), HasSubstr("no unit (known are ms, s, m, h, d)"));
    EXPECT_THAT(parse_duration("0").why(), HasSubstr("no unit"));
}

TEST(parse_duration, what_is_no_duration_is_refused) {
    for (const auto* text : {"", "s", "5 s", "1.5s", "5S", "5sec", "five", "+5s", "0x5s", "5s5s"})
        EXPECT_FALSE(parse_duration(text)) << text;
    EXPECT_EQ(parse_duration("-5s").why(), "is negative");
}

TEST(parse_duration, one_more_than_fits_is_refused) {
    EXPECT_EQ(*parse_duration("9223372036854775807ms"), std::chrono::milliseconds::max());
    EXPECT_EQ(parse_duration("9223372036854775808ms").why(), "is too large");
    EXPECT_EQ(parse_duration("106751991168d").why(), "is too large");
    EXPECT_EQ(parse_duration("99999999999999999999s").why(), "is too large");
}

TEST(parse_percent, a_share_has_its_sign) {
    EXPECT_EQ(*parse_percent("0%"), 0u);
    EXPECT_EQ(*parse_percent("50%"), 50u);
    EXPECT_EQ(*parse_percent("100%"), 100u);
    EXPECT_EQ(parse_percent("101%").why(), "is too large");
    EXPECT_EQ(parse_percent("50").why(), "has no unit (known is %)");
    EXPECT_EQ(parse_percent("0.5").why(), "is not a whole number");
    EXPECT_EQ(parse_percent("-1%").why(), "is negative");
    for (const auto* text : {"", "%", "50 %", "50%%", "50pct", "1e1%"})
        EXPECT_FALSE(parse_percent(text)) << text;
    EXPECT_EQ(format_percent(50), "50%");
}

TEST(parse_size, every_unit_is_read) {
    EXPECT_EQ(*parse_size("7"), 7u);
    EXPECT_EQ(*parse_size("7B"), 7u);
    EXPECT_EQ(*parse_size("64KiB"), 65'536u);
    EXPECT_EQ(*parse_size("1MiB"), 1'048'576u);
    EXPECT_EQ(*parse_size("3GiB"), std::size_t{3} << 30);
    EXPECT_EQ(*parse_size("1TiB"), std::size_t{1} << 40);
}

TEST(parse_size, units_of_unclear_size_are_refused) {
    for (const auto* text : {"64KB", "64kb", "64k", "64M", "1mib", "1.5MiB", "1 MiB", "MiB", "", "-1"})
        EXPECT_FALSE(parse_size(text)) << text;
    EXPECT_THAT(parse_size("64KB").why(), HasSubstr("known are B, KiB, MiB, GiB, TiB"));
}

TEST(parse_size, one_more_than_fits_is_refused) {
    EXPECT_EQ(*parse_size("18446744073709551615"), std::numeric_limits<std::size_t>::max());
    EXPECT_EQ(parse_size("18446744073709551616").why(), "is too large");
    EXPECT_TRUE(parse_size("16777215TiB"));
    EXPECT_EQ(parse_size("16777216TiB").why(), "is too large");
}

TEST(parse_count, takes_digits_alone) {
    EXPECT_EQ(*parse_count("0"), 0u);
    EXPECT_EQ(*parse_count("1000"), 1'000u);
    for (const auto* text : {"", "1k", "1.0", "1e3", "-1", "+1", " 1", "0x10", "1_000"})
        EXPECT_FALSE(parse_count(text)) << text;
}

TEST(format, gives_what_the_parsers_take_in_the_largest_fitting_unit) {
    EXPECT_EQ(format_duration(0ms), "0s");
    EXPECT_EQ(format_duration(250ms), "250ms");
    EXPECT_EQ(format_duration(90s), "90s");
    EXPECT_EQ(format_duration(24h), "1d");
    EXPECT_EQ(format_size(0), "0B");
    EXPECT_EQ(format_size(1'000), "1000B");
    EXPECT_EQ(format_size(64 << 10), "64KiB");
    EXPECT_EQ(format_size(512 << 20), "512MiB");
}

}  // namespace
}  // namespace weir
