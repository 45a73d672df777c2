#include "proxy/fallback/observation.hpp"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(observation_test, teaches_what_shows_or_sets_whole_values) {
    EXPECT_TRUE(teaches("get", 2));
    EXPECT_TRUE(teaches("mget", 1'000));
    EXPECT_TRUE(teaches("set", 3));
    EXPECT_TRUE(teaches("set", 7));
    EXPECT_TRUE(teaches("lrange", 4));
    EXPECT_TRUE(teaches("zrange", 5));
    EXPECT_TRUE(teaches("flushdb", 1));
    EXPECT_TRUE(teaches("flushall", 2));
    EXPECT_TRUE(teaches("zrange", 0)) << "some do";
}

TEST(observation_test, teaches_nothing_by_parts_of_values_or_other_commands) {
    EXPECT_FALSE(teaches("zrange", 4)) << "without scores";
    EXPECT_FALSE(teaches("zrange", 7));
    EXPECT_FALSE(teaches("hget", 3));
    EXPECT_FALSE(teaches("incr", 2));
    EXPECT_FALSE(teaches("del", 2));
    EXPECT_FALSE(teaches("", 0));
    EXPECT_FALSE(teaches("zzz", 2));
}

}  // namespace
}  // namespace weir
