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

TEST(limit_counter, no_number_of_units_is_too_large) {
    for (const limit_algorithm algorithm : all_algorithms) {
        for (unsigned bit = 0; bit < 64; ++bit) {
            counted limit(make_rule(algorithm, 100, 1h));
            const std::uint64_t most = std::uint64_t{1} << bit;
            EXPECT_EQ(limit.take(1, most), std::min<std::uint64_t>(most, 100)) << bit;
            EXPECT_EQ(limit.take(1, 100), 100 - std::min<std::uint64_t>(most, 100)) << bit;
            limit.counter->give_back(limit.rule, limit.now, most);
            EXPECT_EQ(limit.remaining(), std::min<std::uint64_t>(most, 100)) << bit;
        }
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
        constexpr std::int64_t latest = (std::int64_t{1} << 62) - 1;
        limit_.now = limit_time(std::clamp<std::int64_t>(limit_.now.count() + step(), 0, latest));
    }

    std::int64_t step() {
        const auto period = static_cast<std::uint64_t>(limit_.rule.period.count());
        const auto now = static_cast<std::uint64_t>(limit_.now.count());
        switch (random_.up_to(9)) {
            case 0:
            case 1:
                return 0;
            case 2:
                return static_cast<std::int64_t>(random_.up_to(2 * period / limit_.rule.count));
            case 3:  // around a window's end
                return static_cast<std::int64_t>(period - now % period + random_.up_to(2)) - 1;
            case 4:
                return static_cast<std::int64_t>(random_.any_size_up_to(20 * period));
            case 5:
                return random_.one_in(4) ? -static_cast<std::int64_t>(random_.any_size_up_to(3 * period)) : 0;
            case 6:  // when it is told to come back, or just before
                return model_->retry_after(limit_.now.count(), units()).value_or(1) -
                       static_cast<std::int64_t>(random_.up_to(1));
            default:
                return static_cast<std::int64_t>(random_.up_to(period / 4));
        }
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

// ---- what passes in any window

struct passed {
    limit_time at{0};
    std::uint64_t units = 0;
};
using history = std::vector<passed>;

/// The most units that passed within a window of that length that begins with one of them, its end not included.
std::uint64_t most_within(const history& calls, std::chrono::nanoseconds length) {
    std::uint64_t most = 0;
    for (std::size_t first = 0; first < calls.size(); ++first) {
        std::uint64_t sum = 0;
        for (std::size_t i = first; i < calls.size() && calls[i].at - calls[first].at < length; ++i) {
            sum += calls[i].units;
        }
        most = std::max(most, sum);
    }
    return most;
}

/// What passes of a client that takes all it gets: at once, around the ends of windows, as soon as it was told to come
/// back, some of it given back at once; its clock goes back at times.
history greedy_history(const limit_rule& rule, random_numbers& random) {
    counted limit(rule, noon + limit_time(static_cast<std::int64_t>(random.up_to(rule.period.count()))));
    limit_time latest = limit.now;
    history calls;
    for (int i = 0; i < 400; ++i) {
        const std::uint64_t most = 1 + random.any_size_up_to(2 * rule.burst);
        std::uint64_t taken = limit.take(1, most);
        if (random.one_in(5) && taken > 1) {
            limit.counter->give_back(rule, limit.now, taken / 2);
            taken -= taken / 2;
        }
        // Time stands still while it is less than it was.
        if (taken > 0) calls.push_back({latest = std::max(latest, limit.now), taken});
        const auto period = static_cast<std::uint64_t>(rule.period.count());
        const std::uint64_t to_end = period - static_cast<std::uint64_t>(limit.now.count()) % period;
        const auto told = static_cast<std::uint64_t>(limit.retry_after().value().count());
        const std::uint64_t steps[] = {
            0, to_end - 1, to_end, period, told, random.up_to(period / 8), random.any_size_up_to(period)};
        limit.now += limit_time(static_cast<std::int64_t>(steps[random.up_to(std::size(steps) - 1)]));
        if (random.one_in(10)) limit.now -= limit_time(static_cast<std::int64_t>(random.any_size_up_to(period)));
    }
    return calls;
}

TEST(limit_counter, no_window_has_more_than_its_algorithm_allows) {
    random_numbers random(std::random_device{}());
    for (const limit_algorithm algorithm : all_algorithms) {
        for (const auto& [count, period, burst] :
             std::initializer_list<std::tuple<std::uint64_t, std::chrono::nanoseconds, std::uint64_t>>{
                 {100, 1h, 100}, {100, 1h, 5}, {3, 60s, 3}, {7, 1ms, 20}, {1, 1s, 1}, {1'000, 1ms, 1'000}}) {
            const limit_rule rule = make_rule(algorithm, count, period, burst);
            SCOPED_TRACE(describe(rule));
            for (int run = 0; run < 20; ++run) {
                const history calls = greedy_history(rule, random);
                const std::uint64_t bound = algorithm == gcra ? rule.burst + count : 2 * count;
                ASSERT_LE(most_within(calls, period), bound);
                ASSERT_LE(most_within(calls, 10 * period), algorithm == gcra ? rule.burst + 10 * count : 11 * count);
            }
        }
    }
}

TEST(limit_counter, the_bounds_are_reached) {
    for (const limit_algorithm algorithm : {fixed, sliding}) {
        counted limit(make_rule(algorithm, 100, 1h), noon - 1ns);
        EXPECT_EQ(limit.take(100), 100u);
        limit.now += 1h - 1ns;
        EXPECT_EQ(limit.take(1, 100), 100u) << "the worst case of both: two windows' calls at their ends";
    }
    counted limit(make_rule(gcra, 100, 1h, 20));
    EXPECT_EQ(limit.take(20), 20u);
    limit.now += 1h;
    EXPECT_EQ(limit.take(20), 20u);
}

TEST(limit_counter, no_sliding_window_of_a_steady_client_has_more_than_one_over) {
    for (const std::uint64_t count : {1, 3, 7, 100}) {
        for (const std::chrono::microseconds pace : {500us, 1000us, 7000us, 9999us, 10001us, 100000us, 333000us}) {
            counted limit(make_rule(sliding, count, 1s));
            history calls;
            for (int i = 0; i < 6'000; ++i, limit.now += pace) {
                // The first window's calls come all at its beginning: earlier than evenly, which is on the safe side.
                if (limit.passes()) calls.push_back({limit.now, 1});
            }
            EXPECT_LE(most_within(calls, 1s), count + 1) << count << " " << pace.count();
        }
    }
}

// ---- more time than 64 bits have nanoseconds

TEST(limit_counter, a_billion_units_at_once_of_a_rate_of_one_a_year) {
    counted limit(make_rule(gcra, 1, 365 * day, 1'000'000'000));
    EXPECT_EQ(limit.remaining(), 1'000'000'000u);
    EXPECT_EQ(limit.take(999'999'999), 999'999'999u);
    EXPECT_TRUE(limit.passes());
    EXPECT_FALSE(limit.passes());
    EXPECT_EQ(limit.standing().reset_after, limit_time::max());
    EXPECT_EQ(limit.retry_after(1'000'000'000), limit_time::max());
    const limit_time wait = limit.retry_after().value();
    EXPECT_GE(wait, 365 * day - 1s);
    EXPECT_LE(wait, 365 * day + 1s);
    limit.now += wait - 1ns;
    EXPECT_FALSE(limit.passes());
    limit.now += 1ns;
    EXPECT_TRUE(limit.passes());
    EXPECT_FALSE(limit.passes());
    limit.counter->give_back(limit.rule, limit.now, 1'000'000'000);
    EXPECT_EQ(limit.remaining(), 1'000'000'000u);
}

TEST(limit_counter, a_wait_that_no_duration_can_say_is_the_longest_there_is) {
    for (const std::uint64_t units : {292, 293, 300, 450, 600, 1'000, 123'456, 99'999'999}) {
        counted limit(make_rule(gcra, 1, 365 * day, units));
        EXPECT_EQ(limit.take(units), units);
        const limit_time all = units <= 292 ? static_cast<std::int64_t>(units) * 365 * day : limit_time::max();
        EXPECT_LE(std::chrono::abs(limit.standing().reset_after - all), 1'000s) << units;
        EXPECT_LE(std::chrono::abs(limit.retry_after(units).value() - all), 1'000s) << units;
    }
}

TEST(limit_counter, coarse_ticks_are_never_over_and_hardly_under_and_their_retry_times_are_exact) {
    random_numbers random(std::random_device{}());
    for (const auto& [count, period] : std::initializer_list<std::pair<std::uint64_t, std::chrono::nanoseconds>>{
             {1, 1h}, {3, 365 * day}, {100, 30 * day}, {1, 1min}}) {
        const limit_rule rule = make_rule(gcra, count, period, 1'000'000'000);
        counted limit(rule);
        EXPECT_EQ(limit.take(1'000'000'000), 1'000'000'000u);
        const long double interval = static_cast<long double>(period.count()) / static_cast<long double>(count);
        for (int i = 1; i <= 50; ++i) {
            limit.now += limit.retry_after().value() - 1ns;
            EXPECT_FALSE(limit.passes());
            limit.now += 1ns;
            EXPECT_TRUE(limit.passes());
            const auto since = static_cast<long double>((limit.now - noon).count());
            EXPECT_GE(since, i * interval);
            EXPECT_LE(since, i * interval * 1.000001L + 1e7L);
        }
    }
}

// ---- the rule changes

TEST(limit_counter, what_was_used_stays_used_when_the_rule_changes) {
    for (const limit_algorithm algorithm : all_algorithms) {
        counted limit(make_rule(algorithm, 100, 1h));
        EXPECT_EQ(limit.take(60), 60u);
        limit.change(make_rule(algorithm, 200, 1h));
        EXPECT_EQ(limit.remaining(), 140u);
        limit.change(make_rule(algorithm, 200, 24h));
        EXPECT_EQ(limit.remaining(), 140u);
        limit.change(make_rule(algorithm, 70, 60s));
        EXPECT_EQ(limit.remaining(), 10u);
        EXPECT_EQ(limit.take(1, 100), 10u);
        EXPECT_FALSE(limit.passes());
        limit.change(make_rule(algorithm, 100, 1h));
        EXPECT_EQ(limit.remaining(), 30u);
    }
}

TEST(limit_counter, a_rule_that_holds_less_than_was_used_is_used_up_and_no_more) {
    for (const limit_algorithm algorithm : all_algorithms) {
        counted limit(make_rule(algorithm, 100, 1h));
        EXPECT_EQ(limit.take(100), 100u);
        limit.change(make_rule(algorithm, 10, 1s));
        EXPECT_EQ(limit.remaining(), 0u);
        EXPECT_LE(limit.retry_after(), 1s + 100ms + 1ns);
        limit.now += 2s;
        EXPECT_EQ(limit.remaining(), 10u);
    }
}

TEST(limit_counter, the_new_rule_counts_on_as_if_it_had_always_been) {
    counted limit(make_rule(gcra, 100, 1h));
    EXPECT_EQ(limit.take(50), 50u);
    limit.now += 18s;  // half of a unit is there again, and stays so
    limit.change(make_rule(gcra, 60, 60s));
    EXPECT_EQ(limit.remaining(), 10u);
    EXPECT_EQ(limit.take(10), 10u);
    EXPECT_THAT(limit.retry_after(), Optional(Eq(500ms)));
    EXPECT_EQ(limit.standing().reset_after, 59s + 500ms);
}

TEST(limit_counter, who_comes_with_an_earlier_moment_than_the_change_is_not_short_of_it) {
    counted limit(make_rule(gcra, 100, 1h));
    EXPECT_EQ(limit.take(50), 50u);
    limit.now += 1ms;
    limit.change(make_rule(gcra, 100, 1min));
    limit.now -= 1ms;
    EXPECT_EQ(limit.take(1, 100), 50u);
}

TEST(limit_counter, what_is_carried_over_is_rounded_up) {
    counted limit(make_rule(gcra, 100, 1h));
    EXPECT_EQ(limit.take(50), 50u);
    limit.now += 18s - 1ns;  // half of a unit and a nanosecond of its 36 s are still used
    limit.change(make_rule(gcra, 60, 60s));
    EXPECT_EQ(limit.take(10), 10u);
    EXPECT_THAT(limit.retry_after(), Optional(Eq(500ms + 1ns)));
}

TEST(limit_counter, a_change_by_a_clock_that_was_set_back_forgets_nothing) {
    for (const limit_algorithm algorithm : all_algorithms) {
        counted limit(make_rule(algorithm, 10, 1s));
        EXPECT_EQ(limit.take(5), 5u);
        limit.now -= 3s;
        limit.change(make_rule(algorithm, 20, 2s));
        EXPECT_EQ(limit.remaining(), 15u);
        limit.now += 3s;
        EXPECT_EQ(limit.remaining(), 15u);
    }
}

TEST(limit_counter, gcra_changes_the_burst_alone) {
    counted limit(make_rule(gcra, 100, 1h, 10));
    EXPECT_EQ(limit.take(10), 10u);
    limit.change(make_rule(gcra, 100, 1h, 30));
    EXPECT_EQ(limit.remaining(), 20u);
    limit.change(make_rule(gcra, 1, 365 * day, 1'000'000'000));
    EXPECT_EQ(limit.remaining(), 1'000'000'000u - 10);
    limit.change(make_rule(gcra, 100, 1h, 30));
    EXPECT_EQ(limit.remaining(), 20u);
}

TEST(limit_counter, a_window_goes_on_in_the_new_rules_window_and_the_one_before_is_settled) {
    counted limit(make_rule(sliding, 100, 1min), noon + 30s);
    EXPECT_EQ(limit.take(80), 80u);
    limit.now = noon + 1min + 30s;  // 40 of them count
    EXPECT_EQ(limit.take(10), 10u);
    limit.change(make_rule(sliding, 100, 1h));
    EXPECT_EQ(limit.remaining(), 50u);
    limit.now = noon + 59min;
    EXPECT_EQ(limit.remaining(), 50u);
    limit.now = noon + 1h + 30min;
    EXPECT_EQ(limit.remaining(), 75u);
}

TEST(limit_counter, a_window_of_the_old_rule_is_none_of_the_new_rules_whatever_its_number) {
    counted limit(make_rule(fixed, 10, 1s), 3'500ms);
    EXPECT_EQ(limit.take(6), 6u);  // in the fourth window
    limit.now = 4'500ms;
    EXPECT_TRUE(limit.passes());
    limit.change(make_rule(fixed, 10, 2s));
    EXPECT_EQ(limit.remaining(), 9u);
    limit.now = 6'100ms;  // again the fourth
    EXPECT_EQ(limit.remaining(), 10u);
}

TEST(limit_counter, an_unused_counter_stays_unused) {
    for (const limit_algorithm algorithm : all_algorithms) {
        counted limit(make_rule(algorithm, 100, 1h));
        limit.change(make_rule(algorithm, 1, 1ms));
        EXPECT_TRUE(limit.counter->is_idle(limit.rule, limit.now));
        limit.change(make_rule(algorithm, 1'000'000, 1s));
        EXPECT_TRUE(limit.counter->is_idle(limit.rule, limit.now));
        EXPECT_EQ(limit.take(1'000'000), 1'000'000u);
    }
}

TEST(limit_counter, who_has_not_heard_of_the_new_rule_counts_by_it_already) {
    for (const limit_algorithm algorithm : all_algorithms) {
        const limit_rule old_rule = make_rule(algorithm, 100, 1h);
        counted limit(old_rule);
        EXPECT_EQ(limit.take(5), 5u);
        limit.change(make_rule(algorithm, 10, 1s));
        EXPECT_EQ(limit.counter->take(old_rule, limit.now, 6, 6), 0u);
        EXPECT_EQ(limit.counter->take(old_rule, limit.now, 5, 5), 5u);
        limit.counter->give_back(old_rule, limit.now, 2);
        EXPECT_EQ(limit.counter->standing(old_rule, limit.now).remaining, 2u);
        limit.now += 2s;
        EXPECT_EQ(limit.remaining(), 10u);
    }
}

TEST(limit_counter, change_after_change_in_any_window_carries_over_what_is_used) {
    random_numbers random(std::random_device{}());
    const std::chrono::nanoseconds periods[] = {1s, 7s, 60s, 1h, 24h, 365 * day};
    for (const limit_algorithm algorithm : all_algorithms) {
        counted limit(make_rule(algorithm, 1'000, 60s));
        for (int i = 0; i < 2'000; ++i) {
            const limit_rule next = make_rule(algorithm, 1 + random.up_to(1'999), periods[random.up_to(5)]);
            const std::uint64_t used = limit.rule.count - limit.remaining();
            limit.change(next);
            ASSERT_EQ(limit.remaining(), next.count - std::min(used, next.count)) << describe(next) << " " << i;
            const std::uint64_t taken = limit.take(1, 1 + random.up_to(100));
            ASSERT_EQ(limit.remaining(), next.count - std::min(used, next.count) - taken);
            limit.now += limit_time(static_cast<std::int64_t>(random.any_size_up_to(120'000'000'000)));
        }
    }
}

// ---- threads

/// Runs it on four threads at once, and adds up what they return.
template <typename Work>
std::uint64_t on_four_threads(Work work) {
    std::atomic<std::uint64_t> sum{0};
    std::atomic<int> ready{0};
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < 4; ++i) {
        threads.emplace_back([&, i] {
            for (++ready; ready < 4;) std::this_thread::yield();
            sum += work(i);
        });
    }
    threads.clear();
    return sum;
}

TEST(limit_counter, threads_at_once_take_all_there_is_and_not_one_more) {
    for (const limit_algorithm algorithm : all_algorithms) {
        for (int run = 0; run < 20; ++run) {
            counted limit(make_rule(algorithm, 10'000, 1h));
            const std::uint64_t taken = on_four_threads([&](unsigned i) {
                std::uint64_t mine = 0;
                while (const std::uint64_t more = limit.counter->take(limit.rule, limit.now, 1, 1 + i)) mine += more;
                return mine;
            });
            ASSERT_EQ(taken, 10'000u);
        }
    }
}

TEST(limit_counter, threads_that_give_back_lose_nothing_and_gain_nothing) {
    for (const limit_algorithm algorithm : all_algorithms) {
        counted limit(make_rule(algorithm, 1'000, 1h));
        const std::uint64_t kept = on_four_threads([&](unsigned i) {
            std::uint64_t mine = 0;
            for (int turn = 0; turn < 20'000; ++turn) {
                const std::uint64_t taken = limit.counter->take(limit.rule, limit.now, 1, 8);
                const std::uint64_t spent = turn % 64 == static_cast<int>(i) ? std::min<std::uint64_t>(taken, 1) : 0;
                if (taken > spent) limit.counter->give_back(limit.rule, limit.now, taken - spent);
                mine += spent;
            }
            return mine;
        });
        EXPECT_EQ(limit.remaining(), 1'000 - kept);
    }
}

/// A clock that all threads push on, and of which each sees an earlier moment than another.
TEST(limit_counter, threads_whose_clocks_differ_take_no_more_than_passes_in_that_time) {
    for (const limit_algorithm algorithm : all_algorithms) {
        const limit_rule rule = make_rule(algorithm, 50, 1ms);
        counted limit(rule);
        std::atomic<std::int64_t> clock{noon.count()};
        const std::uint64_t taken = on_four_threads([&](unsigned i) {
            std::uint64_t mine = 0;
            for (int turn = 0; turn < 100'000; ++turn) {
                const std::int64_t now = turn % 16 == 0 ? clock.fetch_add(20'000) : clock.load();
                mine += limit.counter->take(rule, limit_time(now - 30'000 * i), 1, 1 + i);
            }
            return mine;
        });
        const auto windows = static_cast<std::uint64_t>((clock.load() - noon.count()) / 1'000'000 + 1);
        EXPECT_LE(taken, 50 * (windows + 1));
        EXPECT_GE(taken, 40 * (windows - 1)) << "demand was far above the rate";
    }
}

/// Fewer changes than a counter has generations, so that no thread can sleep through all of them.
constexpr std::size_t most_changes = 250;

TEST(limit_counter, the_rule_changes_while_threads_take_and_nothing_is_lost) {
    constexpr std::uint64_t count = 25'000;
    for (const limit_algorithm algorithm : all_algorithms) {
        const limit_rule rules[] = {
            make_rule(algorithm, count, day + 7ns), make_rule(algorithm, count, 1h + 11ns),
            make_rule(algorithm, count, 365 * day - 13ns), make_rule(algorithm, count, 1s + 17ns)};
        for (int run = 0; run < 40; ++run) {
            counted limit(rules[0]);
            std::atomic<std::uint64_t> so_far{0};
            std::atomic<int> takers{3};
            const std::uint64_t taken = on_four_threads([&](unsigned i) {
                if (i == 3) {
                    for (std::size_t n = 1; takers > 0 && n <= most_changes; ++n, limit.now += 1ns) {
                        while (takers > 0 && so_far < n * 100) std::this_thread::yield();
                        limit.change(rules[n % std::size(rules)]);
                    }
                    return std::uint64_t{0};
                }
                std::uint64_t mine = 0;
                // Each goes by a rule of its own, which may be any that was ever in force.
                while (const std::uint64_t more = limit.counter->take(rules[i], noon, 1, 1 + i)) {
                    mine += more;
                    so_far += more;
                }
                --takers;
                return mine;
            });
            ASSERT_EQ(taken, count) << describe(rules[0]);
        }
    }
}

TEST(limit_counter, the_rule_changes_while_threads_look_and_they_see_one_or_the_other) {
    for (const limit_algorithm algorithm : all_algorithms) {
        const limit_rule rules[] = {make_rule(algorithm, 10, 1s), make_rule(algorithm, 1'000, 1h)};
        counted limit(rules[0]);
        ASSERT_EQ(limit.take(3), 3u);
        std::atomic<int> lookers{3};
        const std::uint64_t mixtures = on_four_threads([&](unsigned i) {
            if (i == 3) {
                for (std::size_t n = 1; lookers > 0; ++n) limit.change(rules[n % 2]);
                return std::uint64_t{0};
            }
            std::uint64_t wrong = 0;
            for (int look = 0; look < 20'000; ++look) {
                const std::uint64_t remaining = limit.counter->standing(rules[0], noon).remaining;
                const auto retry = limit.counter->refusal(rules[0], noon, 11).retry_after;
                wrong += (remaining != 7 && remaining != 997) || (retry.has_value() && retry != 0s);
            }
            --lookers;
            return wrong;
        });
        EXPECT_EQ(mixtures, 0u) << describe(rules[0]);
    }
}

TEST(limit_counter, the_rule_changes_while_windows_end_and_none_has_more_than_it_may) {
    for (const limit_algorithm algorithm : all_algorithms) {
        const limit_rule rules[] = {make_rule(algorithm, 50, 1ms), make_rule(algorithm, 50, 3ms + 1ns),
                                    make_rule(algorithm, 50, 2ms)};
        counted limit(rules[0]);
        std::atomic<std::int64_t> clock{noon.count()};
        std::atomic<int> takers{3};
        const std::uint64_t taken = on_four_threads([&](unsigned i) {
            if (i == 3) {
                for (std::size_t n = 1; takers > 0 && n <= most_changes; ++n) {
                    const std::int64_t until = clock + 700'000;
                    while (takers > 0 && clock < until) std::this_thread::yield();
                    limit.now = limit_time(clock.load());
                    limit.change(rules[n % std::size(rules)]);
                }
                return std::uint64_t{0};
            }
            std::uint64_t mine = 0;
            for (int turn = 0; turn < 50'000; ++turn) {
                const std::int64_t now = turn % 16 == 0 ? clock.fetch_add(20'000) : clock.load();
                mine += limit.counter->take(rules[i], limit_time(now - 30'000 * i), 1, 1 + i);
            }
            --takers;
            return mine;
        });
        const auto milliseconds = static_cast<std::uint64_t>((clock.load() - noon.count()) / 1'000'000 + 1);
        EXPECT_LE(taken, 50 * (milliseconds + 1));
        limit.now = limit_time(clock.load()) + 6ms;
        EXPECT_EQ(limit.take(50), 50u);
        EXPECT_FALSE(limit.passes());
    }
}

}  // namespace
}  // namespace weir
