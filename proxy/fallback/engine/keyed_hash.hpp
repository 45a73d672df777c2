#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace weir::engine {

using hash_key = std::array<std::uint64_t, 2>;

/// SipHash-1-3 (Aumasson and Bernstein): who does not know the key cannot choose texts that fall together.
/// The variant that Python and Rust use for their tables.
[[nodiscard]] std::uint64_t sip_hash(std::string_view text, const hash_key& key);

/// With a key of this process, drawn at random when it is first needed.
[[nodiscard]] std::uint64_t keyed_hash(std::string_view text);

}  // namespace weir::engine
