#pragma once

#include "policy/breaker.hpp"

namespace weir {

/// Keeps the breaker from closing as long as there are writes to be replayed. Belongs to the fallback's thread.
class circuit_hold {
public:
    explicit circuit_hold(breaker& circuit) : circuit_(circuit) {}
    circuit_hold(const circuit_hold&) = delete;
    circuit_hold& operator=(const circuit_hold&) = delete;

    [[nodiscard]] bool is_held() const { return held_; }
    /// Before a write is accepted. False: the breaker passes, so the write is for the upstream.
    [[nodiscard]] bool take() {
        if (held_) return true;
        // First held, then looked at: so it cannot close in between.
        circuit_.hold(true, breaker_time::clock::now());
        held_ = true;
        if (circuit_.passes()) release();
        return held_;
    }
    /// Before the first call: an earlier process has accepted writes.
    void take_at_start() {
        held_ = true;
        circuit_.start_held(breaker_time::clock::now());
    }
    /// The breaker may close by this.
    void release() {
        held_ = false;
        circuit_.hold(false, breaker_time::clock::now());
    }

private:
    breaker& circuit_;
    bool held_ = false;
};

}  // namespace weir
