#include "policy/limit_counter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <iterator>
#include <random>
#include <span>
#include <thread>
#include <vector>

#include "tests/policy/limit_model.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using ::testing::Eq;
using ::testing::Optional;
using test::limit_model;
using test::make_limit_model;

constexpr auto gcra = limit_algorithm::gcra;
constexpr auto sliding = limit_algorithm::sliding_window;
constexpr auto fixed = limit_algorithm::fixed_window;
constexpr limit_algorithm all_algorithms[] = {gcra, sliding, fixed};
constexpr std::chrono::nanoseconds day = 24h;

/// A moment of the year 2026 at which windows of an hour, a minute and a second begin.
constexpr limit_time noon{1'795'262'400'000'000'000};

limit_rule make_rule(limit_algorithm algorithm, std::uint64_t count, std::chrono::nanoseconds period,
                     std::uint64_t burst = 0) {
    limit_rule rule;
    rule.algorithm = algorithm;
    rule.count = count;
    rule.period = period;
    rule.burst = burst == 0 || algorithm != gcra ? count : burst;
    return rule;
}

/// A counter with a clock.
struct counted {
    explicit counted(const limit_rule& what, limit_time when = noon)
        : rule(what), counter(make_local_counter(what)), now(when) {}

    std::uint64_t take(std::uint64_t units) { return counter->take(rule, now, units, units); }
    std::uint64_t take(std::uint64_t least, std::uint64_t most) { return counter->take(rule, now, least, most); }
    bool passes() { return take(1) == 1; }
    std::uint64_t take_one_by_one(std::uint64_t most) {
        std::uint64_t passed = 0;
        while (passed < most && passes()) ++passed;
        return passed;
    }
    [[nodiscard]] limit_standing standing() const { return counter->standing(rule, now); }
    [[nodiscard]] std::uint64_t remaining() const { return standing().remaining; }
    [[nodiscard]] std::optional<limit_time> retry_after(std::uint64_t units = 1) const {
        return counter->refusal(rule, now, units).retry_after;
    }
    void change(const limit_rule& to) {
        counter->change(rule, to, now);
        rule = to;
    }

    limit_rule rule;
    std::unique_ptr<limit_counter> counter;
    limit_time now;
};

// ---- examples, by hand

TEST(limit_counter, a_rule_has_the_rates_count_as_burst_unless_gcra_is_told_otherwise) {
    limit_options options;
    options.rate = {100, 1h};
    EXPECT_EQ(make_limit_rule(options), make_rule(gcra, 100, 1h, 100));
    options.burst = 7;
    EXPECT_EQ(make_limit_rule(options), make_rule(gcra, 100, 1h, 7));
    options.algorithm = sliding;
    options.scope = limit_scope::global;
    options.on_store_down = limit_on_store_down::closed;
    limit_rule expected = make_rule(sliding, 100, 1h);
    expected.scope = limit_scope::global;
    expected.on_store_down = limit_on_store_down::closed;
    EXPECT_EQ(make_limit_rule(options), expected);
}

TEST(limit_counter, all_of_the_count_passes_at_once_and_not_one_more) {
    for (const limit_algorithm algorithm : all_algorithms) {
        for (const auto& [count, period] : std::initializer_list<std::pair<std::uint64_t, std::chrono::nanoseconds>>{
                 {100, 1h}, {5, 60s}, {3, 60s}, {30, 60s}, {60, 60s}, {1, 1ms}, {1'000, 1ms}}) {
            counted limit(make_rule(algorithm, count, period));
            EXPECT_EQ(limit.remaining(), count);
            EXPECT_EQ(limit.take_one_by_one(2 * count), count);
            EXPECT_EQ(limit.remaining(), 0u);
        }
    }
}

TEST(limit_counter, gcra_gives_a_unit_back_every_interval) {
    counted limit(make_rule(gcra, 100, 1h));
    EXPECT_EQ(limit.take(100), 100u);
    EXPECT_THAT(limit.retry_after(), Optional(Eq(36s)));
    limit.now += 36s - 1ns;
    EXPECT_FALSE(limit.passes());
    limit.now += 1ns;
    EXPECT_TRUE(limit.passes());
    EXPECT_FALSE(limit.passes());
    limit.now += 72s;
    EXPECT_EQ(limit.remaining(), 2u);
    EXPECT_EQ(limit.standing().reset_after, 98 * 36s);
}

TEST(limit_counter, gcra_lets_a_burst_pass_and_then_the_rate) {
    counted limit(make_rule(gcra, 100, 1s, 5));
    EXPECT_EQ(limit.take_one_by_one(10), 5u);
    limit.now += 10ms;
    EXPECT_EQ(limit.take_one_by_one(10), 1u);
    limit.now += 1h;
    EXPECT_EQ(limit.take_one_by_one(10), 5u);
}

TEST(limit_counter, gcra_rounds_an_interval_up_so_that_no_window_has_more) {
    counted limit(make_rule(gcra, 3, 1s, 1));  // 333'333'333.3 ns
    EXPECT_TRUE(limit.passes());
    EXPECT_THAT(limit.retry_after(), Optional(Eq(333'333'334ns)));
}

TEST(limit_counter, a_fixed_window_begins_anew_at_its_full_hour) {
    counted limit(make_rule(fixed, 100, 1h), noon + 59min);
    EXPECT_EQ(limit.take(100), 100u);
    EXPECT_THAT(limit.retry_after(), Optional(Eq(1min)));
    EXPECT_EQ(limit.standing().reset_after, 1min);
    limit.now += 1min - 1ns;
    EXPECT_FALSE(limit.passes());
    limit.now += 1ns;
    EXPECT_EQ(limit.take(100), 100u);
}

TEST(limit_counter, a_sliding_window_weighs_the_one_before_by_its_share) {
    counted limit(make_rule(sliding, 100, 1h), noon + 59min);
    EXPECT_EQ(limit.take(100), 100u);
    limit.now = noon + 1h;
    EXPECT_EQ(limit.remaining(), 0u);
    limit.now += 15min;
    EXPECT_EQ(limit.remaining(), 25u);
    EXPECT_EQ(limit.take(20), 20u);
    EXPECT_EQ(limit.remaining(), 5u);
    limit.now += 15min;
    EXPECT_EQ(limit.remaining(), 30u);
    EXPECT_EQ(limit.standing().reset_after, 30min);
    limit.now += 1h;
    EXPECT_EQ(limit.remaining(), 90u);
    limit.now += 1h;
    EXPECT_EQ(limit.remaining(), 100u);
}

TEST(limit_counter, a_sliding_window_says_when_it_has_room_again_in_this_window_or_the_next) {
    counted limit(make_rule(sliding, 10, 1min));
    EXPECT_EQ(limit.take(10), 10u);
    // This window is full; ten units weigh nine or fewer as soon as one of sixty seconds is over.
    EXPECT_THAT(limit.retry_after(1), Optional(Eq(1min + 1ns)));
    EXPECT_THAT(limit.retry_after(10), Optional(Eq(1min + 54s + 1ns)));
    limit.now += 1min + 30s;
    EXPECT_EQ(limit.take(5), 5u);
    EXPECT_THAT(limit.retry_after(1), Optional(Eq(1ns)));
    EXPECT_THAT(limit.retry_after(5), Optional(Eq(24s + 1ns)));
    // Six do not fit into this window any more, but into the next, where five count for four at once.
    EXPECT_THAT(limit.retry_after(6), Optional(Eq(30s + 1ns)));
}

TEST(limit_counter, more_than_there_can_be_never_passes) {
    for (const limit_algorithm algorithm : all_algorithms) {
        counted limit(make_rule(algorithm, 10, 1s));
        EXPECT_EQ(limit.take(11), 0u);
        EXPECT_EQ(limit.retry_after(11), std::nullopt);
        EXPECT_EQ(limit.retry_after(~std::uint64_t{0}), std::nullopt);
        EXPECT_THAT(limit.retry_after(10), Optional(Eq(0s)));
        EXPECT_EQ(limit.take(10), 10u);
        EXPECT_NE(limit.retry_after(10), std::nullopt);
    }
}

TEST(limit_counter, takes_as_many_as_there_are_but_not_fewer_than_the_least) {
    for (const limit_algorithm algorithm : all_algorithms) {
        counted limit(make_rule(algorithm, 10, 1s));
        EXPECT_EQ(limit.take(1, 4), 4u);
        EXPECT_EQ(limit.take(7, 8), 0u);
        EXPECT_EQ(limit.take(6, ~std::uint64_t{0}), 6u);
        EXPECT_EQ(limit.take(1, 4), 0u);
    }
}

TEST(limit_counter, what_is_refused_counts_nothing) {
    for (const limit_algorithm algorithm : all_algorithms) {
        counted limit(make_rule(algorithm, 10, 1s));
        EXPECT_EQ(limit.take(8), 8u);
        for (int i = 0; i < 100; ++i) EXPECT_EQ(limit.take(3), 0u);
        EXPECT_EQ(limit.remaining(), 2u);
        EXPECT_EQ(limit.take(2), 2u);
    }
}

TEST(limit_counter, what_is_given_back_passes_again) {
    for (const limit_algorithm algorithm : all_algorithms) {
        counted limit(make_rule(algorithm, 10, 1s));
        EXPECT_EQ(limit.take(10), 10u);
        limit.counter->give_back(limit.rule, limit.now, 4);
        EXPECT_EQ(limit.remaining(), 4u);
        EXPECT_EQ(limit.take(5), 0u);
        EXPECT_EQ(limit.take(4), 4u);
        limit.counter->give_back(limit.rule, limit.now, 10);
        EXPECT_EQ(limit.remaining(), 10u);
        EXPECT_TRUE(limit.counter->is_idle(limit.rule, limit.now));
    }
}

TEST(limit_counter, a_window_is_given_back_what_was_taken_in_it_alone) {
    for (const limit_algorithm algorithm : {sliding, fixed}) {
        counted limit(make_rule(algorithm, 10, 1s));
        EXPECT_EQ(limit.take(5), 5u);
        const limit_time taken = limit.now;
        limit.now += 1999ms;
        EXPECT_EQ(limit.take(5), 5u);
        limit.counter->give_back(limit.rule, taken, 5);
        EXPECT_EQ(limit.remaining(), 5u);
    }
}

TEST(limit_counter, it_is_idle_when_nothing_is_used) {
    for (const limit_algorithm algorithm : all_algorithms) {
        counted limit(make_rule(algorithm, 10, 1s, 20));
        EXPECT_TRUE(limit.counter->is_idle(limit.rule, limit.now));
        EXPECT_TRUE(limit.passes());
        EXPECT_FALSE(limit.counter->is_idle(limit.rule, limit.now));
        limit.now += 2s;
        EXPECT_TRUE(limit.counter->is_idle(limit.rule, limit.now));
    }
}

TEST(limit_counter, time_that_goes_back_stands_still) {
    for (const limit_algorithm algorithm : all_algorithms) {
        counted limit(make_rule(algorithm, 100, 1h));
        EXPECT_EQ(limit.take(99), 99u);
        for (const limit_time back : {limit_time(1ns), limit_time(1s), limit_time(3h), limit_time(9'000 * day)}) {
            limit.now = noon - back;
            EXPECT_EQ(limit.remaining(), 1u) << back.count();
        }
        limit.now = noon - 3h;
        EXPECT_TRUE(limit.passes());
        EXPECT_FALSE(limit.passes());
        const limit_time at = limit.now + limit.retry_after().value();
        EXPECT_GT(at, noon);
        limit.now = at - 1ns;
        EXPECT_FALSE(limit.passes());
        limit.now = at;
        EXPECT_TRUE(limit.passes());
    }
}

TEST(limit_counter, a_window_that_has_begun_goes_on_when_time_goes_back_even_if_nothing_passed_in_it) {
    for (const limit_algorithm algorithm : {sliding, fixed}) {
        counted limit(make_rule(algorithm, 10, 1s));
        EXPECT_EQ(limit.take(10), 10u);
        limit.now += 1s;
        EXPECT_EQ(limit.take(11), 0u);
        limit.now -= 1ns;
        EXPECT_EQ(limit.remaining(), algorithm == fixed ? 10u : 0u);
    }
}

TEST(limit_counter, moments_that_no_clock_has_do_no_harm) {
    const limit_time last = limit_time::max();
    for (const limit_algorithm algorithm : all_algorithms) {
        for (const auto& [count, period] : std::initializer_list<std::pair<std::uint64_t, std::chrono::nanoseconds>>{
                 {1, 1ms}, {1'000, 1ms}, {1, 365 * day}, {31'536'000'000'000, 365 * day}}) {
            for (const limit_time moment : {limit_time::min(), limit_time(-1), limit_time(0), last - 1ns, last}) {
                counted limit(make_rule(algorithm, count, period), moment);
                EXPECT_EQ(limit.take(1, count + 1), count);
                EXPECT_FALSE(limit.passes());
                EXPECT_GT(limit.retry_after(), 0s);
                EXPECT_LE(limit.retry_after(), 2 * 365 * day);
                limit.counter->give_back(limit.rule, limit.now, count);
                EXPECT_EQ(limit.remaining(), count);
            }
        }
    }
}

// ---- against the model

/// All that limits are used for, and the ends of what they may be.
std::vector<limit_rule> rules_to_compare() {
    std::vector<limit_rule> rules;
    for (const limit_algorithm algorithm : all_algorithms) {
        for (const auto& [count, period] : std::initializer_list<std::pair<std::uint64_t, std::chrono::nanoseconds>>{
                 {100, 1h}, {5, 60s}, {3, 60s}, {30, 60s}, {60, 60s}, {7, 1ms}, {1'000, 1ms}, {1'000'000, 1s}, {1, 1ms},
                 {1, 365 * day}, {31'536'000'000'000, 365 * day}, {999'999'937, 1h}, {97, 1'009ms}}) {
            rules.push_back(make_rule(algorithm, count, period));
        }
    }
    for (const std::uint64_t burst : {1, 2, 1'000'000'000}) {
        rules.push_back(make_rule(gcra, 1'000'000, 1s, burst));
        rules.push_back(make_rule(gcra, 7, 1ms, burst));
    }
    rules.push_back(make_rule(gcra, 100, 1h, 3));
    return rules;
}

std::string describe(const limit_rule& rule) {
    constexpr const char* names[] = {"gcra", "sliding", "fixed"};
    return std::string(names[static_cast<int>(rule.algorithm)]) + " " + std::to_string(rule.count) + " per " +
           std::to_string(rule.period.count()) + " ns, burst " + std::to_string(rule.burst);
}

class random_numbers {
public:
    explicit random_numbers(std::uint64_t seed) : engine_(seed) {}
    std::uint64_t up_to(std::uint64_t most) { return std::uniform_int_distribution<std::uint64_t>(0, most)(engine_); }
    /// Small ones as often as large ones.
    std::uint64_t any_size_up_to(std::uint64_t most) {
        return up_to(most >> up_to(static_cast<std::uint64_t>(std::bit_width(most)) - 1));
    }
    bool one_in(std::uint64_t n) { return up_to(n - 1) == 0; }

private:
    std::mt19937_64 engine_;
};

/// A counter and its model, to which the same happens.
class comparison {
public:
    comparison(const limit_rule& rule, std::uint64_t seed, limit_time begin)
        : random_(seed), limit_(rule, begin), model_(make_limit_model(rule)) {}

    void run(int steps) {
        for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
            move_clock();
            act();
            compare();
        }
    }

private:
    void move_clock() {
        const auto period = static_cast<std::uint64_t>(limit_.rule.period.count());
        const auto now = static_cast<std::uint64_t>(limit_.now.count());
        std::int64_t step = 0;
        switch (random_.up_to(9)) {
            case 0:
            case 1:
                break;
            case 2:
                step = static_cast<std::int64_t>(random_.up_to(2 * period / limit_.rule.count));
                break;
            case 3:
                step = static_cast<std::int64_t>(period - now % period + random_.up_to(2)) - 1;  // a window's end
                break;
            case 4:
                step = static_cast<std::int64_t>(random_.any_size_up_to(20 * period));
                break;
            case 5:
                if (random_.one_in(4)) step = -static_cast<std::int64_t>(std::min(now, random_.any_size_up_to(3 * period)));
                break;
            case 6:
                step = model_->retry_after(limit_.now.count(), units()).value_or(1) - static_cast<std::int64_t>(random_.up_to(1));
                break;
            default:
                step = static_cast<std::int64_t>(random_.up_to(period / 4));
        }
        constexpr std::int64_t latest = (std::int64_t{1} << 62) - 1;
        limit_.now = limit_time(std::clamp<std::int64_t>(limit_.now.count() + step, 0, latest));
    }

    void act() {
        const std::int64_t now = limit_.now.count();
        if (random_.one_in(6) && !held_.empty()) {
            const auto [taken, count] = held_.front();
            held_.pop_front();
            limit_.counter->give_back(limit_.rule, limit_time(taken), count);
            return model_->give_back(taken, count);
        }
        const std::uint64_t least = units();
        const std::uint64_t most = random_.one_in(3) ? least + units() : least;
        const std::uint64_t taken = limit_.take(least, most);
        ASSERT_EQ(taken, model_->take(now, least, most)) << least << " to " << most;
        if (taken > 0 && random_.one_in(3)) held_.emplace_back(now, 1 + random_.up_to(taken - 1));
    }

    void compare() {
        const std::int64_t now = limit_.now.count();
        const limit_standing standing = limit_.standing();
        ASSERT_EQ(standing.remaining, model_->remaining(now));
        ASSERT_EQ(standing.reset_after.count(), model_->reset_after(now));
        const std::uint64_t asked = units();
        const limit_refusal why = limit_.counter->refusal(limit_.rule, limit_.now, asked);
        ASSERT_EQ(why.standing.remaining, standing.remaining);
        ASSERT_EQ(why.standing.reset_after, standing.reset_after);
        const auto retry = model_->retry_after(now, asked);
        ASSERT_EQ(why.retry_after.has_value(), retry.has_value());
        ASSERT_EQ(why.retry_after.value_or(0ns).count(), retry.value_or(0)) << asked << " units";
    }

    std::uint64_t units() {
        return random_.one_in(3) ? 1 : 1 + random_.any_size_up_to(model_->capacity() + model_->capacity() / 4);
    }

    random_numbers random_;
    counted limit_;
    std::unique_ptr<limit_model> model_;
    std::deque<std::pair<std::int64_t, std::uint64_t>> held_;
};

TEST(limit_counter, does_what_the_model_does_whatever_comes) {
    const std::uint64_t seed = std::random_device{}();
    for (const limit_rule& rule : rules_to_compare()) {
        for (std::uint64_t run = 0; run < 20; ++run) {
            SCOPED_TRACE(describe(rule) + ", seed " + std::to_string(seed) + ", run " + std::to_string(run));
            comparison(rule, seed + run, run % 4 == 0 ? limit_time(0) : noon).run(300);
            if (HasFailure()) return;
        }
    }
}

}  // namespace
}  // namespace weir
