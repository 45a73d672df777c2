#include "policy/byte_rate.hpp"

#include <algorithm>

namespace weir {

namespace {

/// Nanoseconds; ten years.
constexpr std::int64_t longest_debt = std::int64_t{10} * 365 * 24 * 3600 * 1'000'000'000;

}  // namespace

std::chrono::nanoseconds byte_rate::charge(const limit_rate& rate, limit_time now, std::uint64_t bytes) {
    const auto period = std::chrono::nanoseconds(rate.period).count();
    // What takes longer than a year to work off takes a year: no sum of a few such overflows.
    constexpr double year = 365.0 * 24 * 3600 * 1e9;
    const auto cost = static_cast<std::int64_t>(
        std::min(static_cast<double>(bytes) * static_cast<double>(period) / static_cast<double>(rate.count), year));
    std::int64_t before = paid_until_.load(std::memory_order_relaxed);
    std::int64_t after = 0;
    do {
        after = std::min(std::max(before, now.count()), now.count() + longest_debt) + cost;
    } while (!paid_until_.compare_exchange_weak(before, after, std::memory_order_relaxed));
    return std::chrono::nanoseconds(std::max<std::int64_t>(after - period - now.count(), 0));
}

std::chrono::nanoseconds byte_rate::debt(const limit_rate& rate, limit_time now) const {
    const auto period = std::chrono::nanoseconds(rate.period).count();
    const std::int64_t ahead = paid_until_.load(std::memory_order_relaxed) - now.count();
    return std::chrono::nanoseconds(std::max<std::int64_t>(ahead - period, 0));
}

}  // namespace weir
