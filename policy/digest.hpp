#pragma once

#include <array>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace weir {

using sha1_digest = std::array<unsigned char, 20>;
using sha256_digest = std::array<unsigned char, 32>;

/// For what Redis names by it; no protection.
[[nodiscard]] sha1_digest sha1(std::string_view text);

[[nodiscard]] sha256_digest sha256(std::string_view text);

/// HMAC-SHA256 over the parts, each behind its length, so that ("ab", "c") and ("a", "bc") differ.
[[nodiscard]] sha256_digest hmac_sha256_of_parts(std::string_view key,
                                                 std::initializer_list<std::string_view> parts);

/// HMAC-SHA256 over a text.
[[nodiscard]] sha256_digest hmac_sha256(std::string_view key, std::string_view text);

/// Lower case, two digits a byte.
[[nodiscard]] std::string to_hex(std::span<const unsigned char> bytes);

}  // namespace weir
