#include "protocol/buffer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace weir {
namespace {

/// Bytes that differ from place to place, so that a shifted copy is seen.
std::string pattern(std::size_t size, std::size_t from = 0) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((from + i) * 31 % 251);
    return bytes;
}

TEST(buffer_test, a_new_one_is_empty_and_holds_no_memory) {
    const buffer bytes;
    EXPECT_TRUE(bytes.empty());
    EXPECT_EQ(bytes.size(), 0u);
    EXPECT_EQ(bytes.view(), "");
    EXPECT_EQ(bytes.capacity(), 0u);
}

TEST(buffer_test, appending_nothing_takes_no_memory) {
    buffer bytes;
    bytes.append("");
    EXPECT_EQ(bytes.capacity(), 0u);
}

TEST(buffer_test, gives_back_what_was_appended_behind_what_was_consumed) {
    buffer bytes;
    bytes.append("one");
    bytes.append(std::string_view("\r\n\0", 3));
    bytes.consume(2);
    EXPECT_EQ(bytes.view(), std::string_view("e\r\n\0", 4));
    bytes.append("two");
    EXPECT_EQ(bytes.view(), std::string_view("e\r\n\0two", 7));
}

TEST(buffer_test, commits_only_what_was_written_of_the_prepared_room) {
    buffer bytes;
    std::memcpy(bytes.prepare(100), "abc", 3);
    bytes.commit(3);
    EXPECT_EQ(bytes.view(), "abc");
    EXPECT_GE(bytes.capacity(), 100u);
}

TEST(buffer_test, truncating_the_end_takes_back_the_last_bytes_only) {
    buffer bytes;
    bytes.append("first|second");
    bytes.consume(2);
    bytes.truncate_end(7);
    EXPECT_EQ(bytes.view(), "rst");
    bytes.append("!");
    EXPECT_EQ(bytes.view(), "rst!");
}

TEST(buffer_test, keeps_its_bytes_through_every_mix_of_sizes) {
    for (std::size_t held : {0u, 1u, 100u, 511u, 512u, 513u, 5000u}) {
        for (std::size_t consumed : {0u, 1u, 255u, 256u, 512u, 4999u}) {
            for (std::size_t added : {1u, 300u, 512u, 1024u, 70'000u}) {
                if (consumed > held) continue;
                buffer bytes;
                bytes.append(pattern(held));
                bytes.consume(consumed);
                bytes.append(pattern(added, held));
                ASSERT_EQ(bytes.view(), pattern(held - consumed + added, consumed))
                    << held << ' ' << consumed << ' ' << added;
            }
        }
    }
}

TEST(buffer_test, a_stream_that_is_consumed_as_it_comes_needs_bounded_memory) {
    buffer bytes;
    std::size_t written = 0;
    std::size_t read = 0;
    for (int turn = 0; turn < 5'000; ++turn) {
        bytes.append(pattern(700, written));
        written += 700;
        const std::size_t taken = std::min<std::size_t>(bytes.size(), written - read > 3'000 ? 1'100 : 400);
        ASSERT_EQ(bytes.view().substr(0, taken), pattern(taken, read));
        bytes.consume(taken);
        read += taken;
    }
    EXPECT_LT(bytes.capacity(), 16u * 1024);
}

TEST(buffer_test, consuming_everything_reuses_the_memory_from_its_start) {
    buffer bytes;
    bytes.append(pattern(400));
    const std::size_t held = bytes.capacity();
    for (int i = 0; i < 100; ++i) {
        bytes.consume(bytes.size());
        bytes.append(pattern(400));
    }
    EXPECT_EQ(bytes.capacity(), held);
}

TEST(buffer_test, release_frees_an_empty_buffer_over_the_bytes_to_keep_and_no_other) {
    buffer bytes;
    bytes.append(pattern(2'000));
    bytes.release();
    EXPECT_EQ(bytes.view(), pattern(2'000)) << "readable bytes stay";
    bytes.consume(2'000);
    bytes.release(bytes.capacity());
    EXPECT_GE(bytes.capacity(), 2'000u);
    bytes.release();
    EXPECT_EQ(bytes.capacity(), 0u);
    bytes.append("again");
    EXPECT_EQ(bytes.view(), "again");
}

TEST(buffer_test, clear_drops_the_bytes_and_keeps_the_memory) {
    buffer bytes;
    bytes.append(pattern(2'000));
    const std::size_t held = bytes.capacity();
    bytes.clear();
    EXPECT_TRUE(bytes.empty());
    EXPECT_EQ(bytes.capacity(), held);
}

TEST(buffer_test, moving_hands_over_bytes_and_memory) {
    buffer first;
    first.append("kept");
    buffer second(std::move(first));
    EXPECT_EQ(second.view(), "kept");
    buffer third;
    third.append("old");
    third = std::move(second);
    EXPECT_EQ(third.view(), "kept");
}

}  // namespace
}  // namespace weir
