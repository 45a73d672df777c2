#include "proxy/upstream/pool_shares.hpp"

#include <gtest/gtest.h>

#include <array>

namespace weir {
namespace {

std::size_t claim_all(pool_shares& shares, pool_share& of) {
    std::size_t claimed = 0;
    for (; claimed < 1'000 && shares.allows(&of); ++claimed) shares.take(&of);
    return claimed;
}

TEST(pool_shares, a_tenant_alone_may_have_all_of_them) {
    pool_shares shares(100, false);
    pool_share one;
    EXPECT_EQ(claim_all(shares, one), 100u);
}

TEST(pool_shares, a_greedy_tenant_leaves_a_quarter_once_there_is_another) {
    pool_shares shares(100, true);
    pool_share modest;
    pool_share greedy;
    shares.take(&modest);
    EXPECT_EQ(claim_all(shares, greedy), 74u);
    EXPECT_EQ(claim_all(shares, modest), 49u) << "half of them, with the one that it had";
    pool_share late;
    EXPECT_EQ(claim_all(shares, late), 33u) << "and so on: the pool itself says when there is none left";
}

TEST(pool_shares, a_greedy_tenant_leaves_a_quarter_for_those_who_have_not_come_yet) {
    pool_shares shares(100, true);
    pool_share greedy;
    EXPECT_EQ(claim_all(shares, greedy), 75u);
    pool_share late;
    EXPECT_EQ(claim_all(shares, late), 50u);
}

TEST(pool_shares, what_is_nobodys_is_not_counted) {
    pool_shares shares(1, true);
    for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(shares.allows(nullptr));
        shares.take(nullptr);
    }
    shares.give_back(nullptr);
}

TEST(pool_shares, what_is_released_may_be_claimed_again) {
    pool_shares shares(4, false);
    pool_share one;
    pool_share other;
    EXPECT_EQ(claim_all(shares, one), 4u);
    EXPECT_TRUE(shares.allows(&other));
    shares.take(&other);
    EXPECT_FALSE(shares.allows(&one));
    for (int i = 0; i < 4; ++i) shares.give_back(&one);
    EXPECT_EQ(one.held, 0u);
    EXPECT_EQ(claim_all(shares, other), 3u) << "it is alone now";
}

TEST(pool_shares, everybody_may_have_one) {
    pool_shares shares(2, true);
    for (int i = 0; i < 10; ++i) {
        static std::array<pool_share, 10> tenants;
        EXPECT_TRUE(shares.allows(&tenants[static_cast<std::size_t>(i)]));
        shares.take(&tenants[static_cast<std::size_t>(i)]);
    }
}

}  // namespace
}  // namespace weir
