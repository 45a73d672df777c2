#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <utility>

#include "proxy/event_loop.hpp"

namespace weir {
namespace {

bool is_open(int descriptor) {
    return ::fcntl(descriptor, F_GETFD) >= 0;
}

TEST(file_descriptor_test, closes_what_it_owns_and_nothing_it_gave_away) {
    int kept = -1;
    int closed = -1;
    {
        file_descriptor first(::dup(STDERR_FILENO));
        file_descriptor second(::dup(STDERR_FILENO));
        kept = first.get();
        closed = second.get();
        EXPECT_EQ(first.release(), kept);
        EXPECT_FALSE(first);
    }
    EXPECT_TRUE(is_open(kept));
    EXPECT_FALSE(is_open(closed));
    ::close(kept);
}

TEST(file_descriptor_test, moving_hands_the_descriptor_over_and_closes_the_old_one) {
    file_descriptor first(::dup(STDERR_FILENO));
    file_descriptor second(::dup(STDERR_FILENO));
    const int moved = first.get();
    const int replaced = second.get();
    second = std::move(first);
    EXPECT_EQ(second.get(), moved);
    EXPECT_FALSE(is_open(replaced));
    const file_descriptor third(std::move(second));
    EXPECT_EQ(third.get(), moved);
    EXPECT_TRUE(is_open(moved));
}

}  // namespace
}  // namespace weir
