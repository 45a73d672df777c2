#include "policy/flow_window.hpp"

#include <gtest/gtest.h>

namespace weir {
namespace {

constexpr std::size_t mebibyte = 1 << 20;

TEST(flow_window_test, is_wide_open_before_the_first_reply_and_for_small_replies) {
    flow_window window(1'024, mebibyte);
    EXPECT_EQ(window.commands(), 1'024u);
    window.observe(100, 500);
    EXPECT_EQ(window.commands(), 1'024u);
}

TEST(flow_window_test, replies_of_no_bytes_change_nothing) {
    flow_window window(1'024, mebibyte);
    window.observe(10, 0);
    EXPECT_EQ(window.commands(), 1'024u);
}

TEST(flow_window_test, shrinks_at_once_so_that_replies_in_flight_fit_the_budget) {
    flow_window window(1'024, mebibyte);
    window.observe(1, 16 * 1024);
    EXPECT_EQ(window.commands(), 64u);
}

TEST(flow_window_test, counts_the_average_of_replies_that_came_together) {
    flow_window window(1'024, mebibyte);
    window.observe(4, 4 * 16 * 1024);
    EXPECT_EQ(window.commands(), 64u);
}

TEST(flow_window_test, lets_a_few_commands_through_whatever_their_replies_size) {
    flow_window window(1'024, mebibyte);
    window.observe(1, 512 * mebibyte);
    EXPECT_EQ(window.commands(), flow_window::min_commands);
}

TEST(flow_window_test, a_maximum_below_the_few_holds) {
    flow_window window(2, mebibyte);
    EXPECT_EQ(window.commands(), 2u);
    window.observe(1, 512 * mebibyte);
    EXPECT_EQ(window.commands(), 2u);
}

TEST(flow_window_test, widens_slowly_and_to_the_full_when_replies_become_small_again) {
    flow_window window(1'024, mebibyte);
    window.observe(1, 64 * 1024);
    const std::size_t narrow = window.commands();
    window.observe(1, 5);
    EXPECT_GT(window.commands(), narrow);
    EXPECT_LT(window.commands(), 2 * narrow);
    std::size_t before = window.commands();
    for (int i = 0; i < 100; ++i) {
        window.observe(1, 5);
        EXPECT_GE(window.commands(), before);
        before = window.commands();
    }
    EXPECT_EQ(window.commands(), 1'024u);
}

}  // namespace
}  // namespace weir
