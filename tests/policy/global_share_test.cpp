#include "policy/global_share.hpp"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/share_simulation.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using testing::Combine;
using testing::Values;

constexpr std::int64_t second = 1'000'000;

limit_rule rule_of(limit_algorithm algorithm, std::uint64_t count, std::chrono::nanoseconds period, std::uint64_t burst = 0) {
    return {.algorithm = algorithm,
            .scope = limit_scope::global,
            .count = count,
            .period = period,
            .burst = burst != 0 ? burst : count};
}
limit_rule gcra(std::uint64_t count, std::chrono::nanoseconds period, std::uint64_t burst = 0) {
    return rule_of(limit_algorithm::gcra, count, period, burst);
}

// Decisions

TEST(share_bounds_test, small_limits_are_shared_unit_by_unit) {
    for (const std::uint64_t count : {1, 3, 5, 19}) {
        const auto bounds = share_bounds_of(gcra(count, 60s), 1);
        EXPECT_EQ(bounds.share, 1u) << count;
        EXPECT_EQ(bounds.debt, 1u) << count;
    }
}

TEST(share_bounds_test, large_limits_are_shared_in_parts_that_a_burst_bounds) {
    EXPECT_EQ(share_bounds_of(gcra(1'000, 1s), 1).share, 100u);
    EXPECT_EQ(share_bounds_of(gcra(1'000, 1s), 1).debt, 50u);
    EXPECT_EQ(share_bounds_of(gcra(1'000, 1s, 100), 1).share, 10u);
    EXPECT_EQ(share_bounds_of(gcra(1'000, 1s, 100), 1).debt, 5u);
    EXPECT_EQ(share_bounds_of(gcra(100, 1s, 10'000), 1).debt, 5u) << "what takes the longest to come back counts";
}

TEST(share_bounds_test, one_call_fits_whatever_it_costs) {
    EXPECT_EQ(share_bounds_of(gcra(100, 1s), 40).share, 40u);
    EXPECT_EQ(share_bounds_of(gcra(100, 1s), 40).debt, 40u);
    EXPECT_EQ(share_bounds_of(gcra(100, 1s), 1'000).debt, 100u) << "but never more than there is";
}

TEST(share_bounds_test, looks_for_unused_units_forty_times_a_period_within_reason) {
    EXPECT_EQ(share_bounds_of(gcra(100, 1s), 1).look_again, 25ms);
    EXPECT_EQ(share_bounds_of(gcra(100, 10ms), 1).look_again, 10ms);
    EXPECT_EQ(share_bounds_of(gcra(100, 1h), 1).look_again, 250ms);
}

TEST(wanted_share_test, follows_what_is_used) {
    const share_bounds bounds{.share = 100, .debt = 10, .look_again = 40ms};
    EXPECT_EQ(wanted_share(bounds, {0, 0}, {}), 25u) << "nothing is known yet";
    EXPECT_EQ(wanted_share({.share = 1, .debt = 1, .look_again = 40ms}, {0, 0}, {}), 0u);
    EXPECT_EQ(wanted_share({.share = 1, .debt = 1, .look_again = 40ms}, {0, 7}, {}), 1u);
    EXPECT_EQ(wanted_share(bounds, {0, 0}, 40ms), 0u);
    EXPECT_EQ(wanted_share(bounds, {20, 0}, 40ms), 20u);
    EXPECT_EQ(wanted_share(bounds, {20, 0}, 20ms), 40u);
    EXPECT_EQ(wanted_share(bounds, {20, 0}, 1us), 80u) << "a moment tells little";
    EXPECT_EQ(wanted_share(bounds, {20, 0}, 10s), 1u);
    EXPECT_EQ(wanted_share(bounds, {1, 60}, 40ms), 60u) << "what was refused would have been used";
    EXPECT_EQ(wanted_share(bounds, {50'000'000'000'000, 60}, 40ms), 100u);
}

// One share, question and answer by hand

class global_share_test : public testing::Test {
protected:
    void make(const limit_rule& rule, std::uint64_t largest_cost = 1) {
        rule_ = rule;
        auto alone = std::make_unique<counted_alone>();
        alone_ = alone.get();
        share_ = std::make_unique<global_share>(rule, largest_cost, std::move(alone), away_, [this] { ++wanted_; });
    }
    bool take(std::uint64_t cost = 1) { return share_->take(rule_, now_, cost, cost) == cost; }
    int take_all() {
        int count = 0;
        while (take()) ++count;
        return count;
    }
    /// A round trip that takes no time; false when there was nothing to say.
    bool exchange() {
        const auto request = share_->next_request(now_);
        if (!request) return false;
        share_->answered(*request, redis_.call(*request, microseconds()), now_, now_);
        return true;
    }
    /// Time passes, and every question goes out when it is due.
    void pass(limit_time time) {
        const auto end = now_ + time;
        for (; share_->due() <= end; exchange()) now_ = std::max(now_, share_->due());
        now_ = end;
    }
    /// As another process would.
    std::uint64_t others_take(std::uint64_t units) {
        return redis_.call({.rule = rule_, .least = units, .most = units}, microseconds()).granted;
    }
    [[nodiscard]] std::uint64_t left_in_redis() { return redis_.call({.rule = rule_}, microseconds()).remaining; }
    [[nodiscard]] std::int64_t microseconds() const { return now_.count() / 1'000; }

    limit_time now_ = 1'700'000'000s;
    limit_rule rule_;
    limit_script_model redis_;
    std::shared_ptr<std::atomic<bool>> away_ = std::make_shared<std::atomic<bool>>(false);
    std::unique_ptr<global_share> share_;
    counted_alone* alone_ = nullptr;
    int wanted_ = 0;
};

TEST_F(global_share_test, first_call_passes_before_redis_was_asked_and_is_charged_then) {
    make(gcra(3, 60s));
    EXPECT_TRUE(take());
    EXPECT_FALSE(take()) << "only one debt at a time";
    const auto why = share_->refusal(rule_, now_, 1);
    EXPECT_TRUE(why.asked);
    EXPECT_FALSE(why.store_down);
    EXPECT_LE(*why.retry_after, 5ms);
    ASSERT_TRUE(exchange());
    EXPECT_EQ(left_in_redis(), 1u) << "one is charged, one is ours";
    EXPECT_EQ(share_->standing(rule_, now_).remaining, 2u);
}

TEST_F(global_share_test, every_unit_of_a_small_limit_passes_and_not_one_more) {
    make(gcra(5, 60s));
    int passed = 0;
    for (int call = 0; call < 50; ++call) {
        passed += take() ? 1 : 0;
        exchange();
        now_ += 1ms;
    }
    EXPECT_EQ(passed, 5);
    const auto why = share_->refusal(rule_, now_, 1);
    EXPECT_FALSE(why.asked);
    EXPECT_EQ(why.standing.remaining, 0u);
    EXPECT_GT(*why.retry_after, 11s);
    EXPECT_LE(*why.retry_after, 12s + 5ms);
}

TEST_F(global_share_test, retry_time_is_when_a_call_passes) {
    make(gcra(5, 60s));
    for (int call = 0; call < 20; ++call) take(), exchange();
    const auto retry = *share_->refusal(rule_, now_, 1).retry_after;
    now_ += retry - 5ms;
    EXPECT_FALSE(take());
    now_ += 4ms;
    exchange();  // that somebody waits is known, so it is due by itself
    now_ += 1ms;
    EXPECT_TRUE(take());
}

TEST_F(global_share_test, asks_no_more_while_redis_has_nothing) {
    make(gcra(5, 60s));
    for (int call = 0; call < 20; ++call) take(), exchange();
    wanted_ = 0;
    for (int call = 0; call < 1'000; ++call) {
        EXPECT_FALSE(take());
        EXPECT_FALSE(exchange());
        now_ += 10ms;
    }
    EXPECT_EQ(wanted_, 0);
    EXPECT_GT(share_->due() - now_, 1s);
    EXPECT_LE(share_->due() - now_, 2s);
}

TEST_F(global_share_test, is_asked_for_once_until_the_question_goes_out) {
    make(gcra(1'000, 1s));
    exchange();
    wanted_ = 0;
    take_all();
    EXPECT_EQ(wanted_, 1);
    exchange();
    take_all();
    EXPECT_EQ(wanted_, 2);
}

TEST_F(global_share_test, fills_up_before_it_is_empty) {
    make(gcra(1'000, 1s));
    exchange();
    const auto whole = 1'000 - left_in_redis();
    while (wanted_ == 0) ASSERT_TRUE(take());
    const auto left = share_->standing(rule_, now_).remaining - left_in_redis();
    EXPECT_EQ(left, whole / 2);
}

TEST_F(global_share_test, grows_with_use_and_ends_when_it_is_not_used) {
    make(gcra(1'000, 1s));
    exchange();
    const auto start = 1'000 - left_in_redis();
    take_all();
    exchange();
    EXPECT_GT(take_all(), static_cast<int>(start));
    pass(1s);
    EXPECT_EQ(left_in_redis(), 1'000u);
}

TEST_F(global_share_test, unused_units_go_back_after_two_looks) {
    make(gcra(100, 1s, 100));
    exchange();
    take(), take(), take();
    exchange();
    pass(50ms);
    EXPECT_EQ(left_in_redis(), 100u) << "50 ms are worth five units, three were used";
    EXPECT_EQ(share_->due(), limit_time::max());
    EXPECT_FALSE(exchange()) << "and then nothing is said any more";
}

TEST_F(global_share_test, units_of_a_lease_that_ended_do_not_pass) {
    make(gcra(1'000, 1s));
    exchange();
    exchange();
    const auto held = 1'000 - left_in_redis();
    ASSERT_GT(held, 0u);
    now_ += 1s;
    EXPECT_EQ(take_all(), 50) << "the debt alone";
}

TEST_F(global_share_test, units_of_a_window_that_ended_do_not_pass) {
    now_ = 1'700'000'000s + 990ms;
    make(rule_of(limit_algorithm::fixed_window, 1'000, 1s));
    exchange();
    ASSERT_GT(1'000 - left_in_redis(), 0u);
    now_ += 10ms;
    EXPECT_EQ(take_all(), 50) << "the debt alone";
}

TEST_F(global_share_test, what_a_call_costs_is_taken_whole_or_not_at_all) {
    make(gcra(100, 1s), 30);
    int passed = 0;
    for (int call = 0; call < 20; ++call) {
        passed += take(30) ? 1 : 0;
        exchange();
    }
    EXPECT_EQ(passed, 3);
    const auto why = share_->refusal(rule_, now_, 30);
    EXPECT_LT(why.standing.remaining, 30u);
    EXPECT_NEAR(std::chrono::duration<double>(*why.retry_after).count(), 0.2, 0.02);
}

TEST_F(global_share_test, what_costs_more_than_there_can_be_never_passes) {
    make(gcra(100, 1s, 20));
    EXPECT_FALSE(take(21));
    EXPECT_EQ(share_->refusal(rule_, now_, 21).retry_after, std::nullopt);
    EXPECT_EQ(wanted_, 0);
}

TEST_F(global_share_test, a_call_that_costs_more_than_expected_passes_when_it_comes_again_long_after) {
    make(gcra(100, 1h));
    exchange();
    EXPECT_FALSE(take(50));
    exchange();
    pass(10min);
    EXPECT_TRUE(take(50)) << "that calls may cost so much is known now";
}

TEST_F(global_share_test, given_back_units_pass_again) {
    make(gcra(100, 1s));
    exchange();
    const int all = take_all();
    share_->give_back(rule_, now_, 3);
    EXPECT_EQ(take_all(), 3);
    EXPECT_GT(all, 3);
}

TEST_F(global_share_test, given_back_after_the_lease_ended_they_are_credited_to_all) {
    make(gcra(100, 1h));
    exchange();
    EXPECT_TRUE(take());
    pass(2s);
    EXPECT_EQ(left_in_redis(), 99u);
    share_->give_back(rule_, now_, 1);
    const auto request = share_->last_request(now_);
    ASSERT_TRUE(request);
    EXPECT_EQ(redis_.call(*request, microseconds()).remaining, 100u);
}

TEST_F(global_share_test, more_is_taken_at_once_only_from_a_large_share) {
    make(gcra(5, 60s));
    exchange();
    exchange();
    EXPECT_EQ(share_->take(rule_, now_, 1, 16), 1u);
    make(gcra(100'000, 1s));
    exchange();
    EXPECT_EQ(share_->take(rule_, now_, 1, 16), 16u);
}

TEST_F(global_share_test, lost_answer_costs_the_share_and_charges_the_debt_again) {
    make(gcra(5, 60s));
    EXPECT_TRUE(take());
    const auto request = share_->next_request(now_);
    share_->failed(*request);
    EXPECT_FALSE(take()) << "that debt is still owed";
    ASSERT_TRUE(exchange());
    EXPECT_EQ(left_in_redis(), 5u - 1 - 1);
    EXPECT_EQ(take_all(), 2);
}

TEST_F(global_share_test, debts_while_the_answer_is_under_way_are_charged_next_time) {
    make(gcra(100, 1h));  // debts of five
    for (int call = 0; call < 2; ++call) EXPECT_TRUE(take());
    const auto request = share_->next_request(now_);
    EXPECT_EQ(request->charge, 2);
    EXPECT_EQ(take_all(), 3);
    share_->answered(*request, redis_.call(*request, microseconds()), now_, now_);
    const auto next = share_->next_request(now_);
    ASSERT_TRUE(next);
    EXPECT_EQ(next->charge, 3);
}

TEST_F(global_share_test, no_debt_is_made_that_redis_said_there_is_nothing_for) {
    make(gcra(5, 60s));
    others_take(5);
    exchange();
    now_ += 11s;
    EXPECT_FALSE(take());
    now_ += 1s + 100ms;
    EXPECT_TRUE(take()) << "by what Redis said there is one by now";
}

TEST_F(global_share_test, open_goes_on_alone_while_redis_is_away_and_with_the_shared_count_after) {
    make(gcra(5, 60s));
    exchange();
    away_->store(true);
    for (int call = 0; call < 10; ++call) EXPECT_TRUE(take());
    EXPECT_EQ(alone_->taken, 10u);
    EXPECT_EQ(wanted_, 0);
    away_->store(false);
    others_take(4);
    EXPECT_EQ(take_all(), 1) << "a debt";
    exchange();
    EXPECT_EQ(take_all(), 0);
    EXPECT_EQ(alone_->taken, 10u);
}

TEST_F(global_share_test, closed_refuses_while_redis_is_away) {
    auto rule = gcra(5, 60s);
    rule.on_store_down = limit_on_store_down::closed;
    make(rule);
    exchange();
    away_->store(true);
    EXPECT_FALSE(take());
    EXPECT_TRUE(share_->refusal(rule_, now_, 1).store_down);
    EXPECT_EQ(alone_->taken, 0u);
    away_->store(false);
    EXPECT_TRUE(take());
    EXPECT_FALSE(share_->refusal(rule_, now_, 1).store_down);
}

TEST_F(global_share_test, another_rate_goes_on_with_what_was_counted) {
    make(gcra(10, 60s));
    exchange();
    for (int call = 0; call < 6; ++call) {
        EXPECT_TRUE(take());
        exchange();
    }
    const auto to = gcra(8, 60s);
    share_->change(rule_, to, now_);
    EXPECT_EQ(alone_->rule, to);
    rule_ = to;
    int more = 0;
    for (int call = 0; call < 20; ++call) more += take() ? 1 : 0, exchange();
    EXPECT_EQ(more, 2);
}

TEST_F(global_share_test, is_idle_when_all_is_there_again) {
    make(gcra(10, 1s));
    EXPECT_TRUE(share_->is_idle(rule_, now_));
    take();
    EXPECT_FALSE(share_->is_idle(rule_, now_));
    exchange();
    EXPECT_FALSE(share_->is_idle(rule_, now_));
    pass(200ms);
    EXPECT_TRUE(share_->is_idle(rule_, now_));
    EXPECT_EQ(share_->last_request(now_), std::nullopt);
}

TEST_F(global_share_test, last_request_returns_everything) {
    make(gcra(1'000, 1s));
    take(), take();
    exchange();
    take();
    const auto request = share_->last_request(now_);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->most, 0u);
    EXPECT_EQ(redis_.call(*request, microseconds()).remaining, 997u);
    EXPECT_EQ(take_all(), 50 - 0) << "a debt is all that can still pass";
}

// Processes that share a limit

struct workload {
    std::string name;
    limit_rule rule;
    std::uint64_t largest_cost = 1;
};

void PrintTo(const workload& load, std::ostream* out) { *out << load.name; }

/// Calls at random: bursts, steady streams and pauses, another one in each stretch of time.
void add_calls(share_simulation& world, std::size_t number, std::int64_t end, double mean_rate, std::uint64_t largest_cost) {
    auto& random = world.generator();
    const auto uniform = [&](double from, double to) { return std::uniform_real_distribution<>(from, to)(random); };
    for (std::int64_t at = world.now(); at < end;) {
        const auto stretch = static_cast<std::int64_t>(uniform(0.01, 3) / mean_rate * 20 * 1e6);
        const double hurry = std::array{0.0, 0.1, 1.0, 3.0, 20.0}[random() % 5];
        const std::int64_t stop = std::min(end, at + stretch);
        if (hurry == 0) at = stop;
        while (at < stop) {
            const auto cost = random() % 4 == 0 ? 1 + random() % largest_cost : 1;
            const auto burst = random() % 8 == 0 ? 1 + random() % 20 : 1;
            world.at(at, [&world, number, cost, burst] {
                for (unsigned i = 0; i < burst; ++i) world.call(number, cost);
            });
            at += 1 + static_cast<std::int64_t>(uniform(0, 2) / (mean_rate * hurry) * 1e6);
        }
    }
}

class shared_limit_test : public testing::TestWithParam<std::tuple<workload, int, bool>> {};

TEST_P(shared_limit_test, is_never_exceeded_by_more_than_a_debt_of_each_process) {
    const auto& [load, processes, lossy] = GetParam();
    const auto bounds = share_bounds_of(load.rule, load.largest_cost);
    double worst = 0;
    for (unsigned seed = 1; seed <= 4; ++seed) {
        share_simulation::network between;
        if (lossy) between.lost_question = between.lost_answer = 0.05;
        share_simulation world(load.rule, static_cast<std::size_t>(processes), load.largest_cost, between, seed);
        const double period = std::chrono::duration<double>(load.rule.period).count();
        const double rate = static_cast<double>(load.rule.count) / period;
        const auto end = world.now() + static_cast<std::int64_t>(1e6 * std::max(6 * period, 600 / rate));
        for (int i = 0; i < processes; ++i) add_calls(world, static_cast<std::size_t>(i), end, rate, load.largest_cost);
        world.run_until(end);
        EXPECT_GT(world.used(), load.rule.count) << "the limit was never reached";
        worst = std::max(worst, world.excess());
        EXPECT_LE(world.excess(), static_cast<double>(bounds.debt) * processes + 1e-6) << "seed " << seed;
    }
    RecordProperty("worst_excess", std::to_string(worst));
}

INSTANTIATE_TEST_SUITE_P(
    workloads, shared_limit_test,
    Combine(Values(workload{"gcra_100_in_1s", gcra(100, 1s)}, workload{"gcra_3_in_60s", gcra(3, 60s)},
                   workload{"gcra_5_in_60s_burst_2", gcra(5, 60s, 2)}, workload{"gcra_burst_of_ten_times", gcra(100, 1s, 1'000)},
                   workload{"gcra_5000_in_1s", gcra(5'000, 1s)}, workload{"gcra_costs", gcra(100, 1s), 10},
                   workload{"fixed_100_in_1s", rule_of(limit_algorithm::fixed_window, 100, 1s)},
                   workload{"fixed_5_in_10s", rule_of(limit_algorithm::fixed_window, 5, 10s)},
                   workload{"sliding_100_in_1s", rule_of(limit_algorithm::sliding_window, 100, 1s)},
                   workload{"sliding_costs", rule_of(limit_algorithm::sliding_window, 60, 2s), 7}),
            Values(1, 2, 4), Values(false, true)),
    [](const auto& one) {
        return std::get<0>(one.param).name + "_" + std::to_string(std::get<1>(one.param)) +
               (std::get<2>(one.param) ? "_lossy" : "");
    });

/// Calls without a pause, each as soon as the one before was answered.
void hammer(share_simulation& world, std::size_t number, std::int64_t end) {
    world.at(world.now() + 1, [&world, number, end] {
        world.call(number);
        world.at(world.now() + 499, [&world, number, end] {
            if (world.now() < end) hammer(world, number, end);
        });
    });
}

TEST(many_processes_test, whose_debts_are_more_than_the_limit_are_held_to_it_all_the_same) {
    const auto rule = gcra(1, 10s);
    share_simulation world(rule, 12, 1, {}, 5);
    const auto end = world.now() + 1'000 * second;
    for (std::size_t i = 0; i < 12; ++i) {
        for (auto at = world.now(); at < end; at += 25 * second) world.at(at, [&world, i] { world.call(i); });
    }
    world.run_until(end);
    EXPECT_LE(world.excess(), 12);
    EXPECT_LE(world.used(), 1u + 100u + 12u);
}

class saturated_limit_test : public testing::TestWithParam<std::tuple<workload, int>> {};

TEST_P(saturated_limit_test, lets_pass_what_the_strict_count_would) {
    const auto& [load, processes] = GetParam();
    const auto& rule = load.rule;
    share_simulation world(rule, static_cast<std::size_t>(processes), 1, {}, 7);
    const auto end = world.now() + 10 * rule.period.count() / 1'000;
    for (int i = 0; i < processes; ++i) hammer(world, static_cast<std::size_t>(i), end);
    world.run_until(end);
    const auto used = static_cast<double>(world.used());
    const auto most = static_cast<double>(10 * rule.count + (rule.algorithm == limit_algorithm::gcra ? rule.burst : 0));
    EXPECT_GE(used, 0.97 * most);
    EXPECT_LE(world.excess(), static_cast<double>(share_bounds_of(rule, 1).debt) * processes);
    EXPECT_LE(world.exchanges(), 12 * used + 100) << "Redis is asked when it has something, not all the time";
}

INSTANTIATE_TEST_SUITE_P(workloads, saturated_limit_test,
                         Combine(Values(workload{"gcra_100_in_1s", gcra(100, 1s)}, workload{"gcra_5_in_60s", gcra(5, 60s)},
                                        workload{"gcra_1000_in_1s", gcra(1'000, 1s)},
                                        workload{"fixed_100_in_1s", rule_of(limit_algorithm::fixed_window, 100, 1s)},
                                        workload{"fixed_5_in_60s", rule_of(limit_algorithm::fixed_window, 5, 60s)}),
                                 Values(1, 2, 4)),
                         [](const auto& one) {
                             return std::get<0>(one.param).name + "_" + std::to_string(std::get<1>(one.param));
                         });

TEST(idle_processes_test, give_back_what_others_want) {
    const auto rule = gcra(100, 10s);
    share_simulation world(rule, 4, 1, {}, 3);
    for (std::size_t i = 1; i < 4; ++i) world.at(world.now() + 10'000, [&world, i] { world.call(i); });
    const auto looked = world.now() + 10'000 + 2 * 250'000 + 200'000;
    world.run_until(looked);
    hammer(world, 0, looked + second);
    world.run_until(looked + second);
    EXPECT_GE(world.used(), 100u + 7u) << "all that is there, and what came back meanwhile";
}

TEST(dead_processes_test, cost_what_they_held_until_it_has_drained) {
    const auto rule = gcra(100, 1s);
    limit_script_model redis;
    const std::int64_t start = 1'700'000'000 * second;
    EXPECT_EQ(redis.call({.rule = rule, .least = 10, .most = 10}, start).granted, 10u);
    EXPECT_EQ(redis.call({.rule = rule}, start + 900'000).remaining, 90u) << "somebody may use them yet";
    EXPECT_EQ(redis.call({.rule = rule}, start + 2'200'000).remaining, 100u);
}

}  // namespace
}  // namespace weir
