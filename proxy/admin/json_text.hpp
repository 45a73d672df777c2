#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace weir {

/// `2026-11-21T17:42:00Z`
[[nodiscard]] std::string rfc3339(std::chrono::system_clock::time_point when);

/// What the upstream says of itself goes into a JSON text, which must be UTF-8 whatever the upstream is.
[[nodiscard]] std::string ascii(std::string_view text);

}  // namespace weir
