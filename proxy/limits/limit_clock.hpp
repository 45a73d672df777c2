#pragma once

#include <chrono>

#include "policy/limit_counter.hpp"

namespace weir {

/// A moment of the steady clock as limits know it: nanoseconds since the unix epoch, as that was known when the process
/// first asked. It goes on evenly whatever is done to the system's clock. Any thread.
[[nodiscard]] inline limit_time to_limit_time(std::chrono::steady_clock::time_point moment) {
    static const limit_time epoch = std::chrono::system_clock::now().time_since_epoch() -
                                    std::chrono::steady_clock::now().time_since_epoch();
    return epoch + moment.time_since_epoch();
}

[[nodiscard]] inline limit_time limit_now() { return to_limit_time(std::chrono::steady_clock::now()); }

}  // namespace weir
