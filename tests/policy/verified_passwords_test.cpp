#include "policy/verified_passwords.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace weir {
namespace {

using namespace std::chrono_literals;

const std::string secret(32, 's');
const verified_passwords::time_point start{};

TEST(verified_passwords, finds_what_was_remembered_for_as_long_as_it_lives) {
    verified_passwords known(secret, 10, 10s);
    EXPECT_EQ(known.find("u", "p", start), std::nullopt);
    known.remember("u", "p", 7, start);
    EXPECT_EQ(known.find("u", "p", start), 7u);
    EXPECT_EQ(known.find("u", "p", start + 9'999ms), 7u);
    EXPECT_EQ(known.find("u", "p", start + 10s), std::nullopt);
}

TEST(verified_passwords, user_and_password_have_to_be_the_same_to_the_byte) {
    verified_passwords known(secret, 10, 10s);
    known.remember("user", "password", 7, start);
    EXPECT_EQ(known.find("user", "passwor", start), std::nullopt);
    EXPECT_EQ(known.find("use", "rpassword", start), std::nullopt);
    EXPECT_EQ(known.find("userp", "assword", start), std::nullopt);
    EXPECT_EQ(known.find("user", std::string("password\0", 9), start), std::nullopt);
}

TEST(verified_passwords, what_is_remembered_again_lives_no_longer) {
    verified_passwords known(secret, 10, 10s);
    known.remember("u", "p", 7, start);
    known.remember("u", "p", 7, start + 5s);
    EXPECT_EQ(known.size(), 1u);
    EXPECT_EQ(known.find("u", "p", start + 10s), std::nullopt);
    known.remember("u", "p", 8, start + 11s);
    EXPECT_EQ(known.find("u", "p", start + 12s), 8u) << "it was verified anew";
}

TEST(verified_passwords, the_oldest_go_when_there_are_too_many) {
    verified_passwords known(secret, 3, 10s);
    for (int i = 0; i < 5; ++i) known.remember("u" + std::to_string(i), "p", 1, start + i * 1ms);
    EXPECT_EQ(known.size(), 3u);
    EXPECT_EQ(known.find("u1", "p", start), std::nullopt);
    EXPECT_EQ(known.find("u2", "p", start), 1u);
    EXPECT_EQ(known.find("u4", "p", start), 1u);
}

TEST(verified_passwords, what_is_over_is_forgotten_when_the_next_comes) {
    verified_passwords known(secret, 100, 10s);
    for (int i = 0; i < 50; ++i) known.remember("u" + std::to_string(i), "p", 1, start);
    known.remember("new", "p", 1, start + 10s);
    EXPECT_EQ(known.size(), 1u);
}

TEST(verified_passwords, threads_may_use_it_at_once) {
    verified_passwords known(secret, 16, 10s);
    std::vector<std::thread> threads;
    for (std::size_t thread = 0; thread < 4; ++thread)
        threads.emplace_back([&known, thread] {
            for (int i = 0; i < 200; ++i) {
                const std::string user = "u" + std::to_string(i % 20);
                known.remember(user, "p", thread, start + i * 1ms);
                static_cast<void>(known.find(user, "p", start));
            }
        });
    for (auto& thread : threads) thread.join();
    EXPECT_LE(known.size(), 16u);
}

}  // namespace
}  // namespace weir
