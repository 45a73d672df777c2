#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace weir {

enum class breaker_mode : std::uint8_t {
    enforce,
    dry_run,   ///< counts, and says when it would open; never does
    disabled,  ///< counts nothing
};

/// When the breaker opens, and how it closes again. Rates are percent of the calls in the window.
struct breaker_options {
    breaker_mode mode = breaker_mode::enforce;
    std::chrono::milliseconds window{10'000};
    std::size_t buckets = 10;               ///< that the window is made of: what is too old leaves it in such steps
    std::size_t failure_rate = 50;          ///< opens at this rate and above; 0: not by rate
    std::size_t minimum_calls = 5;          ///< in the window, before a rate says anything
    std::size_t consecutive_failures = 0;   ///< opens at so many in a row; 0: not by these
    std::chrono::milliseconds slow_over{0};  ///< a call that takes longer is slow; 0: none is
    std::size_t slow_rate = 100;            ///< opens at this rate of slow calls and above
    std::chrono::milliseconds open_for{30'000};
    /// Each time that it opens again without having been closed in between it stays open twice as long, up to this.
    std::chrono::milliseconds max_open_for{300'000};
    std::size_t half_open_commands = 10;    ///< that are let through while half-open, beside the probe
    std::size_t successes_to_close = 2;     ///< of those and of the probe
    /// Error codes that say that the server cannot serve. READONLY counts for a write alone.
    std::vector<std::string> failure_replies{"LOADING", "MASTERDOWN", "CLUSTERDOWN", "READONLY"};
    std::chrono::milliseconds probe_interval{1'000};
    bool operator==(const breaker_options&) const = default;
};

}  // namespace weir
