#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace weir {

/// How long to wait before connecting again after `failures` (>= 1) failures in a row: failures × 50 ms, at most 2 s, of
/// which `randomness` (0 to 1) decides the upper half, so that a thousand sidecars do not come back at one instant.
[[nodiscard]] constexpr std::chrono::milliseconds reconnect_delay(std::uint32_t failures, double randomness) {
    const std::int64_t full = std::min<std::int64_t>(std::int64_t{failures} * 50, 2'000);
    return std::chrono::milliseconds(full / 2 + static_cast<std::int64_t>(randomness * static_cast<double>(full) / 2));
}

}  // namespace weir
