#include "policy/breaker.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/policy/breaker_model.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using state = breaker_state;
using failure = breaker_failure;

/// What users run today: Polly's and opossum's numbers, and those of five in a row.
breaker_options half_of_five() {
    return {};
}
breaker_options five_in_a_row() {
    breaker_options out;
    out.failure_rate = 0;
    out.consecutive_failures = 5;
    out.open_for = 60s;
    out.successes_to_close = 2;
    return out;
}

class breaker_test : public testing::Test {
protected:
    void make(const breaker_options& options) {
        options_ = options;
        changes_.clear();
        circuit_.emplace(options, [this](const breaker_transition& change) { changes_.push_back(change); });
    }
    void pass(std::chrono::nanoseconds time) { now_ += time; }
    void fail(std::size_t times, failure kind = failure::lost) {
        for (std::size_t i = 0; i < times; ++i) circuit_->fail(kind, now_);
    }
    void succeed(std::size_t calls, std::size_t slow = 0) { circuit_->succeed(calls, slow, now_); }
    /// By five failures, whichever of the two presets.
    void open() {
        fail(5);
        ASSERT_EQ(circuit_->state(), state::open);
    }
    /// With one success counted.
    void half_open() {
        open();
        pass(numbers().retry_in);
        circuit_->probe(true, now_);
        ASSERT_EQ(circuit_->state(), state::half_open);
    }
    breaker_numbers numbers() const { return circuit_->numbers(now_); }
    std::vector<std::string> told() const {
        std::vector<std::string> out;
        for (const auto& one : changes_) out.push_back(std::string(to_string(one.to)) + ": " + one.reason);
        return out;
    }

    breaker_options options_;
    std::optional<breaker> circuit_;
    std::vector<breaker_transition> changes_;
    breaker_time now_{1'000s};
};

// Opening

TEST_F(breaker_test, passes_until_there_is_reason_not_to) {
    make(half_of_five());
    EXPECT_TRUE(circuit_->passes());
    succeed(1'000);
    EXPECT_TRUE(circuit_->passes());
    EXPECT_FALSE(circuit_->admit(now_)) << "nobody needs to be admitted where all pass";
    EXPECT_EQ(numbers().calls, 1'000u);
    EXPECT_EQ(numbers().successes_total, 1'000u);
}

TEST_F(breaker_test, opens_at_the_rate_but_not_below) {
    make(half_of_five());
    succeed(6);
    fail(5);
    EXPECT_EQ(circuit_->state(), state::closed) << "5 of 11";
    fail(1);
    EXPECT_EQ(circuit_->state(), state::open) << "6 of 12";
    EXPECT_FALSE(circuit_->passes());
    EXPECT_THAT(told(), ElementsAre("open: 6 of 12 calls failed in 10s"));
    ASSERT_EQ(changes_.size(), 1u);
    EXPECT_EQ(changes_.front().from, state::closed);
    EXPECT_FALSE(changes_.front().dry_run);
}

TEST_F(breaker_test, a_rate_says_nothing_of_few_calls) {
    make(half_of_five());
    fail(4);
    EXPECT_EQ(circuit_->state(), state::closed);
    fail(1);
    EXPECT_EQ(circuit_->state(), state::open);
}

TEST_F(breaker_test, a_success_does_not_open_it) {
    make(half_of_five());
    fail(3);
    succeed(2);
    EXPECT_EQ(circuit_->state(), state::closed) << "3 of 5, but it is just answering";
    fail(1);
    EXPECT_EQ(circuit_->state(), state::open);
}

TEST_F(breaker_test, calls_leave_the_window) {
    make(half_of_five());
    fail(4);
    pass(10s);
    fail(4);
    EXPECT_EQ(circuit_->state(), state::closed);
    EXPECT_EQ(numbers().calls, 4u);
    fail(1);
    EXPECT_EQ(circuit_->state(), state::open);
}

TEST_F(breaker_test, failures_in_a_row_open_it_whenever_they_came) {
    make(five_in_a_row());
    for (int i = 0; i < 4; ++i) {
        fail(1);
        pass(1h);
    }
    EXPECT_EQ(circuit_->state(), state::closed);
    EXPECT_EQ(numbers().consecutive_failures, 4u);
    fail(1);
    EXPECT_EQ(circuit_->state(), state::open);
    EXPECT_THAT(told(), ElementsAre("open: 5 calls failed in a row"));
}

TEST_F(breaker_test, a_success_ends_the_row) {
    make(five_in_a_row());
    fail(4);
    succeed(1);
    fail(4);
    EXPECT_EQ(circuit_->state(), state::closed);
    EXPECT_EQ(numbers().consecutive_failures, 4u);
    fail(1);
    EXPECT_EQ(circuit_->state(), state::open);
}

TEST_F(breaker_test, a_thousand_failures_in_between_do_not_open_what_counts_rows) {
    make(five_in_a_row());
    for (int i = 0; i < 1'000; ++i) {
        fail(4);
        succeed(1);
    }
    EXPECT_EQ(circuit_->state(), state::closed);
}

TEST_F(breaker_test, slow_calls_open_it_where_any_is_slow) {
    auto options = half_of_five();
    options.slow_over = 100ms;
    options.slow_rate = 80;
    make(options);
    EXPECT_FALSE(circuit_->is_slow(100ms));
    EXPECT_TRUE(circuit_->is_slow(100ms + 1us));
    succeed(2);
    succeed(7, 7);
    EXPECT_EQ(circuit_->state(), state::closed) << "7 of 9";
    succeed(1, 1);
    EXPECT_EQ(circuit_->state(), state::open);
    EXPECT_THAT(told(), ElementsAre("open: 8 of 10 calls were slower than 100ms in 10s"));
}

TEST_F(breaker_test, remembers_until_it_closes_that_the_server_said_no) {
    make(half_of_five());
    fail(1, failure::lost);
    EXPECT_FALSE(circuit_->replies_failed());
    fail(1, failure::reply);
    EXPECT_TRUE(circuit_->replies_failed());
    succeed(1'000);
    pass(1h);
    EXPECT_TRUE(circuit_->replies_failed());
    circuit_->reset(now_, "me");
    EXPECT_FALSE(circuit_->replies_failed());
}

TEST_F(breaker_test, no_call_is_slow_where_none_is_to_be) {
    make(half_of_five());
    EXPECT_FALSE(circuit_->is_slow(1h));
    succeed(100, 100);
    EXPECT_EQ(circuit_->state(), state::closed);
}

TEST_F(breaker_test, a_time_out_is_slow) {
    auto options = half_of_five();
    options.failure_rate = 0;
    options.slow_over = 1s;
    options.slow_rate = 100;
    make(options);
    fail(4, failure::timeout);
    EXPECT_EQ(numbers().slow, 4u);
    fail(1, failure::connect);
    EXPECT_EQ(circuit_->state(), state::closed);
    pass(10s);
    fail(5, failure::timeout);
    EXPECT_EQ(circuit_->state(), state::open);
}

TEST_F(breaker_test, successes_before_it_fell_silent_do_not_keep_it_closed) {
    make(half_of_five());
    succeed(10'000);
    fail(2, failure::timeout);
    circuit_->fall_silent(now_);
    EXPECT_EQ(numbers().calls, 2u);
    fail(2, failure::timeout);
    circuit_->fall_silent(now_);
    EXPECT_EQ(numbers().calls, 4u) << "another connection's failures count";
    EXPECT_EQ(circuit_->state(), state::closed);
    fail(1, failure::timeout);
    EXPECT_EQ(circuit_->state(), state::open);
}

TEST_F(breaker_test, failed_probes_open_it_without_any_call) {
    make(half_of_five());
    for (int i = 0; i < 5; ++i, pass(1s)) circuit_->probe(false, now_);
    EXPECT_EQ(circuit_->state(), state::open);
    EXPECT_EQ(numbers().failures_total[static_cast<std::size_t>(failure::probe)], 5u);
}

TEST_F(breaker_test, a_probe_that_succeeds_neither_counts_as_a_call_nor_excuses_one) {
    make(five_in_a_row());
    for (int i = 0; i < 5; ++i, pass(1s)) {
        circuit_->probe(true, now_);
        EXPECT_EQ(numbers().successes_total, 0u);
        EXPECT_EQ(circuit_->state(), state::closed);
        fail(1);
    }
    EXPECT_EQ(circuit_->state(), state::open);
}

TEST_F(breaker_test, failed_probes_far_apart_do_not_add_up) {
    make(five_in_a_row());
    for (int i = 0; i < 100; ++i, pass(1h)) {
        circuit_->probe(false, now_);
        circuit_->probe(true, now_);
    }
    EXPECT_EQ(circuit_->state(), state::closed);
}

// Open

TEST_F(breaker_test, open_lets_nobody_through_and_counts_totals_only) {
    make(half_of_five());
    open();
    const auto before = numbers();
    EXPECT_FALSE(circuit_->admit(now_));
    succeed(100);
    fail(3, failure::timeout);
    EXPECT_EQ(numbers().calls, before.calls);
    EXPECT_EQ(numbers().successes_total, 0u);
    EXPECT_EQ(numbers().failures_total[static_cast<std::size_t>(failure::timeout)], 3u);
    EXPECT_EQ(numbers().open_for, 30s);
    EXPECT_EQ(numbers().retry_in, 30s);
    EXPECT_EQ(*numbers().opened_ago, 0ms);
    pass(12s + 1us);
    EXPECT_EQ(numbers().retry_in, 18s) << "never less than what is left";
    EXPECT_EQ(*numbers().opened_ago, 12s);
    pass(1h);
    EXPECT_EQ(numbers().retry_in, 0ms);
    EXPECT_FALSE(circuit_->admit(now_)) << "no client tries it";
}

TEST_F(breaker_test, is_tried_by_the_probe_alone_when_its_time_is_over) {
    for (const auto& options : {half_of_five(), five_in_a_row()}) {
        make(options);
        open();
        circuit_->probe(true, now_);
        pass(options.open_for - 1ns);
        circuit_->probe(true, now_);
        EXPECT_EQ(circuit_->state(), state::open);
        pass(1ns);
        circuit_->probe(false, now_);
        EXPECT_EQ(circuit_->state(), state::open);
        circuit_->probe(true, now_);
        EXPECT_EQ(circuit_->state(), state::half_open);
        EXPECT_EQ(numbers().half_open_successes, 1u);
        EXPECT_FALSE(circuit_->passes());
        circuit_->probe(true, now_);
        EXPECT_EQ(circuit_->state(), state::closed);
        EXPECT_THAT(told(), ElementsAre(HasSubstr("failed"), "half_open: the probe succeeded", "closed: 2 successes while half-open"));
        EXPECT_EQ(changes_.front().open_for, options.open_for);
        EXPECT_EQ(changes_.back().was_away, options.open_for);
        EXPECT_EQ(numbers().calls, 0u) << "starts anew";
        EXPECT_EQ(numbers().consecutive_failures, 0u);
    }
}

TEST_F(breaker_test, one_success_may_be_enough) {
    auto options = half_of_five();
    for (const std::size_t needed : {0, 1}) {
        options.successes_to_close = needed;
        make(options);
        open();
        pass(30s);
        circuit_->probe(true, now_);
        EXPECT_EQ(circuit_->state(), state::closed);
        EXPECT_THAT(told(), ElementsAre(HasSubstr("failed"), "half_open: the probe succeeded", "closed: 1 success while half-open"));
    }
}

TEST_F(breaker_test, stays_open_twice_as_long_each_time_up_to_the_most) {
    make(half_of_five());
    half_open();
    for (const auto wanted : {60s, 120s, 240s, 300s, 300s}) {
        circuit_->probe(false, now_);
        ASSERT_EQ(circuit_->state(), state::open);
        EXPECT_EQ(numbers().open_for, wanted);
        pass(wanted - 1ns);
        circuit_->probe(true, now_);
        ASSERT_EQ(circuit_->state(), state::open);
        pass(1ns);
        circuit_->probe(true, now_);
        ASSERT_EQ(circuit_->state(), state::half_open);
    }
    circuit_->probe(true, now_);
    ASSERT_EQ(circuit_->state(), state::closed);
    open();
    EXPECT_EQ(numbers().open_for, 30s) << "it has been closed in between";
}

TEST_F(breaker_test, a_most_below_the_first_time_does_not_shorten_it) {
    auto options = half_of_five();
    options.max_open_for = 1s;
    make(options);
    half_open();
    circuit_->probe(false, now_);
    EXPECT_EQ(numbers().open_for, 30s);
}

// Half-open

TEST_F(breaker_test, admits_so_many_at_a_time) {
    auto options = half_of_five();
    options.half_open_commands = 3;
    options.successes_to_close = 100;
    make(options);
    half_open();
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(circuit_->admit(now_));
    EXPECT_FALSE(circuit_->admit(now_));
    circuit_->untried();
    EXPECT_TRUE(circuit_->admit(now_));
    EXPECT_FALSE(circuit_->admit(now_));
    circuit_->tried(true, now_, now_);
    EXPECT_EQ(numbers().half_open_successes, 2u);
    EXPECT_EQ(numbers().successes_total, 1u);
    EXPECT_TRUE(circuit_->admit(now_));
    EXPECT_FALSE(circuit_->admit(now_));
}

TEST_F(breaker_test, trials_close_it) {
    make(five_in_a_row());
    half_open();
    ASSERT_TRUE(circuit_->admit(now_));
    circuit_->tried(true, now_, now_ + 5ms);
    EXPECT_EQ(circuit_->state(), state::closed);
}

TEST_F(breaker_test, one_failed_trial_opens_it_again) {
    make(half_of_five());
    half_open();
    ASSERT_TRUE(circuit_->admit(now_));
    circuit_->fail(failure::timeout, now_);
    EXPECT_EQ(circuit_->state(), state::half_open) << "the total alone";
    circuit_->tried(false, now_, now_);
    EXPECT_EQ(circuit_->state(), state::open);
    EXPECT_EQ(numbers().reason, "a command failed while half-open");
    EXPECT_EQ(numbers().retry_in, 60s);
}

TEST_F(breaker_test, trials_that_never_end_do_not_keep_it_from_closing) {
    auto options = half_of_five();
    options.half_open_commands = 2;
    options.successes_to_close = 3;
    make(options);
    half_open();
    ASSERT_TRUE(circuit_->admit(now_));
    ASSERT_TRUE(circuit_->admit(now_));
    circuit_->probe(true, now_);
    circuit_->probe(true, now_);
    EXPECT_EQ(circuit_->state(), state::closed);
}

TEST_F(breaker_test, an_answer_to_what_was_sent_earlier_says_nothing_of_now) {
    auto options = half_of_five();
    options.half_open_commands = 2;
    make(options);
    half_open();
    const auto sent = now_;
    ASSERT_TRUE(circuit_->admit(now_));
    ASSERT_TRUE(circuit_->admit(now_));
    pass(1ms);
    circuit_->probe(false, now_);
    pass(60s);
    circuit_->probe(true, now_);
    ASSERT_EQ(circuit_->state(), state::half_open);
    EXPECT_FALSE(circuit_->admit(now_)) << "both are still under way";
    circuit_->tried(false, sent, now_);
    EXPECT_EQ(circuit_->state(), state::half_open);
    circuit_->tried(true, sent, now_);
    EXPECT_EQ(numbers().half_open_successes, 1u);
    EXPECT_TRUE(circuit_->admit(now_));
    circuit_->tried(true, now_, now_);
    EXPECT_EQ(circuit_->state(), state::closed);
}

TEST_F(breaker_test, failures_of_what_was_sent_before_it_closed_do_not_open_it_again) {
    make(half_of_five());
    const auto sent = now_;
    half_open();
    circuit_->probe(true, now_);
    ASSERT_EQ(circuit_->state(), state::closed);
    for (int i = 0; i < 10; ++i) circuit_->fail(failure::timeout, sent, now_);
    EXPECT_EQ(circuit_->state(), state::closed);
    EXPECT_EQ(numbers().calls, 0u);
    EXPECT_EQ(numbers().failures_total[static_cast<std::size_t>(failure::timeout)], 10u);
    for (int i = 0; i < 5; ++i) circuit_->fail(failure::timeout, now_, now_);
    EXPECT_EQ(circuit_->state(), state::open);
}

// Held

TEST_F(breaker_test, what_is_left_to_the_probe_closes_by_it_alone_and_the_next_time_is_another) {
    make(half_of_five());
    circuit_->leave_to_probe();
    open();
    circuit_->leave_to_probe();
    pass(numbers().retry_in);
    circuit_->probe(true, now_);
    ASSERT_EQ(circuit_->state(), state::half_open);
    EXPECT_FALSE(circuit_->admit(now_));
    circuit_->probe(true, now_);
    EXPECT_EQ(circuit_->state(), state::closed);
    half_open();
    EXPECT_TRUE(circuit_->admit(now_));
}

TEST_F(breaker_test, what_is_said_while_it_passes_leaves_nothing_to_the_probe) {
    make(half_of_five());
    circuit_->leave_to_probe();
    half_open();
    EXPECT_TRUE(circuit_->admit(now_));
}

TEST_F(breaker_test, while_held_it_admits_nobody_and_does_not_close) {
    make(half_of_five());
    open();
    circuit_->hold(true, now_);
    EXPECT_FALSE(circuit_->is_only_held());
    pass(30s);
    circuit_->probe(true, now_);
    EXPECT_EQ(circuit_->state(), state::half_open);
    EXPECT_FALSE(circuit_->is_only_held()) << "one success is not enough";
    EXPECT_FALSE(circuit_->admit(now_));
    circuit_->probe(true, now_);
    EXPECT_EQ(circuit_->state(), state::half_open);
    EXPECT_TRUE(circuit_->is_only_held());
    EXPECT_FALSE(circuit_->passes());
    circuit_->hold(false, now_);
    EXPECT_EQ(circuit_->state(), state::closed);
    EXPECT_FALSE(circuit_->is_only_held());
}

TEST_F(breaker_test, the_end_of_a_hold_too_early_leaves_it_half_open) {
    make(half_of_five());
    open();
    circuit_->hold(true, now_);
    pass(30s);
    circuit_->probe(true, now_);
    circuit_->hold(false, now_);
    EXPECT_EQ(circuit_->state(), state::half_open);
    EXPECT_TRUE(circuit_->admit(now_));
}

TEST_F(breaker_test, a_failure_opens_it_while_held_too) {
    make(half_of_five());
    half_open();
    circuit_->hold(true, now_);
    circuit_->probe(true, now_);
    ASSERT_TRUE(circuit_->is_only_held());
    circuit_->probe(false, now_);
    EXPECT_EQ(circuit_->state(), state::open);
    EXPECT_FALSE(circuit_->is_only_held());
    circuit_->hold(false, now_);
    EXPECT_EQ(circuit_->state(), state::open);
}

TEST_F(breaker_test, what_the_operator_wants_waits_for_the_end_of_the_hold) {
    using verb = void (breaker::*)(breaker_time, std::string_view);
    for (const auto& [verb_of_it, wanted] : {std::pair<verb, state>{&breaker::reset, state::closed},
                                             {&breaker::disable, state::disabled},
                                             {&breaker::dry_run, state::closed}}) {
        make(half_of_five());
        open();
        circuit_->hold(true, now_);
        ((*circuit_).*verb_of_it)(now_, "me");
        EXPECT_EQ(circuit_->state(), state::half_open);
        EXPECT_TRUE(circuit_->is_only_held());
        EXPECT_THAT(numbers().reason, HasSubstr("once accepted writes are replayed"));
        circuit_->probe(false, now_);
        EXPECT_EQ(circuit_->state(), state::open) << "nothing can be replayed";
        pass(numbers().retry_in);
        circuit_->probe(true, now_);
        circuit_->probe(true, now_);
        EXPECT_TRUE(circuit_->is_only_held());
        circuit_->hold(false, now_);
        EXPECT_EQ(circuit_->state(), wanted);
        EXPECT_TRUE(circuit_->passes());
        EXPECT_THAT(numbers().reason, HasSubstr("by me"));
    }
}

TEST_F(breaker_test, forcing_it_open_takes_back_what_was_wanted_before) {
    make(half_of_five());
    open();
    circuit_->hold(true, now_);
    circuit_->reset(now_, "me");
    circuit_->force_open(now_, "me");
    circuit_->hold(false, now_);
    EXPECT_EQ(circuit_->state(), state::forced_open);
}

TEST_F(breaker_test, a_hold_does_nothing_while_it_passes) {
    make(half_of_five());
    circuit_->hold(true, now_);
    circuit_->disable(now_, "me");
    EXPECT_EQ(circuit_->state(), state::disabled);
    circuit_->reset(now_, "me");
    EXPECT_EQ(circuit_->state(), state::closed);
}

// The operator

TEST_F(breaker_test, forced_open_ends_by_the_operator_alone) {
    make(half_of_five());
    circuit_->force_open(now_, "the operator");
    EXPECT_EQ(circuit_->state(), state::forced_open);
    EXPECT_FALSE(circuit_->passes());
    EXPECT_FALSE(circuit_->admit(now_));
    pass(24h);
    circuit_->probe(true, now_);
    circuit_->probe(true, now_);
    circuit_->hold(true, now_);
    circuit_->hold(false, now_);
    auto options = options_;
    options.mode = breaker_mode::disabled;
    circuit_->configure(options, now_);
    EXPECT_EQ(circuit_->state(), state::forced_open);
    EXPECT_EQ(numbers().retry_in, 0ms);
    EXPECT_EQ(numbers().opened_ago, 24h);
    circuit_->force_open(now_, "the operator");
    circuit_->configure(options_, now_);
    circuit_->reset(now_, "the operator");
    EXPECT_EQ(circuit_->state(), state::closed);
    EXPECT_THAT(told(), ElementsAre("forced_open: forced open by the operator", "closed: reset by the operator"));
    EXPECT_EQ(numbers().transitions_total[static_cast<std::size_t>(state::forced_open)], 1u);
}

TEST_F(breaker_test, disabled_counts_nothing_and_never_opens) {
    make(half_of_five());
    circuit_->disable(now_, "me");
    fail(100);
    succeed(7);
    for (int i = 0; i < 10; ++i) circuit_->probe(false, now_);
    EXPECT_EQ(circuit_->state(), state::disabled);
    EXPECT_TRUE(circuit_->passes());
    EXPECT_EQ(numbers().calls, 0u);
    EXPECT_EQ(numbers().successes_total, 0u);
    EXPECT_EQ(numbers().failures_total, decltype(breaker_numbers::failures_total){});
    EXPECT_EQ(numbers().mode, breaker_mode::disabled);
    circuit_->reset(now_, "me");
    EXPECT_EQ(numbers().mode, breaker_mode::enforce);
    open();
}

TEST_F(breaker_test, disabling_ends_an_outage_at_once) {
    make(half_of_five());
    open();
    circuit_->disable(now_, "me");
    EXPECT_TRUE(circuit_->passes());
}

TEST_F(breaker_test, a_dry_run_says_when_it_would_open_and_never_does) {
    make(half_of_five());
    circuit_->dry_run(now_, "me");
    fail(100);
    EXPECT_TRUE(circuit_->passes());
    EXPECT_EQ(numbers().dry_run_openings_total, 1u) << "not each time, but once in open_for";
    EXPECT_EQ(numbers().calls, 100u);
    EXPECT_THAT(told(), ElementsAre("open: 5 of 5 calls failed in 10s"));
    EXPECT_TRUE(changes_.front().dry_run);
    pass(30s - 1ns);
    fail(10);
    EXPECT_EQ(numbers().dry_run_openings_total, 1u);
    pass(1ns);
    fail(1);
    EXPECT_EQ(numbers().dry_run_openings_total, 2u);
    EXPECT_EQ(numbers().transitions_total[static_cast<std::size_t>(state::open)], 0u);
    circuit_->reset(now_, "me");
    EXPECT_EQ(numbers().calls, 0u) << "forgotten";
    open();
}

TEST_F(breaker_test, a_dry_run_closes_what_is_open) {
    make(half_of_five());
    open();
    circuit_->dry_run(now_, "me");
    EXPECT_EQ(circuit_->state(), state::closed);
    EXPECT_EQ(numbers().mode, breaker_mode::dry_run);
}

TEST_F(breaker_test, reset_forgets_how_often_it_opened) {
    make(half_of_five());
    half_open();
    circuit_->probe(false, now_);
    ASSERT_EQ(numbers().open_for, 60s);
    circuit_->reset(now_, "me");
    EXPECT_EQ(circuit_->state(), state::closed);
    open();
    EXPECT_EQ(numbers().open_for, 30s);
    EXPECT_EQ(numbers().transitions_total[static_cast<std::size_t>(state::open)], 3u) << "totals stay";
}

TEST_F(breaker_test, starts_in_the_configured_mode) {
    auto options = half_of_five();
    options.mode = breaker_mode::disabled;
    make(options);
    EXPECT_EQ(circuit_->state(), state::disabled);
    EXPECT_TRUE(circuit_->passes());
    circuit_->force_open(now_, "me");
    circuit_->reset(now_, "me");
    EXPECT_EQ(circuit_->state(), state::disabled);
    options.mode = breaker_mode::dry_run;
    make(options);
    fail(10);
    EXPECT_TRUE(circuit_->passes());
    EXPECT_EQ(numbers().dry_run_openings_total, 1u);
}

// Another configuration

TEST_F(breaker_test, keeps_what_it_counted_where_the_window_stays) {
    make(half_of_five());
    fail(4);
    auto options = options_;
    options.failure_rate = 90;
    circuit_->configure(options, now_);
    EXPECT_EQ(numbers().calls, 4u);
    options.window = 20s;
    circuit_->configure(options, now_);
    EXPECT_EQ(numbers().calls, 0u);
    fail(4);
    EXPECT_EQ(circuit_->state(), state::closed);
    fail(1);
    EXPECT_EQ(circuit_->state(), state::open);
}

TEST_F(breaker_test, a_configured_mode_takes_effect_at_once) {
    make(half_of_five());
    open();
    auto options = options_;
    options.mode = breaker_mode::disabled;
    circuit_->configure(options, now_);
    EXPECT_EQ(circuit_->state(), state::disabled);
    options.mode = breaker_mode::dry_run;
    circuit_->configure(options, now_);
    EXPECT_EQ(circuit_->state(), state::closed);
    fail(10);
    EXPECT_EQ(circuit_->state(), state::closed);
    options.mode = breaker_mode::enforce;
    circuit_->configure(options, now_);
    fail(1);
    EXPECT_EQ(circuit_->state(), state::open) << "what was counted meanwhile stays";
}

TEST_F(breaker_test, other_meanings_count_from_now_on) {
    make(half_of_five());
    auto options = options_;
    options.slow_over = 10ms;
    options.probe_interval = 7ms;
    options.failure_replies = {"OOM"};
    EXPECT_EQ(circuit_->probe_interval(), 1s);
    EXPECT_FALSE(circuit_->is_failure("-OOM command not allowed", true));
    circuit_->configure(options, now_);
    EXPECT_TRUE(circuit_->is_slow(11ms));
    EXPECT_EQ(circuit_->probe_interval(), 7ms);
    EXPECT_TRUE(circuit_->is_failure("-OOM command not allowed", true));
}

// Others

TEST_F(breaker_test, a_time_that_goes_back_is_the_latest) {
    make(half_of_five());
    open();
    pass(29s);
    circuit_->probe(true, now_);
    circuit_->probe(true, now_ - 100s);
    EXPECT_EQ(circuit_->numbers(now_ - 100s).retry_in, 1s);
    pass(1s);
    circuit_->probe(true, now_ - 1ns);
    EXPECT_EQ(circuit_->state(), state::open);
    circuit_->probe(true, now_);
    EXPECT_EQ(circuit_->state(), state::half_open);
}

TEST_F(breaker_test, who_listens_may_call_it_and_hears_all_in_order) {
    std::vector<state> heard;
    std::optional<breaker> circuit;
    circuit.emplace(half_of_five(), [&](const breaker_transition& change) {
        heard.push_back(change.to);
        if (change.to == state::open) circuit->hold(true, now_);
        if (change.to == state::half_open && circuit->is_only_held()) heard.push_back(state::disabled);
        if (change.to == state::half_open) circuit->hold(false, now_);
    });
    for (int i = 0; i < 5; ++i) circuit->fail(failure::connect, now_);
    circuit->reset(now_, "me");
    EXPECT_THAT(heard, ElementsAre(state::open, state::half_open, state::disabled, state::closed));
}

TEST(breaker_names_test, are_those_of_metrics_and_errors) {
    EXPECT_EQ(to_string(state::closed), "closed");
    EXPECT_EQ(to_string(state::open), "open");
    EXPECT_EQ(to_string(state::half_open), "half_open");
    EXPECT_EQ(to_string(state::forced_open), "forced_open");
    EXPECT_EQ(to_string(state::disabled), "disabled");
    EXPECT_EQ(to_string(failure::connect), "connect");
    EXPECT_EQ(to_string(failure::probe), "probe");
}

// Beside the model

class history {
public:
    history(std::uint32_t seed, const breaker_options& options)
        : random_(seed), options_(options), model_(options), circuit_(options, [this](const breaker_transition& change) {
              if (change.dry_run) return;
              entered_.push_back(change.to);
          }) {}

    void run(int steps) {
        for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
            step();
            compare();
        }
    }
    static breaker_options any_options(std::mt19937& random) {
        const auto any = [&](auto... values) {
            const std::array<std::int64_t, sizeof...(values)> all{values...};
            return all[random() % all.size()];
        };
        breaker_options out;
        out.mode = any(0, 0, 0, 0, 0, 1, 2) == 0 ? breaker_mode::enforce : any(0, 1) == 0 ? breaker_mode::dry_run : breaker_mode::disabled;
        out.window = std::chrono::milliseconds(any(1, 100, 1'000, 10'000, 60'000));
        out.buckets = static_cast<std::size_t>(any(1, 2, 3, 10, 60));
        out.failure_rate = static_cast<std::size_t>(any(0, 1, 33, 50, 51, 99, 100));
        out.minimum_calls = static_cast<std::size_t>(any(0, 1, 2, 5, 20));
        out.consecutive_failures = static_cast<std::size_t>(any(0, 0, 1, 3, 5));
        out.slow_over = std::chrono::milliseconds(any(0, 0, 10));
        out.slow_rate = static_cast<std::size_t>(any(1, 50, 100));
        out.open_for = std::chrono::milliseconds(any(1, 500, 30'000));
        out.max_open_for = std::chrono::milliseconds(any(1, 1'000, 1'700, 300'000));
        out.half_open_commands = static_cast<std::size_t>(any(0, 1, 3, 10));
        out.successes_to_close = static_cast<std::size_t>(any(0, 1, 2, 5));
        return out;
    }
    [[nodiscard]] std::size_t transitions() const { return entered_.size(); }

private:
    std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }

    void pass_time() {
        static constexpr std::array<std::chrono::nanoseconds, 10> steps{0ns, 0ns, 1ns, 1ms, 20ms, 300ms, 1s, 5s, 30s, 70s};
        now_ += steps[below(steps.size())];
        if (below(60) == 0) now_ += model_.remaining(now_);
        if (below(400) == 0) now_ += 240h;
    }
    /// Mostly now; sometimes another thread's clock, or an outcome that is late.
    breaker_time seen() {
        if (below(20) == 0) return now_ - std::chrono::milliseconds(below(2'000));
        return now_;
    }

    void step() {
        pass_time();
        const auto now = seen();
        // Redis is up or away for a while, so that rows and recoveries come about.
        if (below(25) == 0) up_ = !up_;
        const bool good = below(10) == 0 ? !up_ : up_;
        switch (below(20)) {
            case 0: case 1: case 2: case 3: case 4: {
                if (!good) return fail(now);
                const std::size_t calls = below(8);
                const std::size_t slow = below(3) == 0 ? below(static_cast<std::uint32_t>(calls) + 1) : 0;
                model_.succeed(calls, slow, now);
                return circuit_.succeed(calls, slow, now);
            }
            case 5: case 6: case 7:
                return fail(now);
            case 8: case 9: case 10: case 11:
                model_.probe(good, now);
                return circuit_.probe(good, now);
            case 12: case 13: case 14: {
                const bool expected = model_.admit(now);
                EXPECT_EQ(circuit_.admit(now), expected);
                if (expected) trials_.push_back(now);
                return;
            }
            case 15: case 16:
                return end_trial(good, now);
            case 17: {
                if (below(2) == 0) return end_trial(good, now);
                model_.fall_silent(now);
                return circuit_.fall_silent(now);
            }
            case 18: {
                const bool held = below(2) == 0;
                model_.hold(held, now);
                return circuit_.hold(held, now);
            }
            default:
                return operate(now);
        }
    }
    void fail(breaker_time now) {
        const auto kind = static_cast<failure>(below(breaker_failures - 1));
        const auto sent = below(4) == 0 ? now_ - std::chrono::milliseconds(below(5'000)) : now;
        model_.fail(kind, sent, now);
        circuit_.fail(kind, sent, now);
    }
    void end_trial(bool good, breaker_time now) {
        if (trials_.empty()) return;
        const auto which = below(static_cast<std::uint32_t>(trials_.size()));
        const auto sent = trials_[which];
        trials_.erase(trials_.begin() + which);
        if (below(5) == 0) {
            model_.untried();
            return circuit_.untried();
        }
        model_.tried(good, sent, now);
        circuit_.tried(good, sent, now);
    }
    void operate(breaker_time now) {
        switch (below(12)) {
            case 0: model_.force_open(now); return circuit_.force_open(now, "x");
            case 1: model_.disable(now); return circuit_.disable(now, "x");
            case 2: model_.dry_run(now); return circuit_.dry_run(now, "x");
            case 3: {
                auto other = any_options(random_);
                if (below(2) == 0) other.mode = options_.mode;
                options_ = other;
                model_.configure(other, now);
                return circuit_.configure(other, now);
            }
            case 4: case 5: case 6: case 7: model_.reset(now); return circuit_.reset(now, "x");
            default: return;
        }
    }
    void compare() {
        const auto seen = circuit_.numbers(now_);
        ASSERT_EQ(seen.state, model_.state) << to_string(seen.state) << " instead of " << to_string(model_.state);
        ASSERT_EQ(circuit_.state(), model_.state);
        ASSERT_EQ(circuit_.passes(), model_.passes());
        ASSERT_EQ(seen.mode, model_.mode);
        ASSERT_EQ(seen.calls, model_.calls(now_));
        ASSERT_EQ(seen.failed, model_.failed(now_));
        ASSERT_EQ(seen.slow, model_.slow(now_));
        ASSERT_EQ(seen.consecutive_failures, model_.in_a_row());
        ASSERT_EQ(seen.half_open_successes, model_.successes);
        ASSERT_EQ(seen.retry_in, model_.remaining(now_));
        ASSERT_EQ(seen.successes_total, model_.good_calls);
        std::uint64_t failures = 0;
        for (const auto one : seen.failures_total) failures += one;
        ASSERT_EQ(failures, model_.bad_calls);
        ASSERT_EQ(seen.dry_run_openings_total, model_.dry_run_openings);
        ASSERT_EQ(circuit_.is_only_held(), model_.is_only_held());
        ASSERT_EQ(entered_, model_.entered);
    }

    std::mt19937 random_;
    breaker_options options_;
    test::breaker_model model_;
    breaker circuit_;
    std::vector<state> entered_;
    std::vector<breaker_time> trials_;
    breaker_time now_{1'000'000s};
    bool up_ = true;
};

TEST(breaker_model_test, both_presets_agree_with_the_model) {
    for (const auto& options : {half_of_five(), five_in_a_row()}) {
        std::size_t transitions = 0;
        for (std::uint32_t seed = 0; seed < 200; ++seed) {
            history one(seed, options);
            one.run(300);
            ASSERT_FALSE(HasFailure()) << "seed " << seed;
            transitions += one.transitions();
        }
        EXPECT_GT(transitions, 500u) << "a test of nothing";
    }
}

TEST(breaker_model_test, any_options_agree_with_the_model) {
    std::size_t transitions = 0;
    for (std::uint32_t seed = 0; seed < 3'000; ++seed) {
        std::mt19937 random(seed);
        history one(seed, history::any_options(random));
        one.run(150);
        ASSERT_FALSE(HasFailure()) << "seed " << seed;
        transitions += one.transitions();
    }
    EXPECT_GT(transitions, 10'000u);
}

// Threads

TEST(breaker_threads_test, never_more_trials_than_allowed_and_every_transition_follows_from_the_one_before) {
    breaker_options options;
    options.open_for = 1ms;
    options.max_open_for = 2ms;
    options.half_open_commands = 3;
    options.successes_to_close = 8;
    std::vector<breaker_transition> heard;
    std::atomic<int> listeners{0};
    std::atomic<std::int64_t> tick{1'000'000'000};
    const auto now = [&] { return breaker_time(std::chrono::microseconds(tick.fetch_add(1))); };
    breaker circuit(options, [&](const breaker_transition& change) {
        EXPECT_EQ(listeners.fetch_add(1), 0) << "one at a time";
        heard.push_back(change);
        listeners.fetch_sub(1);
    });
    std::atomic<int> under_way{0};
    std::atomic<int> most{0};
    const auto body = [&](std::uint32_t seed) {
        std::mt19937 random(seed);
        for (int i = 0; i < 30'000; ++i) {
            const bool good = random() % 8 != 0;
            if (circuit.passes()) {
                good ? circuit.succeed(1 + random() % 3, 0, now()) : circuit.fail(failure::lost, now());
                if (random() % 16 == 0) circuit.fail(failure::timeout, now());
            } else if (const auto sent = now(); circuit.admit(sent)) {
                const int others = under_way.fetch_add(1);
                for (int seen = most.load(); seen < others + 1 && !most.compare_exchange_weak(seen, others + 1);) {
                }
                const bool ends = random() % 10 != 0;
                under_way.fetch_sub(1);
                ends ? circuit.tried(random() % 40 != 0, sent, now()) : circuit.untried();
            }
            if (random() % 4 == 0) circuit.probe(random() % 10 != 0, now());
            if (random() % 64 == 0) circuit.hold(random() % 2 == 0, now());
            if (random() % 512 == 0) circuit.force_open(now(), "x");
            if (random() % 64 == 0 && circuit.state() == state::forced_open) circuit.reset(now(), "x");
            if (random() % 64 == 0) (void)circuit.numbers(now());
            if (random() % 8 == 0 && !circuit.passes()) {
                tick.fetch_add(100);
                if (seed == 0) circuit.fail(failure::connect, now());
            }
            // More than half fail at times, so that it opens.
            if (i % 500 < 20) circuit.fail(failure::reply, now());
        }
    };
    {
        std::vector<std::jthread> threads;
        for (std::uint32_t seed = 0; seed < 4; ++seed) threads.emplace_back(body, seed);
    }
    EXPECT_LE(most.load(), 3);
    EXPECT_GT(most.load(), 0);
    ASSERT_GT(heard.size(), 10u);
    for (std::size_t i = 1; i < heard.size(); ++i) ASSERT_EQ(heard[i].from, heard[i - 1].to) << i;
    EXPECT_EQ(heard.back().to, circuit.state());
    const auto numbers = circuit.numbers(now());
    std::array<std::uint64_t, 5> counted{};
    for (const auto& one : heard) ++counted[static_cast<std::size_t>(one.to)];
    EXPECT_EQ(numbers.transitions_total, counted);
    EXPECT_GT(counted[static_cast<std::size_t>(state::half_open)], 0u);
    EXPECT_GT(counted[static_cast<std::size_t>(state::closed)], 0u);
}

}  // namespace
}  // namespace weir
