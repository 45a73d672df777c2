#include "proxy/tenants/pool_shares.hpp"

#include <gtest/gtest.h>

#include <array>

namespace weir {
namespace {

std::size_t claim_all(pool_shares& shares, pool_share& of) {
    std::size_t claimed = 0;
    while (claimed < 1'000 && shares.claim(of)) ++claimed;
    return claimed;
}

TEST(pool_shares, a_tenant_alone_may_have_all_of_them) {
    pool_shares shares(100);
    pool_share one;
    EXPECT_EQ(claim_all(shares, one), 100u);
}

TEST(pool_shares, a_greedy_tenant_leaves_a_quarter_once_there_is_another) {
    pool_shares shares(100);
    pool_share modest;
    pool_share greedy;
    ASSERT_TRUE(shares.claim(modest));
    EXPECT_EQ(claim_all(shares, greedy), 74u);
    EXPECT_EQ(claim_all(shares, modest), 49u) << "half of them, with the one that it had";
    pool_share late;
    EXPECT_EQ(claim_all(shares, late), 33u) << "and so on: the pool itself says when there is none left";
}

TEST(pool_shares, what_is_released_may_be_claimed_again) {
    pool_shares shares(4);
    pool_share one;
    pool_share other;
    EXPECT_EQ(claim_all(shares, one), 4u);
    EXPECT_TRUE(shares.claim(other));
    EXPECT_FALSE(shares.claim(one));
    for (int i = 0; i < 4; ++i) shares.release(one);
    EXPECT_EQ(one.held, 0u);
    EXPECT_EQ(claim_all(shares, other), 3u) << "it is alone now";
}

TEST(pool_shares, everybody_may_have_one) {
    pool_shares shares(2);
    for (int i = 0; i < 10; ++i) {
        static std::array<pool_share, 10> tenants;
        EXPECT_TRUE(shares.claim(tenants[static_cast<std::size_t>(i)]));
    }
}

}  // namespace
}  // namespace weir
