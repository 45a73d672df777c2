#include "policy/breaker.hpp"

#include <algorithm>
#include <utility>

#include "policy/upstream_verdict.hpp"

namespace weir {
namespace {

using state = breaker_state;

constexpr std::array<std::string_view, 5> state_names{"closed", "open", "half_open", "forced_open", "disabled"};
constexpr std::array<std::string_view, breaker_failures> failure_names{"connect", "lost", "timeout", "reply", "probe"};

std::string text(std::chrono::milliseconds time) {
    const auto count = time.count();
    return count != 0 && count % 1000 == 0 ? std::to_string(count / 1000) + "s" : std::to_string(count) + "ms";
}

std::string counted(std::size_t count, std::string_view what) {
    return std::to_string(count) + ' ' + std::string(what) + (count == 1 ? "" : "s");
}

bool reaches(std::size_t part, std::size_t whole, std::size_t percent) {
    return percent != 0 && part != 0 && part * 100 >= whole * percent;
}

std::string by_whom(std::string_view what, std::string_view by) {
    return std::string(what) + " by " + std::string(by);
}

}  // namespace

std::string_view to_string(breaker_state state) {
    return state_names[static_cast<std::size_t>(state)];
}

std::string_view to_string(breaker_failure kind) {
    return failure_names[static_cast<std::size_t>(kind)];
}

breaker::breaker(const breaker_options& options, listener heard)
    : slow_over_(options.slow_over),
      probe_interval_(options.probe_interval),
      heard_(std::move(heard)),
      options_(options),
      mode_(options.mode),
      window_(options.window, options.buckets) {
    if (mode_ == breaker_mode::disabled) state_.store(state::disabled);
}

/// Runs it with the lock, at a time that does not go back, and tells of the transitions that it made.
template <class Step>
auto breaker::step(breaker_time now, Step&& body) {
    std::unique_lock guard(mutex_);
    latest_ = std::max(latest_, now);
    struct teller {
        breaker& self;
        std::unique_lock<std::mutex>& guard;
        ~teller() { self.tell_news(guard); }
    } at_end{*this, guard};
    return body();
}

/// One thread at a time, so that transitions are heard in their order; what others add meanwhile it tells as well.
void breaker::tell_news(std::unique_lock<std::mutex>& guard) {
    if (telling_) return;
    telling_ = true;
    while (!news_.empty()) {
        const auto next = std::move(news_.front());
        news_.pop_front();
        guard.unlock();
        heard_(next);
        guard.lock();
    }
    telling_ = false;
}

// Of sessions and connections

bool breaker::admit(breaker_time now) {
    return step(now, [&] {
        if (state() != state::half_open || held_ || left_to_probe_ || trials_ >= options_.half_open_commands) return false;
        ++trials_;
        return true;
    });
}

void breaker::tried(bool succeeded, breaker_time sent, breaker_time now) {
    step(now, [&] {
        if (trials_ != 0) --trials_;
        if (succeeded) ++successes_total_;
        if (state() != state::half_open || sent < changed_) return;
        if (succeeded) return succeed_half_open();
        reopen("a command failed while half-open");
    });
}

void breaker::untried() {
    const std::lock_guard guard(mutex_);
    if (trials_ != 0) --trials_;
}

void breaker::succeed(std::size_t calls, std::size_t slow, breaker_time now) {
    step(now, [&] {
        if (state() != state::closed || calls == 0) return;
        successes_total_ += calls;
        failed_in_row_ = 0;
        window_.add({.calls = calls, .failed = 0, .slow = slow}, latest_);
        if (slow != 0) judge();
    });
}

void breaker::fail(breaker_failure kind, breaker_time sent, breaker_time now) {
    step(now, [&] {
        if (state() == state::disabled) return;
        ++failures_total_[static_cast<std::size_t>(kind)];
        if (state() != state::closed || sent < changed_) return;
        ++failed_in_row_;
        count_failure(kind);
    });
}

void breaker::fall_silent(breaker_time now) {
    step(now, [&] {
        if (state() == state::closed) window_.forget_successes();
    });
}

bool breaker::is_failure(std::string_view error_line, bool writes) const {
    const std::lock_guard guard(mutex_);
    return is_failure_reply(error_line, writes, options_);
}

void breaker::probe(bool succeeded, breaker_time now) {
    step(now, [&] {
        if (state() == state::disabled) return;
        if (!succeeded) ++failures_total_[static_cast<std::size_t>(breaker_failure::probe)];
        switch (state()) {
            case state::closed:
                probes_failed_in_row_ = succeeded ? 0 : probes_failed_in_row_ + 1;
                if (!succeeded) count_failure(breaker_failure::probe);
                return;
            case state::open:
                if (!succeeded || latest_ < *opened_ + open_for_) return;
                go(state::half_open, "the probe succeeded");
                return succeed_half_open();
            case state::half_open:
                if (succeeded) return succeed_half_open();
                return reopen("the probe failed while half-open");
            case state::forced_open:
            case state::disabled:
                return;
        }
    });
}

void breaker::replay_failed(std::string_view why, breaker_time now) {
    step(now, [&] {
        if (state() == state::half_open) reopen("the replay failed: " + std::string(why));
    });
}

void breaker::hold(bool held, breaker_time now) {
    step(now, [&] {
        held_ = held;
        if (held) return;
        if (order_) return obey(*std::exchange(order_, std::nullopt));
        close_if_due();
    });
}

void breaker::start_held(breaker_time now) {
    step(now, [&] {
        held_ = true;
        if (mode_ != breaker_mode::enforce) order_ = order{state(), mode_, "as configured"};
        go(state::half_open, "writes wait to be replayed");
    });
}

void breaker::leave_to_probe() {
    if (left_to_probe_.load(std::memory_order_relaxed)) return;
    const std::lock_guard guard(mutex_);
    if (!passes()) left_to_probe_ = true;
}

bool breaker::is_only_held() const {
    const std::lock_guard guard(mutex_);
    return state() == state::half_open && held_ && (order_ || is_sure());
}

// Of the operator

void breaker::force_open(breaker_time now, std::string_view by) {
    step(now, [&] {
        operated_ = true;
        order_.reset();
        if (state() == state::forced_open) return;
        opened_ = latest_;
        go(state::forced_open, by_whom("forced open", by));
    });
}

void breaker::disable(breaker_time now, std::string_view by) {
    step(now, [&] {
        operated_ = true;
        operate({state::disabled, breaker_mode::disabled, by_whom("disabled", by)});
    });
}

void breaker::reset(breaker_time now, std::string_view by) {
    step(now, [&] {
        operated_ = false;
        if (passes()) forget();
        const bool disabled = options_.mode == breaker_mode::disabled;
        operate({disabled ? state::disabled : state::closed, options_.mode, by_whom("reset", by)});
    });
}

void breaker::dry_run(breaker_time now, std::string_view by) {
    step(now, [&] {
        operated_ = true;
        operate({state::closed, breaker_mode::dry_run, by_whom("put into dry run", by)});
    });
}

void breaker::configure(const breaker_options& options, breaker_time now) {
    step(now, [&] {
        const bool same_window = options.window == options_.window && options.buckets == options_.buckets;
        const bool same_mode = options.mode == options_.mode;
        options_ = options;
        slow_over_.store(options.slow_over, std::memory_order_relaxed);
        probe_interval_.store(options.probe_interval, std::memory_order_relaxed);
        if (!same_window) window_ = call_window(options.window, options.buckets);
        if (same_mode || operated_) return;
        const bool disabled = options.mode == breaker_mode::disabled;
        operate({disabled ? state::disabled : state::closed, options.mode, "configured anew"});
    });
}

/// Writes that wait to be replayed come first, whatever is wanted.
void breaker::operate(order wanted) {
    if (!held_ || passes()) return obey(std::move(wanted));
    if (state() != state::half_open) go(state::half_open, wanted.reason + ", once accepted writes are replayed");
    order_ = std::move(wanted);
}

void breaker::obey(order wanted) {
    mode_ = wanted.mode;
    if (state() != wanted.state) return go(wanted.state, std::move(wanted.reason));
    reason_ = std::move(wanted.reason);
}

// Of the state machine

void breaker::go(breaker_state to, std::string reason) {
    breaker_transition news{.from = state(), .to = to, .reason = reason, .dry_run = false};
    const bool passed = passes_.load(std::memory_order_relaxed);
    const bool passes = to == state::closed || to == state::disabled;
    if (to == state::open) news.open_for = open_for_;
    if (passes && !passed) news.was_away = std::chrono::floor<std::chrono::milliseconds>(latest_ - away_since_);
    if (passed && !passes) away_since_ = latest_;
    changed_ = latest_;
    reason_ = std::move(reason);
    successes_ = 0;
    if (passes) forget();
    ++transitions_total_[static_cast<std::size_t>(to)];
    state_.store(to, std::memory_order_relaxed);
    passes_.store(passes, std::memory_order_relaxed);
    if (heard_) news_.push_back(std::move(news));
}

void breaker::forget() {
    window_.clear();
    replies_failed_ = false;
    left_to_probe_ = false;
    failed_in_row_ = 0;
    probes_failed_in_row_ = 0;
    openings_ = 0;
    would_have_opened_.reset();
}

void breaker::count_failure(breaker_failure kind) {
    if (kind == breaker_failure::reply) replies_failed_ = true;
    const bool slow = kind == breaker_failure::timeout && options_.slow_over.count() != 0;
    window_.add({.calls = 1, .failed = 1, .slow = slow ? 1u : 0u}, latest_);
    judge();
}

void breaker::judge() {
    auto reason = verdict();
    if (!reason.empty()) trip(std::move(reason));
}

/// Why it should open; empty when it should not.
std::string breaker::verdict() const {
    if (options_.consecutive_failures != 0 && row() >= options_.consecutive_failures) {
        return counted(row(), "call") + " failed in a row";
    }
    const auto seen = window_.total(latest_);
    if (seen.calls < options_.minimum_calls) return {};
    const auto of = " of " + counted(seen.calls, "call");
    const auto in = " in " + text(options_.window);
    if (reaches(seen.failed, seen.calls, options_.failure_rate)) return std::to_string(seen.failed) + of + " failed" + in;
    if (options_.slow_over.count() != 0 && reaches(seen.slow, seen.calls, options_.slow_rate)) {
        return std::to_string(seen.slow) + of + " were slower than " + text(options_.slow_over) + in;
    }
    return {};
}

void breaker::trip(std::string reason) {
    if (mode_ != breaker_mode::dry_run) return reopen(std::move(reason));
    if (would_have_opened_ && latest_ < *would_have_opened_ + options_.open_for) return;
    would_have_opened_ = latest_;
    ++dry_run_openings_total_;
    if (heard_) news_.push_back({.from = state(), .to = state::open, .reason = std::move(reason), .dry_run = true});
}

void breaker::reopen(std::string reason) {
    open_for_ = next_open_for();
    ++openings_;
    opened_ = latest_;
    go(state::open, std::move(reason));
}

std::chrono::milliseconds breaker::next_open_for() const {
    const auto most = std::max(options_.open_for, options_.max_open_for);
    auto time = options_.open_for;
    for (std::size_t i = 0; i < openings_ && time < most; ++i) time = time > most / 2 ? most : time * 2;
    return time;
}

void breaker::succeed_half_open() {
    ++successes_;
    close_if_due();
}

bool breaker::is_sure() const {
    return successes_ >= std::max<std::size_t>(options_.successes_to_close, 1);
}

void breaker::close_if_due() {
    if (state() == state::half_open && !held_ && is_sure()) {
        go(state::closed, std::to_string(successes_) + (successes_ == 1 ? " success" : " successes") + " while half-open");
    }
}

breaker_numbers breaker::numbers(breaker_time now) const {
    const std::lock_guard guard(mutex_);
    now = std::max(latest_, now);
    const auto seen = window_.total(now);
    const bool open = state() == state::open;
    const auto since_opening = [&] { return std::chrono::floor<std::chrono::milliseconds>(now - *opened_); };
    breaker_numbers out;
    out.state = state();
    out.mode = mode_;
    out.reason = reason_;
    out.calls = seen.calls;
    out.failed = seen.failed;
    out.slow = seen.slow;
    out.consecutive_failures = row();
    out.half_open_successes = successes_;
    if (open) {
        out.open_for = open_for_;
        out.retry_in = std::max(open_for_ - since_opening(), std::chrono::milliseconds::zero());
    }
    if (opened_) out.opened_ago = since_opening();
    out.successes_total = successes_total_;
    out.failures_total = failures_total_;
    out.transitions_total = transitions_total_;
    out.dry_run_openings_total = dry_run_openings_total_;
    return out;
}

}  // namespace weir
