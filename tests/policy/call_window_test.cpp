#include "policy/call_window.hpp"

#include <gtest/gtest.h>

namespace weir {
namespace {

using namespace std::chrono_literals;

call_window::time at(std::chrono::milliseconds since_start) {
    return call_window::time(since_start);
}

TEST(call_window_test, what_is_too_old_leaves_in_whole_steps) {
    call_window window(10s, 10);
    window.add({.calls = 3, .failed = 3, .slow = 1}, at(100'300ms));
    window.add({.calls = 1, .failed = 0, .slow = 1}, at(100'900ms));
    window.add({.calls = 5, .failed = 5, .slow = 0}, at(101'000ms));
    EXPECT_EQ(window.total(at(109'999ms)).calls, 9u);
    EXPECT_EQ(window.total(at(110'000ms)).calls, 5u);
    EXPECT_EQ(window.total(at(110'000ms)).failed, 5u);
    EXPECT_EQ(window.total(at(110'999ms)).calls, 5u);
    EXPECT_EQ(window.total(at(111'000ms)).calls, 0u);
}

TEST(call_window_test, a_bucket_used_again_starts_from_nothing) {
    call_window window(2s, 2);
    window.add({.calls = 3, .failed = 3, .slow = 1}, at(0ms));
    window.add({.calls = 1, .failed = 1, .slow = 0}, at(2'000ms));
    EXPECT_EQ(window.total(at(2'000ms)).calls, 1u);
    EXPECT_EQ(window.total(at(2'000ms)).slow, 0u);
    EXPECT_EQ(window.total(at(1'000'000ms)).calls, 0u);
}

TEST(call_window_test, one_bucket_forgets_all_at_once) {
    call_window window(1s, 1);
    window.add({.calls = 2, .failed = 1, .slow = 0}, at(999ms));
    EXPECT_EQ(window.total(at(999ms)).calls, 2u);
    EXPECT_EQ(window.total(at(1'000ms)).calls, 0u);
}

TEST(call_window_test, more_buckets_than_the_window_has_nanoseconds_do_no_harm) {
    call_window window(0ms, 0);
    window.add({.calls = 2, .failed = 1, .slow = 0}, at(5ms));
    EXPECT_EQ(window.total(at(5ms)).calls, 2u);
    EXPECT_EQ(window.total(at(6ms)).calls, 0u);
}

TEST(call_window_test, keeps_failures_and_what_of_them_was_slow) {
    call_window window(10s, 10);
    window.add({.calls = 5, .failed = 0, .slow = 4}, at(5ms));
    window.add({.calls = 2, .failed = 2, .slow = 2}, at(5ms));
    window.add({.calls = 3, .failed = 3, .slow = 1}, at(1'005ms));
    window.forget_successes();
    EXPECT_EQ(window.total(at(1'005ms)).calls, 5u);
    EXPECT_EQ(window.total(at(1'005ms)).failed, 5u);
    EXPECT_EQ(window.total(at(1'005ms)).slow, 3u);
    EXPECT_EQ(window.total(at(10'000ms)).calls, 3u) << "each in its own time";
}

TEST(call_window_test, forgets_when_told) {
    call_window window(10s, 10);
    window.add({.calls = 2, .failed = 1, .slow = 0}, at(5ms));
    window.clear();
    EXPECT_EQ(window.total(at(5ms)).calls, 0u);
}

}  // namespace
}  // namespace weir
