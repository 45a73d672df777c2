#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "config/parsed.hpp"
#include "policy/tenant_terms.hpp"

namespace weir {

/// Digits alone: no sign, no fraction, no exponent. Like the two below it refuses what does not fit its type.
[[nodiscard]] parsed<std::size_t> parse_count(std::string_view text);

/// A whole number and its unit: ms, s, m, h or d. A number alone is refused, zero too: was it seconds or not?
[[nodiscard]] parsed<std::chrono::milliseconds> parse_duration(std::string_view text);

/// Bytes as a whole number, alone or with B, KiB, MiB, GiB or TiB. KB and the like are refused: half of their
/// readers take them for 1000 bytes.
[[nodiscard]] parsed<std::size_t> parse_size(std::string_view text);

/// A whole number from 0 to 100 and the sign: `50%`. A number alone is refused: half of 1 or of 100?
[[nodiscard]] parsed<std::size_t> parse_percent(std::string_view text);

/// A count and a duration, neither of them zero: `100/1h`.
[[nodiscard]] parsed<limit_rate> parse_rate(std::string_view text);
/// A size and a duration, neither of them zero: `10MiB/1s`.
[[nodiscard]] parsed<limit_rate> parse_byte_rate(std::string_view text);

/// As the parsers above take it, in the largest unit that needs no fraction.
[[nodiscard]] std::string format_duration(std::chrono::milliseconds duration);
[[nodiscard]] std::string format_size(std::size_t bytes);
[[nodiscard]] std::string format_percent(std::size_t percent);
[[nodiscard]] std::string format_rate(const limit_rate& rate);
[[nodiscard]] std::string format_byte_rate(const limit_rate& rate);

}  // namespace weir
