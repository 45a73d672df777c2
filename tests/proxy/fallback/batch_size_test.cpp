#include "proxy/fallback/batch_size.hpp"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(batch_size_test, a_server_that_hangs_up_gets_less_each_time_and_more_when_it_goes_well) {
    batch_size size;
    for (const std::size_t most : {100u, 50u, 25u, 12u, 6u, 3u, 1u}) {
        EXPECT_EQ(size.most(), most);
        EXPECT_FALSE(size.lost(size.most(), size.most() == 1));
    }
    for (const std::size_t most : {1u, 2u, 4u, 8u, 16u, 32u, 64u, 100u, 100u}) {
        EXPECT_EQ(size.most(), most);
        size.done();
    }
}

TEST(batch_size_test, what_cannot_be_cut_is_given_up_when_it_is_lost_often_in_a_row) {
    batch_size size;
    for (int round = 0; round < 2; ++round) {
        for (unsigned i = 1; i < batch_size::most_hang_ups; ++i) {
            EXPECT_EQ(size.patience(), 1u << (i - 1));
            EXPECT_FALSE(size.lost(7, true));
        }
        EXPECT_TRUE(size.lost(7, true));
        EXPECT_EQ(size.patience(), 1u);
    }
    for (unsigned i = 1; i < batch_size::most_hang_ups; ++i) EXPECT_FALSE(size.lost(7, true));
    size.done();
    EXPECT_FALSE(size.lost(7, true)) << "not in a row";
}

TEST(batch_size_test, a_server_that_was_killed_or_is_slow_is_to_blame_itself) {
    const replay_attempt sent{.sequence = 1, .operations = 1, .server = "a", .hung_up = true};
    EXPECT_TRUE(sent.is_to_blame("a"));
    EXPECT_FALSE(sent.is_to_blame("b")) << "another process";
    auto slow = sent;
    slow.hung_up = false;
    EXPECT_FALSE(slow.is_to_blame("a"));
    auto unknown = sent;
    unknown.server.clear();
    EXPECT_FALSE(unknown.is_to_blame(""));
}

}  // namespace
}  // namespace weir
