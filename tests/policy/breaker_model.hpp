#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "policy/breaker.hpp"

namespace weir::test {

/// What a breaker has to do, written down as plainly as it can be: it keeps everything that ever happened and counts anew
/// whenever it is asked. One thread.
class breaker_model {
public:
    explicit breaker_model(const breaker_options& configured) : options(configured), mode(configured.mode) {
        if (mode == breaker_mode::disabled) state = breaker_state::disabled;
    }

    breaker_options options;
    breaker_state state = breaker_state::closed;
    breaker_mode mode;
    std::size_t successes = 0;
    std::vector<breaker_state> entered;  ///< every state that was gone into
    std::size_t dry_run_openings = 0;
    std::uint64_t good_calls = 0;
    std::uint64_t bad_calls = 0;
    std::size_t under_way = 0;

    bool passes() const { return state == breaker_state::closed || state == breaker_state::disabled; }

    bool admit(breaker_time now) {
        see(now);
        if (state != breaker_state::half_open || held || under_way >= options.half_open_commands) return false;
        ++under_way;
        return true;
    }
    void tried(bool good, breaker_time sent, breaker_time now) {
        see(now);
        --under_way;
        if (good) ++good_calls;
        if (state != breaker_state::half_open || sent < since) return;
        good ? count_success() : open();
    }
    void untried() { --under_way; }
    void succeed(std::size_t calls, std::size_t slow, breaker_time now) {
        see(now);
        if (state != breaker_state::closed) return;
        good_calls += calls;
        if (calls == 0) return;
        for (std::size_t i = 0; i < calls; ++i) history.push_back({time, false, i < slow, false});
        if (slow > 0 && (too_many_in_a_row() || rates_too_high())) threshold();
    }
    void fail(breaker_failure kind, breaker_time sent, breaker_time now) {
        see(now);
        if (state == breaker_state::disabled) return;
        ++bad_calls;
        if (state != breaker_state::closed || sent < since) return;
        const bool slow = kind == breaker_failure::timeout && options.slow_over.count() > 0;
        history.push_back({time, true, slow, false});
        if (too_many_in_a_row() || rates_too_high()) threshold();
    }
    void fall_silent(breaker_time now) {
        see(now);
        if (state != breaker_state::closed) return;
        // They still end a row of failures.
        for (call& one : history) one.forgotten = one.forgotten || !one.bad;
    }
    void probe(bool good, breaker_time now) {
        see(now);
        if (state == breaker_state::disabled) return;
        if (!good) ++bad_calls;
        if (state == breaker_state::closed) {
            history.push_back({time, !good, false, true});
            if (!good && (too_many_in_a_row() || rates_too_high())) threshold();
        } else if (state == breaker_state::open) {
            if (good && time >= opened + lasts) {
                go(breaker_state::half_open);
                count_success();
            }
        } else if (state == breaker_state::half_open) {
            good ? count_success() : open();
        }
    }
    void hold(bool on, breaker_time now) {
        see(now);
        held = on;
        if (held) return;
        if (waiting) {
            const auto [to, with] = *waiting;
            waiting.reset();
            settle(to, with);
        } else if (state == breaker_state::half_open && successes >= needed()) {
            go(breaker_state::closed);
        }
    }
    bool is_only_held() const {
        return held && state == breaker_state::half_open && (waiting || successes >= needed());
    }
    void force_open(breaker_time now) {
        see(now);
        by_operator = true;
        waiting.reset();
        if (state != breaker_state::forced_open) go(breaker_state::forced_open);
    }
    void disable(breaker_time now) {
        see(now);
        by_operator = true;
        want(breaker_state::disabled, breaker_mode::disabled);
    }
    void dry_run(breaker_time now) {
        see(now);
        by_operator = true;
        want(breaker_state::closed, breaker_mode::dry_run);
    }
    void reset(breaker_time now) {
        see(now);
        by_operator = false;
        if (passes()) forget();
        want(options.mode == breaker_mode::disabled ? breaker_state::disabled : breaker_state::closed, options.mode);
    }
    void configure(const breaker_options& other, breaker_time now) {
        see(now);
        if (other.window != options.window || other.buckets != options.buckets) window_since = history.size();
        const bool other_mode = other.mode != options.mode;
        options = other;
        if (!other_mode || by_operator) return;
        want(options.mode == breaker_mode::disabled ? breaker_state::disabled : breaker_state::closed, options.mode);
    }

    std::size_t calls(breaker_time now) const {
        return count(now, [](const call& one) { return !one.probe || one.bad; });
    }
    std::size_t failed(breaker_time now) const {
        return count(now, [](const call& one) { return one.bad; });
    }
    std::size_t slow(breaker_time now) const {
        return count(now, [](const call& one) { return one.slow; });
    }
    std::size_t in_a_row() const { return in_a_row(false) + in_a_row(true); }
    std::chrono::milliseconds remaining(breaker_time now) const {
        if (state != breaker_state::open) return {};
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(opened + lasts - std::max(time, now));
        return std::max(left, std::chrono::milliseconds(0));
    }

private:
    struct call {
        breaker_time at;
        bool bad;
        bool slow;
        bool probe;
        bool forgotten = false;
    };
    struct wanted {
        breaker_state to;
        breaker_mode with;
    };

    void see(breaker_time now) { time = std::max(time, now); }
    std::size_t needed() const { return std::max<std::size_t>(options.successes_to_close, 1); }

    template <class Which>
    std::size_t count(breaker_time now, Which&& which) const {
        const auto step = std::chrono::nanoseconds(options.window) / static_cast<std::int64_t>(options.buckets);
        const auto number = [&](breaker_time at) { return at.time_since_epoch() / step; };
        std::size_t found = 0;
        for (std::size_t i = window_since; i < history.size(); ++i) {
            const bool recent =
                number(history[i].at) + static_cast<std::int64_t>(options.buckets) > number(std::max(time, now));
            if (recent && !history[i].forgotten && which(history[i])) ++found;
        }
        return found;
    }
    std::size_t in_a_row(bool of_probe) const {
        std::size_t row = 0;
        for (auto one = history.rbegin(); one != history.rend(); ++one) {
            if (one->probe != of_probe) continue;
            if (!one->bad) break;
            ++row;
        }
        return row;
    }
    bool too_many_in_a_row() const {
        return options.consecutive_failures > 0 && in_a_row() >= options.consecutive_failures;
    }
    bool rates_too_high() const {
        const double all = static_cast<double>(calls(time));
        if (calls(time) < options.minimum_calls) return false;
        const double failure_percent = 100.0 * static_cast<double>(failed(time)) / all;
        const double slow_percent = 100.0 * static_cast<double>(slow(time)) / all;
        if (options.failure_rate > 0 && failed(time) > 0 && failure_percent >= static_cast<double>(options.failure_rate)) return true;
        return options.slow_over.count() > 0 && options.slow_rate > 0 && slow(time) > 0 &&
               slow_percent >= static_cast<double>(options.slow_rate);
    }
    void threshold() {
        if (mode != breaker_mode::dry_run) return open();
        if (noted && time < *noted + options.open_for) return;
        noted = time;
        ++dry_run_openings;
    }
    void open() {
        const auto most = std::max(options.open_for, options.max_open_for).count();
        auto length = options.open_for.count();
        for (std::size_t i = 0; i < openings; ++i) length = std::min(length * 2, most);
        lasts = std::chrono::milliseconds(length);
        ++openings;
        opened = time;
        go(breaker_state::open);
    }
    void count_success() {
        ++successes;
        if (!held && successes >= needed()) go(breaker_state::closed);
    }
    void want(breaker_state to, breaker_mode with) {
        if (passes() || !held) return settle(to, with);
        if (state != breaker_state::half_open) go(breaker_state::half_open);
        waiting = wanted{to, with};
    }
    void settle(breaker_state to, breaker_mode with) {
        mode = with;
        if (state != to) go(to);
    }
    void go(breaker_state to) {
        state = to;
        since = time;
        successes = 0;
        entered.push_back(to);
        if (passes()) forget();
    }
    void forget() {
        history.clear();
        window_since = 0;
        openings = 0;
        noted.reset();
    }

    std::vector<call> history;
    std::size_t window_since = 0;
    bool by_operator = false;
    bool held = false;
    std::optional<wanted> waiting;
    breaker_time time{};
    breaker_time since{};
    breaker_time opened{};
    std::chrono::milliseconds lasts{};
    std::size_t openings = 0;
    std::optional<breaker_time> noted;
};

}  // namespace weir::test
