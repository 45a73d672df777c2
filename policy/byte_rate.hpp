#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "policy/limit_counter.hpp"

namespace weir {

/// A bound on bytes a second, of what has been read or written already: it never refuses, it says for how long to pause.
/// One period's worth may come at once. GCRA with debt; all workers share it, and nothing here waits or locks.
class byte_rate {
public:
    /// For how long nothing more should be read; 0: not at all. Time may go back: then it is taken to stand still.
    std::chrono::nanoseconds charge(const limit_rate& rate, limit_time now, std::uint64_t bytes);
    /// The same, with no more bytes.
    [[nodiscard]] std::chrono::nanoseconds debt(const limit_rate& rate, limit_time now) const;

private:
    std::atomic<std::int64_t> paid_until_{0};  ///< nanoseconds: when all bytes so far are worked off
};

}  // namespace weir
