#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weir::engine {

/// What Redis takes for a number and how it writes one (util.c, object.c): by strtod and printf, so hexadecimal digits
/// and `inf` are numbers too. In the C locale, which weir never leaves.

[[nodiscard]] std::optional<double> parse_double(std::string_view text);
[[nodiscard]] std::optional<long double> parse_long_double(std::string_view text);
/// As a C string: what stands behind a NUL does not count, and nothing at all is 0 (bounds of ranges).
[[nodiscard]] std::optional<double> parse_c_double(std::string_view text);
/// The same, but nothing that is too large or too small (SORT).
[[nodiscard]] std::optional<double> parse_sort_score(std::string_view text);

/// With 17 significant digits.
[[nodiscard]] std::string format_double(double value);
/// With 17 decimals, of which zeros at the end are left out.
[[nodiscard]] std::string format_human(long double value);

}  // namespace weir::engine
