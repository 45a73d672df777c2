#include "policy/call_window.hpp"

#include <algorithm>

namespace weir {

call_window::call_window(std::chrono::milliseconds window, std::size_t buckets)
    : step_(std::max(std::chrono::nanoseconds(window) / static_cast<std::int64_t>(std::max<std::size_t>(buckets, 1)),
                     std::chrono::nanoseconds(1))),
      buckets_(std::max<std::size_t>(buckets, 1)) {}

void call_window::add(const counts& calls, time now) {
    const auto step = step_at(now);
    bucket& current = buckets_[static_cast<std::size_t>(step) % buckets_.size()];
    if (current.step != step) current = {.step = step, .calls = {}, .slow_failures = 0};
    current.calls.calls += calls.calls;
    current.calls.failed += calls.failed;
    current.calls.slow += calls.slow;
    if (calls.failed != 0) current.slow_failures += calls.slow;
}

call_window::counts call_window::total(time now) const {
    const auto oldest = step_at(now) - static_cast<std::int64_t>(buckets_.size()) + 1;
    counts sum;
    for (const bucket& one : buckets_) {
        if (one.step < oldest) continue;
        sum.calls += one.calls.calls;
        sum.failed += one.calls.failed;
        sum.slow += one.calls.slow;
    }
    return sum;
}

void call_window::clear() {
    for (bucket& one : buckets_) one = {};
}

void call_window::forget_successes() {
    for (bucket& one : buckets_) {
        one.calls.calls = one.calls.failed;
        one.calls.slow = one.slow_failures;
    }
}

}  // namespace weir
