#include "policy/byte_rate.hpp"

#include <gtest/gtest.h>

namespace weir {
namespace {

using namespace std::chrono_literals;

constexpr limit_rate thousand_a_second{1'000, 1s};

TEST(byte_rate, lets_one_periods_worth_come_at_once) {
    byte_rate rate;
    EXPECT_EQ(rate.charge(thousand_a_second, 1h, 600), 0ns);
    EXPECT_EQ(rate.charge(thousand_a_second, 1h, 400), 0ns);
    EXPECT_EQ(rate.charge(thousand_a_second, 1h, 1), 1ms);
}

TEST(byte_rate, what_came_too_fast_is_worked_off_at_the_rate) {
    byte_rate rate;
    EXPECT_EQ(rate.charge(thousand_a_second, 1h, 5'000), 4s) << "it had been read already";
    EXPECT_EQ(rate.charge(thousand_a_second, 1h + 4s, 0), 0ns);
    EXPECT_EQ(rate.charge(thousand_a_second, 1h + 4s, 10), 10ms);
    EXPECT_EQ(rate.charge(thousand_a_second, 1h + 10s, 1'000), 0ns) << "nothing is saved up beyond one period";
    EXPECT_EQ(rate.charge(thousand_a_second, 1h + 10s, 500), 500ms);
}

TEST(byte_rate, time_that_goes_back_stands_still) {
    byte_rate rate;
    EXPECT_EQ(rate.charge(thousand_a_second, 1h, 1'000), 0ns);
    EXPECT_GE(rate.charge(thousand_a_second, 59min, 1'000), 1s);
}

TEST(byte_rate, holds_for_huge_rates_and_sizes) {
    byte_rate rate;
    constexpr limit_rate fast{std::uint64_t{1} << 40, 1s};
    EXPECT_EQ(rate.charge(fast, 24h * 365 * 50, std::uint64_t{1} << 40), 0ns);
    EXPECT_GT(rate.charge(fast, 24h * 365 * 50, std::uint64_t{1} << 41), 1'900ms);
}

}  // namespace
}  // namespace weir
