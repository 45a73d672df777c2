#include "policy/reconnect_delay.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace weir {
namespace {

using namespace std::chrono_literals;

TEST(reconnect_delay_test, grows_by_50_ms_with_every_failure) {
    EXPECT_EQ(reconnect_delay(1, 1.0), 50ms);
    EXPECT_EQ(reconnect_delay(2, 1.0), 100ms);
    EXPECT_EQ(reconnect_delay(39, 1.0), 1'950ms);
}

TEST(reconnect_delay_test, stays_at_two_seconds_after_many_failures) {
    EXPECT_EQ(reconnect_delay(40, 1.0), 2s);
    EXPECT_EQ(reconnect_delay(41, 1.0), 2s);
    EXPECT_EQ(reconnect_delay(std::numeric_limits<std::uint32_t>::max(), 1.0), 2s);
}

TEST(reconnect_delay_test, randomness_spreads_over_the_upper_half_and_never_below) {
    EXPECT_EQ(reconnect_delay(1, 0.0), 25ms);
    EXPECT_EQ(reconnect_delay(40, 0.0), 1s);
    EXPECT_EQ(reconnect_delay(40, 0.5), 1'500ms);
    EXPECT_LT(reconnect_delay(40, 0.999), 2s);
}

}  // namespace
}  // namespace weir
