#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>

namespace weir {

/// What one tenant's clients hold of the dedicated connections; a member of its account.
struct pool_share {
    std::atomic<std::size_t> held{0};
};

/// Keeps one tenant's clients from holding all dedicated connections (upstream.pool.max), and so from shutting others out.
/// While a quarter is free anybody may take more. Of the last quarter only those may who hold less than an equal part of all,
/// among the tenants that hold any; where there are several tenants, nobody's part is more than half. Any thread; two that
/// ask at once may both be let in.
class pool_shares {
public:
    pool_shares(std::size_t max, bool several_tenants) : max_(max), fewest_(several_tenants ? 2 : 1) {}

    /// Whether the tenant may have one more. nullptr: nobody's, which may.
    [[nodiscard]] bool allows(const pool_share* of) const {
        if (of == nullptr || held_.load(std::memory_order_relaxed) < max_ - max_ / 4) return true;
        const std::size_t own = of->held.load(std::memory_order_relaxed);
        const std::size_t holders = holders_.load(std::memory_order_relaxed) + (own == 0 ? 1 : 0);
        return own == 0 || own < max_ / std::max(holders, fewest_);
    }
    void take(pool_share* of) {
        if (of == nullptr) return;
        held_.fetch_add(1, std::memory_order_relaxed);
        if (of->held.fetch_add(1, std::memory_order_relaxed) == 0) holders_.fetch_add(1, std::memory_order_relaxed);
    }
    void give_back(pool_share* of) {
        if (of == nullptr) return;
        held_.fetch_sub(1, std::memory_order_relaxed);
        if (of->held.fetch_sub(1, std::memory_order_relaxed) == 1) holders_.fetch_sub(1, std::memory_order_relaxed);
    }

private:
    const std::size_t max_;
    const std::size_t fewest_;
    std::atomic<std::size_t> held_{0};
    std::atomic<std::size_t> holders_{0};  ///< tenants that hold any
};

}  // namespace weir
