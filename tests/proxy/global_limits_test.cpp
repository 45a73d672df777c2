#include "proxy/limits/global_limits.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <optional>
#include <thread>

#include "policy/limit_script.hpp"
#include "proxy/limits/limit_clock.hpp"
#include "proxy/upstream/control_client.hpp"
#include "tests/support/redis_server.hpp"

namespace weir {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using counter_pointer = std::shared_ptr<limit_counter>;

/// Some weirs' global_limits, all on one control thread, and the Redis that they share.
class global_limits_test : public testing::Test {
protected:
    global_limits_test() : administrator_(context_.get_executor()) { upstream_.address = {"", 0, folder_ / "redis.sock"}; }

    limit_rule rule(std::uint64_t count, std::chrono::nanoseconds period) {
        return {.scope = limit_scope::global, .count = count, .period = period, .burst = count};
    }
    std::unique_ptr<global_limits> weir(global_limits_timing timing = {.answer = 5s, .farewell = 5s}) {
        return std::make_unique<global_limits>(context_, upstream_, timing);
    }
    static bool take(const counter_pointer& counter, const limit_rule& rule) {
        return counter->take(rule, limit_now(), 1, 1) == 1;
    }

    /// Turns the control thread until it is so; false when it never is.
    template <class Wanted>
    bool until(Wanted wanted, std::chrono::milliseconds patience = 30s) {
        const auto deadline = std::chrono::steady_clock::now() + patience;
        do {
            if (wanted()) return true;
            if (context_.stopped()) context_.restart();
            context_.run_one_for(5ms);
        } while (std::chrono::steady_clock::now() < deadline);
        return false;
    }
    /// Returns when it answers.
    redis_server& start_redis() {
        redis_.emplace(folder_);
        EXPECT_EQ(command({"PING"}).text, "PONG");
        return *redis_;
    }

    template <class Result>
    Result run(asio::awaitable<Result> work) {
        auto result = asio::co_spawn(context_, std::move(work), asio::use_future);
        until([&] { return result.wait_for(0s) == std::future_status::ready; });
        return result.get();
    }
    control_reply command(std::vector<std::string> words) {
        const std::vector<socket_address> addresses{*socket_address::unix_path(folder_ / "redis.sock")};
        const auto deadline = std::chrono::steady_clock::now() + 20s;
        while (!administrator_.is_open() && std::chrono::steady_clock::now() < deadline) {
            if (!run(administrator_.connect(addresses, upstream_, deadline))) continue;
            std::vector<std::string> ping{"PING"};
            if (!run(administrator_.command(std::move(ping), deadline))) continue;
        }
        auto reply = run(administrator_.command(std::move(words), deadline));
        EXPECT_TRUE(reply) << administrator_.failure();
        return reply.value_or(control_reply{});
    }
    /// What Redis could still grant of acme's limit.
    long long left(const limit_rule& rule) {
        std::vector<std::string> words{"EVAL", std::string(limit_script()), "1", limit_key("acme", "calls")};
        append_arguments({.rule = rule}, words);
        const auto reply = command(std::move(words));
        return reply.is_array() ? reply.elements.at(3).integer : -1;
    }

    temporary_folder folder_;
    std::optional<redis_server> redis_;
    upstream_options upstream_;
    asio::io_context context_{1};
    control_client administrator_;
};

TEST_F(global_limits_test, two_weirs_have_one_budget) {
    start_redis();
    const auto one = weir(), two = weir();
    const auto five = rule(5, 1h);
    const counter_pointer counters[] = {one->counter("acme", "calls", five), two->counter("acme", "calls", five)};
    int passed = 0;
    until([&] {
        for (const auto& counter : counters) passed += take(counter, five) ? 1 : 0;
        return counters[0]->standing(five, limit_now()).remaining + counters[1]->standing(five, limit_now()).remaining == 0 &&
               left(five) == 0;
    });
    EXPECT_GE(passed, 5);
    EXPECT_LE(passed, 5 + 2) << "a debt of each";
    EXPECT_GT(one->numbers().exchanges, 0u);
    EXPECT_EQ(one->numbers().failures, 0u);
    EXPECT_FALSE(one->numbers().store_away);
    EXPECT_GT(command({"PTTL", limit_key("acme", "calls")}).integer, 0);
    EXPECT_EQ(command({"DBSIZE"}).integer, 1);
}

TEST_F(global_limits_test, limits_of_other_names_and_tenants_have_budgets_of_their_own) {
    start_redis();
    const auto one = weir();
    const auto once = rule(1, 1h);
    const counter_pointer counters[] = {one->counter("acme", "calls", once), one->counter("acme", "writes", once),
                                        one->counter("other", "calls", once)};
    for (const auto& counter : counters) EXPECT_TRUE(take(counter, once));
    for (const auto& counter : counters) EXPECT_FALSE(take(counter, once));
    EXPECT_TRUE(until([&] { return command({"DBSIZE"}).integer == 3; }));
}

TEST_F(global_limits_test, thousands_of_limits_are_asked_for_in_few_questions) {
    start_redis();
    const auto one = weir();
    const auto ten = rule(10, 1h);
    std::vector<counter_pointer> counters;
    for (int i = 0; i < 2'000; ++i) counters.push_back(one->counter("tenant" + std::to_string(i), "calls", ten));
    EXPECT_TRUE(until([&] { return command({"DBSIZE"}).integer == 2'000; }));
    EXPECT_LT(one->numbers().exchanges, 200u);
}

TEST_F(global_limits_test, a_counter_that_goes_gives_back_what_it_held) {
    start_redis();
    const auto one = weir();
    const auto hour = rule(1'000, 1h);
    auto counter = one->counter("acme", "calls", hour);
    EXPECT_TRUE(take(counter, hour));
    ASSERT_TRUE(until([&] { return one->numbers().exchanges > 0 && left(hour) < 999; })) << "one used, some held";
    counter.reset();
    EXPECT_TRUE(until([&] { return left(hour) == 999; }));
}

TEST_F(global_limits_test, units_that_nobody_uses_go_back) {
    start_redis();
    const auto one = weir();
    const auto hour = rule(1'000, 1h);
    const auto counter = one->counter("acme", "calls", hour);
    ASSERT_TRUE(until([&] { return left(hour) < 1'000; }));
    EXPECT_TRUE(until([&] { return left(hour) == 1'000; }));
}

TEST_F(global_limits_test, stop_gives_everything_back_and_says_when_it_is_done) {
    start_redis();
    auto one = weir();
    const auto hour = rule(1'000, 1h);
    const auto counter = one->counter("acme", "calls", hour);
    EXPECT_TRUE(take(counter, hour));
    ASSERT_TRUE(until([&] { return counter->standing(hour, limit_now()).remaining == 999 && one->numbers().exchanges > 0; }));
    bool done = false;
    one->stop([&] { done = true; });
    EXPECT_TRUE(until([&] { return done; }));
    EXPECT_EQ(left(hour), 999);
    one.reset();
    (void)take(counter, hour);  // it may still be called
}

TEST_F(global_limits_test, stop_does_not_wait_for_a_server_that_says_nothing) {
    redis_server& redis = start_redis();
    const auto one = weir({.answer = 100ms, .farewell = 50ms});
    const auto hour = rule(1'000, 1h);
    const auto counter = one->counter("acme", "calls", hour);
    ASSERT_TRUE(until([&] { return one->numbers().exchanges > 0 && left(hour) < 1'000; }));
    redis.freeze();
    EXPECT_TRUE(take(counter, hour));
    bool done = false;
    one->stop([&] { done = true; });
    EXPECT_TRUE(until([&] { return done; }, 10s));
    redis.thaw();
}

TEST_F(global_limits_test, stop_without_limits_is_done_at_once) {
    const auto one = weir();
    bool done = false;
    one->stop([&] { done = true; });
    EXPECT_TRUE(until([&] { return done; }));
}

TEST_F(global_limits_test, open_goes_on_and_closed_refuses_while_redis_is_away_and_then_both_share_again) {
    redis_server& redis = start_redis();
    const auto one = weir();
    const auto open = rule(5, 1h);
    auto closed = open;
    closed.on_store_down = limit_on_store_down::closed;
    const auto counter = one->counter("acme", "calls", open);
    const auto strict = one->counter("acme", "strict", closed);
    ASSERT_TRUE(until([&] { return one->numbers().exchanges > 0; }));
    redis.kill();
    EXPECT_TRUE(take(counter, open));
    ASSERT_TRUE(until([&] { return (void)take(counter, open), one->numbers().store_away; }));
    EXPECT_GT(one->numbers().failures, 0u);
    int passed = 0;
    while (take(counter, open)) ++passed;
    EXPECT_LE(passed, 5);
    EXPECT_FALSE(take(strict, closed));
    EXPECT_TRUE(strict->refusal(closed, limit_now(), 1).store_down);
    redis.start();
    administrator_.close();
    ASSERT_TRUE(until([&] { return !one->numbers().store_away; }));
    EXPECT_TRUE(until([&] { return take(strict, closed); }));
    EXPECT_TRUE(until([&] { return take(counter, open); })) << "the new server has counted nothing yet";
    EXPECT_TRUE(until([&] { return left(open) < 5; }));
}

TEST_F(global_limits_test, a_server_that_says_nothing_is_away) {
    redis_server& redis = start_redis();
    const auto one = weir({.answer = 200ms});
    const auto hour = rule(10, 1h);
    const auto counter = one->counter("acme", "calls", hour);
    ASSERT_TRUE(until([&] { return one->numbers().exchanges > 0; }));
    redis.freeze();
    ASSERT_TRUE(until([&] { return (void)take(counter, hour), one->numbers().store_away; }));
    redis.thaw();
    EXPECT_TRUE(until([&] { return !one->numbers().store_away; }));
}

TEST_F(global_limits_test, a_server_that_is_not_there_at_first_is_found_later) {
    const auto one = weir();
    const auto hour = rule(10, 1h);
    const auto counter = one->counter("acme", "calls", hour);
    ASSERT_TRUE(until([&] { return one->numbers().store_away; }));
    EXPECT_TRUE(take(counter, hour));
    start_redis();
    EXPECT_TRUE(until([&] { return !one->numbers().store_away; }));
}

TEST_F(global_limits_test, a_connection_that_the_server_closed_meanwhile_is_made_anew_and_nobody_notices) {
    start_redis();
    const auto one = weir();
    const auto hour = rule(10, 1h);
    const auto counter = one->counter("acme", "calls", hour);
    ASSERT_TRUE(until([&] { return one->numbers().exchanges > 0 && left(hour) == 10; }));
    for (int turn = 1; turn <= 3; ++turn) {
        command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
        EXPECT_TRUE(take(counter, hour));
        bool was_away = false;
        EXPECT_TRUE(until([&] { return was_away |= one->numbers().store_away, left(hour) <= 10 - turn; }));
        EXPECT_FALSE(was_away);
    }
}

TEST_F(global_limits_test, a_server_that_forgot_the_script_gets_it_again) {
    start_redis();
    const auto one = weir();
    const auto hour = rule(10, 1h);
    const auto counter = one->counter("acme", "calls", hour);
    ASSERT_TRUE(until([&] { return one->numbers().exchanges > 0 && left(hour) == 10; }));
    command({"SCRIPT", "FLUSH"});
    EXPECT_TRUE(take(counter, hour));
    EXPECT_TRUE(until([&] { return left(hour) <= 9; }));
    EXPECT_EQ(one->numbers().failures, 0u);
}

TEST_F(global_limits_test, a_server_that_refuses_to_count_is_away) {
    start_redis();
    const auto one = weir();
    const auto hour = rule(10, 1h);
    const auto counter = one->counter("acme", "calls", hour);
    ASSERT_TRUE(until([&] { return one->numbers().exchanges > 0 && left(hour) == 10; }));
    command({"CONFIG", "SET", "maxmemory", "1"});
    ASSERT_TRUE(until([&] { return (void)take(counter, hour), one->numbers().store_away; }));
    command({"CONFIG", "SET", "maxmemory", "0"});
    EXPECT_TRUE(until([&] { return !one->numbers().store_away; }));
}

TEST_F(global_limits_test, workers_on_other_threads_take_from_one_share) {
    start_redis();
    const auto one = weir();
    const auto hour = rule(2'000, 1h);
    const auto counter = one->counter("acme", "calls", hour);
    std::atomic<int> passed{0};
    std::atomic<int> running{3};
    std::vector<std::jthread> workers;
    for (int i = 0; i < 3; ++i) {
        workers.emplace_back([&] {
            const auto deadline = std::chrono::steady_clock::now() + 20s;
            while (passed < 1'500 && std::chrono::steady_clock::now() < deadline) {
                if (take(counter, hour)) ++passed;
                else std::this_thread::yield();
            }
            --running;
        });
    }
    EXPECT_TRUE(until([&] { return running == 0; }));
    EXPECT_GE(passed, 1'500);
    EXPECT_TRUE(until([&] { return left(hour) == 2'000 - passed; })) << left(hour) << " " << passed;
}

}  // namespace
}  // namespace weir
