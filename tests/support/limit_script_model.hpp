#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

#include "policy/limit_script.hpp"

namespace weir {

/// What the script of policy/limit_script does to one key, said once more in C++, with the clock as an argument. One
/// algorithm and one period for its whole life. Times are in microseconds.
class limit_script_model {
public:
    share_answer call(const share_request& request, std::int64_t now) {
        return request.rule.algorithm == limit_algorithm::gcra ? by_bucket(request, now) : by_window(request, now);
    }

private:
    using number = double;

    static number period_of(const limit_rule& rule) { return static_cast<number>(rule.period.count()) / 1000; }

    static std::uint64_t share_of(number free, const share_request& want) {
        const auto there = static_cast<std::uint64_t>(std::max<number>(free, 0));
        if (there < want.least) return 0;
        return std::min(want.most, std::max(want.least, there / 2));
    }

    static std::optional<std::chrono::microseconds> wait(number microseconds) {
        if (microseconds < 0) return {};
        return std::chrono::microseconds(static_cast<std::int64_t>(microseconds));
    }

    // A bucket that leaks, but never below what processes hold.

    void leak(number until, number rate) {
        backlog_ = std::max(backlog_ - std::max<number>(until - at_, 0) * rate, held_ + before_);
        at_ = until;
    }

    void leak_through_turns(std::int64_t now, number rate) {
        const std::int64_t lease = share_lease.count();
        const std::int64_t turn = now / lease;
        if (at_ == 0) at_ = static_cast<number>(now), turn_ = turn;
        while (turn_ < turn) {
            ++turn_;
            leak(static_cast<number>(turn_ * lease), rate);
            before_ = held_;
            held_ = 0;
        }
        leak(static_cast<number>(now), rate);
    }

    share_answer by_bucket(const share_request& want, std::int64_t now) {
        const number rate = static_cast<number>(want.rule.count) / period_of(want.rule);
        const auto burst = static_cast<number>(want.rule.burst);
        leak_through_turns(now, rate);
        const number most = std::max(2 * burst, burst + 64 * static_cast<number>(want.debt));
        backlog_ = std::max(std::min(backlog_, most), held_ + before_);
        const auto batch = static_cast<std::int64_t>(want.batch);
        const bool known = batch == turn_ || batch == turn_ - 1;
        if (known) {
            number& part = batch == turn_ ? held_ : before_;
            part = std::max<number>(0, part - static_cast<number>(want.used + want.kept + want.back));
            held_ += static_cast<number>(want.kept);
            backlog_ -= static_cast<number>(want.back);
        }
        backlog_ = std::max(backlog_ + static_cast<number>(want.charge), held_ + before_);
        const auto free = [&] { return std::floor(burst - backlog_ + 0.02 * rate + 1e-6); };
        const std::uint64_t granted = share_of(free(), want);
        backlog_ += static_cast<number>(granted);
        held_ += static_cast<number>(granted);
        const auto until_there = [&](std::uint64_t units) {
            const auto n = static_cast<number>(units);
            return wait(n > burst ? -1 : std::max<number>(0, std::ceil((backlog_ + n - burst) / rate - 0.01)));
        };
        return {.granted = granted,
                .kept = known,
                .batch = static_cast<std::uint64_t>(turn_),
                .remaining = static_cast<std::uint64_t>(std::max<number>(0, free())),
                .reset_after = *wait(std::ceil(backlog_ / rate)),
                .retry_after = until_there(std::max<std::uint64_t>(want.least, 1)),
                .debt_after = until_there(want.debt)};
    }

    // Windows. What is to come is found by trying, moment after moment, where the script calculates.

    [[nodiscard]] static std::int64_t weight(std::int64_t previous, std::int64_t into, std::int64_t period) {
        const auto left = static_cast<number>(period - into);
        return static_cast<std::int64_t>(std::floor(static_cast<number>(previous) * left / static_cast<number>(period)));
    }

    share_answer by_window(const share_request& want, std::int64_t now) {
        const std::int64_t period = want.rule.period.count() / 1000;
        const auto all = static_cast<std::int64_t>(want.rule.count);
        const bool sliding = want.rule.algorithm == limit_algorithm::sliding_window;
        for (const std::int64_t present = now / period; index_ != present; ++index_) {
            if (index_ < present - 2) index_ = present - 2;
            previous_ = count_;
            count_ = 0;
        }
        const auto batch = static_cast<std::int64_t>(want.batch);
        const auto back = static_cast<std::int64_t>(want.back);
        if (batch == index_) count_ = std::max<std::int64_t>(0, count_ - back);
        if (batch == index_ - 1) previous_ = std::max<std::int64_t>(0, previous_ - back);
        count_ = std::max<std::int64_t>(0, count_ + want.charge);
        const std::int64_t into = now % period;
        const auto free = [&] { return all - count_ - (sliding ? weight(previous_, into, period) : 0); };
        const std::uint64_t granted = share_of(static_cast<number>(free()), want);
        count_ += static_cast<std::int64_t>(granted);
        // The first moment x, in microseconds from the beginning of this window, at which `units` would fit.
        const auto fits_at = [&](std::int64_t x, std::int64_t units) {
            const bool next = x >= period;
            const std::int64_t weighed = weight(next ? count_ : previous_, x % period, period);
            return units + (next ? 0 : count_) + (sliding ? weighed : 0) <= all;
        };
        const auto until_there = [&](std::uint64_t units) -> std::optional<std::chrono::microseconds> {
            const auto n = static_cast<std::int64_t>(units);
            if (n > all) return {};
            for (const std::int64_t end : {period, 2 * period}) {
                std::int64_t low = std::max(into, end - period), high = end;  // within a window it only gets easier
                if (!fits_at(end - 1, n)) continue;
                while (low < high) {
                    const std::int64_t middle = (low + high) / 2;
                    fits_at(middle, n) ? high = middle : low = middle + 1;
                }
                return std::chrono::microseconds(low - into);
            }
            return std::chrono::microseconds(2 * period - into);
        };
        return {.granted = granted,
                .kept = batch == index_,
                .batch = static_cast<std::uint64_t>(index_),
                .remaining = static_cast<std::uint64_t>(std::max<std::int64_t>(0, free())),
                .reset_after = std::chrono::microseconds(period - into),
                .retry_after = until_there(std::max<std::uint64_t>(want.least, 1)),
                .debt_after = until_there(want.debt)};
    }

    number backlog_ = 0;
    number at_ = 0;
    std::int64_t turn_ = 0;
    number held_ = 0;
    number before_ = 0;
    std::int64_t index_ = 0;
    std::int64_t count_ = 0;
    std::int64_t previous_ = 0;
};

}  // namespace weir
