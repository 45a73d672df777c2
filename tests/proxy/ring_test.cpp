#include "proxy/upstream/ring.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <string>

namespace weir {
namespace {

TEST(ring_test, a_new_one_is_empty) {
    const ring<int> values;
    EXPECT_TRUE(values.empty());
    EXPECT_EQ(values.size(), 0u);
}

TEST(ring_test, gives_values_back_in_the_order_they_came) {
    ring<std::string> values;
    values.push_back("a");
    values.push_back("b");
    EXPECT_EQ(values.size(), 2u);
    EXPECT_EQ(values.front(), "a");
    EXPECT_EQ(values[1], "b");
    values.pop_front();
    EXPECT_EQ(values.front(), "b");
    values.pop_front();
    EXPECT_TRUE(values.empty());
}

TEST(ring_test, a_value_can_be_changed_in_its_place) {
    ring<int> values;
    values.push_back(1);
    values.push_back(2);
    values[1] = 5;
    values.front() = 4;
    EXPECT_EQ(values[0], 4);
    EXPECT_EQ(values[1], 5);
}

TEST(ring_test, keeps_the_order_when_it_grows_while_wrapped_around) {
    for (int shift = 0; shift < 20; ++shift) {
        ring<int> values;
        for (int i = 0; i < shift; ++i) {
            values.push_back(-1);
            values.pop_front();
        }
        for (int i = 0; i < 100; ++i) values.push_back(i);
        ASSERT_EQ(values.size(), 100u);
        for (int i = 0; i < 100; ++i) ASSERT_EQ(values[static_cast<std::size_t>(i)], i) << shift;
    }
}

TEST(ring_test, clear_leaves_nothing_behind) {
    ring<int> values;
    for (int i = 0; i < 20; ++i) values.push_back(i);
    values.pop_front();
    values.clear();
    EXPECT_TRUE(values.empty());
    values.push_back(7);
    EXPECT_EQ(values.front(), 7);
    EXPECT_EQ(values.size(), 1u);
}

TEST(ring_test, behaves_like_a_deque_whatever_comes) {
    std::mt19937 random(20'240'607);
    ring<int> values;
    std::deque<int> expected;
    for (int i = 0; i < 100'000; ++i) {
        // Long phases of growing and of shrinking, so that it wraps at every capacity.
        const bool growing = (i / 700) % 2 == 0;
        if (expected.empty() || random() % 10 < (growing ? 7u : 3u)) {
            values.push_back(i);
            expected.push_back(i);
        } else {
            values.pop_front();
            expected.pop_front();
        }
        ASSERT_EQ(values.size(), expected.size());
        if (expected.empty()) continue;
        const std::size_t at = random() % expected.size();
        ASSERT_EQ(values.front(), expected.front());
        ASSERT_EQ(values[at], expected[at]);
    }
}

}  // namespace
}  // namespace weir
