#include "policy/byte_rate.hpp"

#include <algorithm>

namespace weir {

std::chrono::nanoseconds byte_rate::charge(const limit_rate& rate, limit_time now, std::uint64_t bytes) {
    const auto period = std::chrono::nanoseconds(rate.period).count();
    const auto cost = static_cast<std::int64_t>(static_cast<double>(bytes) * static_cast<double>(period) /
                                                static_cast<double>(rate.count));
    std::int64_t before = paid_until_.load(std::memory_order_relaxed);
    std::int64_t after = 0;
    do {
        after = std::max(before, now.count()) + cost;
    } while (!paid_until_.compare_exchange_weak(before, after, std::memory_order_relaxed));
    return std::chrono::nanoseconds(std::max<std::int64_t>(after - period - now.count(), 0));
}

}  // namespace weir
