#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "policy/breaker.hpp"

namespace weir {

/// How the calls of one worker end, on their way to the breaker: successes once a turn, failures at once. Belongs to the
/// worker's thread.
class call_outcomes {
public:
    /// nullptr: there is no breaker, and nothing is counted. It outlives this.
    explicit call_outcomes(breaker* circuit) : circuit_(circuit) {}

    /// Whether the upstream is trusted at the moment.
    [[nodiscard]] bool passes() const { return circuit_ == nullptr || circuit_->passes(); }
    [[nodiscard]] bool counts() const { return circuit_ != nullptr; }
    [[nodiscard]] breaker* circuit() const { return circuit_; }

    void succeed(std::uint32_t microseconds) {
        if (circuit_ == nullptr) return;
        ++succeeded_;
        if (circuit_->is_slow(std::chrono::microseconds(microseconds))) ++slow_;
    }
    /// Of what was sent, or would have been, at that time.
    void fail(breaker_failure kind, breaker_time sent, breaker_time now);
    /// A call has timed out, and the upstream has said nothing since it was sent.
    void fall_silent(breaker_time now);
    /// Of a command that breaker::admit() let through; a failure is told to fail() as well.
    void tried(bool succeeded, breaker_time sent, breaker_time now);
    /// It was not sent after all, or nobody waited for its outcome.
    void untried();
    /// Whether an error reply says that the server cannot serve.
    [[nodiscard]] bool is_failure(std::string_view error_line, bool writes) const;
    /// At the turn's end.
    void flush(breaker_time now);

private:
    breaker* circuit_;
    std::size_t succeeded_ = 0;
    std::size_t slow_ = 0;
};

}  // namespace weir
