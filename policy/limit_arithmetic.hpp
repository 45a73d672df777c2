#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>

#include "policy/limit_counter.hpp"

namespace weir {

/// For products of units and nanoseconds, either of which may need most of 64 bits.
__extension__ typedef unsigned __int128 wide;

/// Nanoseconds as counters reckon with them: what is before the epoch counts as the epoch, what is after the year 2116
/// as that year, so that there is room above for what is used up in advance.
[[nodiscard]] constexpr std::uint64_t to_nanoseconds(limit_time now) {
    constexpr std::int64_t latest = (std::int64_t{1} << 62) - 1;
    return static_cast<std::uint64_t>(std::clamp<std::int64_t>(now.count(), 0, latest));
}

/// The longest there is, when it is longer than that: of a billion units at one a year, say.
[[nodiscard]] constexpr limit_time limit_time_of(wide nanoseconds) {
    constexpr wide longest = std::numeric_limits<std::int64_t>::max();
    return limit_time(static_cast<std::int64_t>(std::min(nanoseconds, longest)));
}

/// The latest moment at which a counter took units or changed. Whoever comes with an earlier one (a worker whose turn
/// began before that of another, a clock that was set back) is served as at this one.
class latest_moment {
public:
    [[nodiscard]] std::uint64_t or_later(limit_time now) const {
        return std::max(to_nanoseconds(now), nanoseconds_.load(std::memory_order_relaxed));
    }
    /// A race may leave the earlier one of two moments: then time stands still a little longer.
    void reach(std::uint64_t nanoseconds) {
        if (nanoseconds > nanoseconds_.load(std::memory_order_relaxed)) {
            nanoseconds_.store(nanoseconds, std::memory_order_relaxed);
        }
    }

private:
    std::atomic<std::uint64_t> nanoseconds_{0};
};

/// Which of a counter's rules words may hold: see limit_rule.
[[nodiscard]] constexpr bool is_countable(const limit_rule& rule) {
    using namespace std::chrono_literals;
    constexpr std::uint64_t most_burst = std::uint64_t{1} << 45;  // no less than 1'000'000/1s over 365 days
    return rule.period >= 1ms && rule.period <= 24h * 365 && rule.count >= 1 &&
           rule.count <= static_cast<std::uint64_t>(rule.period / 1us) && rule.burst >= 1 && rule.burst <= most_burst;
}

}  // namespace weir
