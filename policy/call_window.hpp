#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace weir {

/// How the calls of the last so many seconds ended. The time is cut into steps of window / buckets; a whole step leaves at
/// once, so what is counted reaches back between (buckets - 1) and `buckets` steps:
///
///     window 4s, 4 buckets     |  3 2  |  0 1  |  2 0  |  1 …   ← now
///                              ↑ leaves when the next step begins
///
/// No clock: times may not go back.
class call_window {
public:
    using time = std::chrono::steady_clock::time_point;
    struct counts {
        std::size_t calls = 0;
        std::size_t failed = 0;
        std::size_t slow = 0;
    };

    call_window(std::chrono::milliseconds window, std::size_t buckets);

    /// Calls that all failed, or none of them.
    void add(const counts& calls, time now);
    [[nodiscard]] counts total(time now) const;
    void clear();
    /// Forgets all calls but those that failed.
    void forget_successes();

private:
    struct bucket {
        std::int64_t step = -1;
        counts calls;
        std::size_t slow_failures = 0;
    };
    [[nodiscard]] std::int64_t step_at(time now) const { return now.time_since_epoch() / step_; }

    std::chrono::nanoseconds step_;
    std::vector<bucket> buckets_;
};

}  // namespace weir
