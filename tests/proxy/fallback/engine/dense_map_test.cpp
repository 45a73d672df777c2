#include "proxy/fallback/engine/dense_map.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace weir::engine {
namespace {

using numbers = dense_map<int>;

TEST(dense_map_test, holds_what_a_plain_map_would_through_any_changes) {
    std::mt19937 random(7);
    numbers tested;
    std::map<std::string, int> model;
    for (int step = 0; step < 20'000; ++step) {
        const std::string key = std::to_string(random() % 300);
        const std::size_t place = tested.find(key);
        ASSERT_EQ(place != numbers::none, model.contains(key));
        if (place == numbers::none) {
            tested.insert(key, step);
            model[key] = step;
        } else if (random() % 2 == 0) {
            random() % 4 == 0 ? tested.ordered_erase(place) : tested.swap_erase(place);
            model.erase(key);
        } else {
            ASSERT_EQ(tested[place].mapped, model[key]);
        }
        ASSERT_EQ(tested.size(), model.size());
    }
    for (const auto& [key, value] : model) ASSERT_EQ(tested[tested.find(key)].mapped, value);
}

TEST(dense_map_test, keeps_the_order_of_insertion_when_erased_in_order) {
    numbers tested;
    for (int i = 0; i < 40; ++i) tested.insert(std::to_string(i), i);
    tested.ordered_erase(tested.find("7"));
    tested.ordered_erase(tested.find("0"));
    int expected = 0;
    for (const auto& each : tested.items()) {
        if (expected == 0 || expected == 7) ++expected;
        EXPECT_EQ(each.mapped, expected++);
    }
    EXPECT_EQ(expected, 40);
    EXPECT_EQ(tested[tested.find("39")].mapped, 39);
}

TEST(dense_map_test, walking_down_meets_whatever_was_there_all_the_time) {
    std::mt19937 random(11);
    for (int round = 0; round < 200; ++round) {
        numbers tested;
        std::set<std::string> stayed;
        for (int i = 0; i < 100; ++i) {
            tested.insert(std::to_string(i), i);
            stayed.insert(std::to_string(i));
        }
        std::set<std::string> met;
        for (std::size_t at = tested.size(); at > 0;) {
            const std::size_t end = std::min(at, tested.size());
            const std::size_t begin = end - std::min<std::size_t>(end, 5);
            for (std::size_t place = begin; place < end; ++place) met.insert(tested[place].key);
            at = begin;
            for (int change = 0; change < 3 && !tested.empty(); ++change) {
                const std::size_t victim = random() % tested.size();
                stayed.erase(tested[victim].key);
                tested.swap_erase(victim);
            }
            tested.insert("new" + std::to_string(at), 0);
        }
        for (const auto& key : stayed) ASSERT_TRUE(met.contains(key)) << key;
    }
}

TEST(dense_map_test, gives_memory_back_when_most_of_it_is_erased) {
    numbers tested;
    for (int i = 0; i < 10'000; ++i) tested.insert(std::to_string(i), i);
    for (int i = 0; i < 9'990; ++i) tested.swap_erase(tested.find(std::to_string(i)));
    EXPECT_LE(tested.items().capacity(), 100u);
    for (int i = 9'990; i < 10'000; ++i) EXPECT_EQ(tested[tested.find(std::to_string(i))].mapped, i);
    for (int i = 0; i < 1'000; ++i) tested.insert(std::to_string(i), i);
    for (int i = 0; i < 1'000; ++i) EXPECT_EQ(tested[tested.find(std::to_string(i))].mapped, i);
}

}  // namespace
}  // namespace weir::engine
