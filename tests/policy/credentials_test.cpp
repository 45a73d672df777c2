#include "policy/credentials.hpp"

#include <gtest/gtest.h>

#include <ctime>
#include <thread>
#include <vector>

namespace weir {
namespace {

using namespace std::chrono_literals;
using tenants = std::map<std::string, tenant_options>;

const std::string secret(32, 's');
const std::chrono::steady_clock::time_point start{};
constexpr scrypt_cost cheap{4, 8, 1};

password_hash fast(std::string_view password) {
    return sha256_password_hash(password);
}
password_hash slow(std::string_view password, const scrypt_cost& cost = cheap) {
    return scrypt_password_hash(password, "0123456789abcdef", cost);
}

tenant_options with(std::vector<password_hash> passwords, std::vector<std::string> users = {}) {
    tenant_options options;
    options.passwords = std::move(passwords);
    options.users = std::move(users);
    return options;
}

/// Who it is in the end, however long it takes.
std::optional<std::string> who(const credential_table& table, std::string_view user,
                               std::string_view password) {
    const auto check = table.begin(user, password, start);
    EXPECT_FALSE(check.tenant && check.slow) << "an answer, or a check that is still to come";
    return check.slow ? check.slow->run() : check.tenant;
}

bool is_slow(const credential_table& table, std::string_view user, std::string_view password) {
    return table.begin(user, password, start).slow != nullptr;
}

TEST(credentials, a_user_with_its_password_is_its_tenant) {
    const credential_table table({{"a", with({fast("pa")})}, {"b", with({slow("pb")})}}, secret);
    EXPECT_EQ(who(table, "a", "pa"), "a");
    EXPECT_EQ(who(table, "b", "pb"), "b");
}

TEST(credentials, a_wrong_password_and_an_unknown_user_are_nobody) {
    const credential_table table({{"a", with({fast("pa")})}, {"b", with({slow("pb")})}}, secret);
    for (const std::string user : {"a", "b", "c", "", "A", "default"})
        for (const std::string password : {"", "x", "p", "paa"})
            EXPECT_EQ(who(table, user, password), std::nullopt);
    EXPECT_EQ(who(table, "a", "pb"), std::nullopt) << "the password of another";
    EXPECT_EQ(who(table, "b", "pa"), std::nullopt);
}

TEST(credentials, a_name_that_a_tenant_does_not_list_is_not_its_user) {
    const credential_table table({{"a", with({fast("p")}, {"x", "y"})}}, secret);
    EXPECT_EQ(who(table, "x", "p"), "a");
    EXPECT_EQ(who(table, "y", "p"), "a");
    EXPECT_EQ(who(table, "a", "p"), std::nullopt) << "its own name counts only without a list";
}

TEST(credentials, each_of_several_passwords_is_good) {
    const credential_table table({{"a", with({fast("1"), slow("2"), fast("3"), slow("4")})}}, secret);
    for (const std::string password : {"1", "2", "3", "4"})
        EXPECT_EQ(who(table, "a", password), "a") << password;
    EXPECT_EQ(who(table, "a", "5"), std::nullopt);
}

TEST(credentials, tenants_without_passwords_keep_their_place_but_are_nobodys) {
    const credential_table table({{"a", with({})}, {"b", with({fast("p")})}, {"c", with({}, {"u"})}}, secret);
    EXPECT_EQ(who(table, "b", "p"), "b");
    EXPECT_EQ(who(table, "a", ""), std::nullopt);
    EXPECT_EQ(who(table, "u", ""), std::nullopt);
    EXPECT_EQ(who(table, "a", "p"), std::nullopt);
}

TEST(credentials, a_password_alone_is_the_tenant_who_has_its_sha256) {
    tenants many;
    for (int i = 0; i < 5'000; ++i)
        many["t" + std::to_string(10'000 + i)] = with({fast("p" + std::to_string(i))});
    const credential_table table(many, secret);
    for (const int i : {0, 1, 2'500, 4'999}) {
        EXPECT_EQ(table.begin("p" + std::to_string(i), start).tenant, "t" + std::to_string(10'000 + i));
        EXPECT_EQ(table.begin("default", "p" + std::to_string(i), start).tenant, "t" + std::to_string(10'000 + i));
    }
    EXPECT_EQ(who(table, "default", "p5000"), std::nullopt);
    EXPECT_FALSE(is_slow(table, "default", "p5000"));
}

TEST(credentials, a_password_alone_is_not_looked_for_among_scrypt_hashes) {
    const credential_table table({{"a", with({slow("p")})}}, secret);
    EXPECT_EQ(who(table, "default", "p"), std::nullopt);
    EXPECT_FALSE(is_slow(table, "default", "p")) << "there is no user whose existence it could show";
}

TEST(credentials, a_tenant_may_have_default_among_its_users) {
    const credential_table table({{"a", with({slow("pa")}, {"default", "x"})}, {"b", with({fast("pb")})}},
                                 secret);
    EXPECT_EQ(who(table, "default", "pa"), "a");
    EXPECT_EQ(who(table, "default", "pb"), "b") << "a password alone still is whose sha256 it has";
    EXPECT_EQ(who(table, "x", "pa"), "a");
    EXPECT_EQ(who(table, "x", "pb"), std::nullopt);
    EXPECT_EQ(who(table, "default", "pc"), std::nullopt);
}

TEST(credentials, only_sha256_is_never_slow) {
    const credential_table table({{"a", with({fast("p")})}}, secret);
    for (const std::string user : {"a", "b", "default"})
        for (const std::string password : {"p", "q"}) EXPECT_FALSE(is_slow(table, user, password));
}

TEST(credentials, where_one_check_is_slow_all_that_fail_are) {
    const credential_table table({{"a", with({slow("pa")})}, {"b", with({fast("pb")})}}, secret);
    EXPECT_TRUE(is_slow(table, "a", "x"));
    EXPECT_TRUE(is_slow(table, "b", "x")) << "a user that has nothing slow";
    EXPECT_TRUE(is_slow(table, "c", "x")) << "a user that does not exist";
    EXPECT_FALSE(is_slow(table, "b", "pb")) << "who knows the password may know that it is checked fast";
}

double cpu_seconds_of_failing(const credential_table& table, const std::string& user) {
    const auto check = table.begin(user, "wrong", start);
    const auto now = [] {
        timespec time{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
    };
    const double began = now();
    EXPECT_EQ(check.slow->run(), std::nullopt);
    return now() - began;
}

TEST(credentials, failing_costs_the_same_for_every_user) {
    const scrypt_cost dear{12, 8, 1};
    const credential_table table({{"one", with({slow("1", dear)})},
                                  {"three", with({slow("1", dear), slow("2", dear), slow("3", dear)})},
                                  {"fast", with({fast("1")})}},
                                 secret);
    const double three = cpu_seconds_of_failing(table, "three");
    for (const std::string user : {"one", "fast", "nobody"}) {
        const double other = cpu_seconds_of_failing(table, user);
        EXPECT_GT(other, three * 0.6) << user;
        EXPECT_LT(other, three * 1.7) << user;
    }
}

TEST(credentials, a_verified_password_is_not_slow_again_for_ten_minutes) {
    const credential_table table({{"a", with({slow("p")})}}, secret);
    EXPECT_EQ(table.begin("a", "p", start).slow->run(), "a");
    EXPECT_EQ(table.begin("a", "p", start + 599s).tenant, "a");
    EXPECT_TRUE(table.begin("a", "p", start + 600s).slow);
    EXPECT_TRUE(table.begin("a", "q", start).slow) << "another password";
    EXPECT_TRUE(table.begin("b", "p", start).slow) << "another user";
}

TEST(credentials, a_wrong_password_is_not_remembered) {
    const credential_table table({{"a", with({slow("p")})}}, secret);
    EXPECT_EQ(table.begin("a", "q", start).slow->run(), std::nullopt);
    EXPECT_TRUE(table.begin("a", "q", start).slow);
}

TEST(credentials, of_checks_that_wait_together_the_first_does_the_work) {
    const scrypt_cost dear{14, 8, 1};
    const credential_table table({{"a", with({slow("p", dear)})}}, secret);
    std::vector<credential_check> waiting;
    for (int i = 0; i < 500; ++i) waiting.push_back(table.begin("a", "p", start));
    // 500 of them would take half a minute.
    const auto began = std::chrono::steady_clock::now();
    for (const auto& check : waiting) EXPECT_EQ(check.slow->run(), "a");
    EXPECT_LT(std::chrono::steady_clock::now() - began, 10s);
}

TEST(credentials, a_slow_check_outlives_its_table) {
    auto check = [] {
        const credential_table table({{"a", with({slow("p")})}}, secret);
        return table.begin("a", "p", start);
    }();
    EXPECT_EQ(check.slow->run(), "a");
}

TEST(credentials, slow_checks_run_beside_each_other) {
    const credential_table table({{"a", with({slow("pa")})}, {"b", with({slow("pb")})}}, secret);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&table] {
            for (int round = 0; round < 20; ++round) {
                EXPECT_EQ(who(table, "a", "pa"), "a");
                EXPECT_EQ(who(table, "b", "pb"), "b");
                EXPECT_EQ(who(table, "a", "pb"), std::nullopt);
            }
        });
    for (auto& thread : threads) thread.join();
}

TEST(credentials, a_huge_password_is_wrong_without_being_looked_at) {
    const std::string huge(65 << 10, 'x');
    const credential_table table({{"a", with({fast(huge), slow(huge)})}}, secret);
    EXPECT_EQ(who(table, "a", huge), std::nullopt);
    EXPECT_FALSE(is_slow(table, "a", huge));
    EXPECT_FALSE(is_slow(table, huge, "p"));
}

TEST(credentials, any_bytes_are_a_password) {
    const std::string bytes("\0\xff\r\n ", 5);
    const credential_table table({{"a", with({fast(bytes)})}, {"b", with({slow(bytes)})}}, secret);
    EXPECT_EQ(who(table, "a", bytes), "a");
    EXPECT_EQ(who(table, "b", bytes), "b");
    EXPECT_EQ(who(table, "b", bytes.substr(1)), std::nullopt);
}

TEST(credentials, an_empty_table_lets_nobody_in) {
    const credential_table table({}, secret);
    EXPECT_EQ(who(table, "default", ""), std::nullopt);
    EXPECT_EQ(who(table, "", ""), std::nullopt);
}

}  // namespace
}  // namespace weir
