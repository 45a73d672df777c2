#include "proxy/fallback/engine/score_index.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace weir::engine {
namespace {

using model = std::set<std::pair<double, std::string>>;

void expect_equal(const score_index& tested, const model& expected) {
    ASSERT_EQ(tested.size(), expected.size());
    auto at = tested.at_rank(0);
    std::size_t rank = 0;
    for (const auto& [score, member] : expected) {
        ASSERT_EQ(tested[at].member, member);
        ASSERT_EQ(tested[at].score, score);
        ASSERT_EQ(tested.rank(at), rank);
        ASSERT_EQ(tested.at_rank(rank), at);
        if (rank > 0) {
            ASSERT_EQ(tested.next(tested.previous(at)), at);
        }
        at = tested.next(at);
        ++rank;
    }
    ASSERT_EQ(tested.rank(at), tested.size());
}

TEST(score_index_test, stands_in_the_order_of_scores_then_of_bytes_through_any_changes) {
    std::mt19937 random(3);
    score_index tested;
    model expected;
    for (int step = 0; step < 6'000; ++step) {
        // Grows over many chunks, then shrinks to nothing.
        const bool grows = step < 3'000;
        if (grows || expected.empty()) {
            const std::pair<double, std::string> each(random() % 20, std::to_string(random() % 1'000));
            if (expected.insert(each).second) tested.insert(each.first, each.second);
        } else {
            const auto victim = std::next(expected.begin(), static_cast<long>(random() % expected.size()));
            tested.erase(victim->first, victim->second);
            expected.erase(victim);
        }
        if (step % 500 == 0) expect_equal(tested, expected);
    }
    expect_equal(tested, expected);
}

TEST(score_index_test, finds_where_a_score_begins) {
    score_index tested;
    for (int i = 0; i < 1'000; ++i) tested.insert(i / 10, "m" + std::to_string(i % 10));
    EXPECT_EQ(tested.rank(tested.lower_bound(50, "")), 500u);
    EXPECT_EQ(tested.rank(tested.lower_bound(50, "m3")), 503u);
    EXPECT_EQ(tested.rank(tested.lower_bound(1'000, "")), 1'000u);
    EXPECT_EQ(tested.rank(tested.partition_point([](const scored_member& each) { return each.score <= 50; })), 510u);
}

}  // namespace
}  // namespace weir::engine
