#include "policy/suggest.hpp"

#include <gtest/gtest.h>

namespace weir {
namespace {

constexpr std::string_view names[] = {"workers", "drain_timeout", "password_file", "log", "url"};

TEST(nearest, a_slip_of_the_pen_finds_the_name) {
    EXPECT_EQ(nearest("worker", names), "workers");
    EXPECT_EQ(nearest("drain_timout", names), "drain_timeout");
    EXPECT_EQ(nearest("logs", names), "log");
    EXPECT_EQ(nearest("password", names), "password_file");
}

TEST(nearest, what_is_far_from_all_finds_nothing) {
    EXPECT_EQ(nearest("listeners", names), "");
    EXPECT_EQ(nearest("", names), "");
    EXPECT_EQ(nearest("x", names), "");
    EXPECT_EQ(nearest(std::string(100'000, 'w'), names), "");
    EXPECT_EQ(nearest("workers", {}), "");
}

}  // namespace
}  // namespace weir
