#pragma once

#include <atomic>
#include <cstddef>

namespace weir {

/// What one tenant's clients hold of the dedicated connections; a member of its account.
struct pool_share {
    std::atomic<std::size_t> held{0};
};

/// Keeps one tenant's clients from holding all dedicated connections (upstream.pool.max), and so from shutting others out.
/// While a quarter is free anybody may take more. Of the last quarter only those may who hold less than an equal part of all,
/// among the tenants that hold any. Any thread; two that ask at once may both be let in.
class pool_shares {
public:
    explicit pool_shares(std::size_t max) : max_(max) {}

    /// One more for the tenant; false: it holds its share already.
    [[nodiscard]] bool claim(pool_share& of) {
        const std::size_t own = of.held.load(std::memory_order_relaxed);
        const std::size_t others = holders_.load(std::memory_order_relaxed) + (own == 0 ? 1 : 0);
        const bool plenty = held_.load(std::memory_order_relaxed) < max_ - max_ / 4;
        if (!plenty && own > 0 && own >= max_ / others) return false;
        held_.fetch_add(1, std::memory_order_relaxed);
        if (of.held.fetch_add(1, std::memory_order_relaxed) == 0) holders_.fetch_add(1, std::memory_order_relaxed);
        return true;
    }
    void release(pool_share& of) {
        held_.fetch_sub(1, std::memory_order_relaxed);
        if (of.held.fetch_sub(1, std::memory_order_relaxed) == 1) holders_.fetch_sub(1, std::memory_order_relaxed);
    }

private:
    const std::size_t max_;
    std::atomic<std::size_t> held_{0};
    std::atomic<std::size_t> holders_{0};  ///< tenants that hold any
};

}  // namespace weir
