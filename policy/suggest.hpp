#pragma once

#include <span>
#include <string>
#include <string_view>

namespace weir {

/// The candidate that was most likely meant, or empty when none is near: a few letters off, or one the
/// beginning of the other. The view is one of `candidates`.
[[nodiscard]] std::string_view nearest(std::string_view written,
                                       std::span<const std::string_view> candidates);

/// "a, b, c".
[[nodiscard]] std::string join(std::span<const std::string_view> words);

}  // namespace weir
