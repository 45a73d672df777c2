#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "proxy/fallback/engine/hash_value.hpp"
#include "proxy/fallback/engine/list_value.hpp"
#include "proxy/fallback/engine/set_value.hpp"
#include "proxy/fallback/engine/sorted_set_value.hpp"

namespace weir::engine {

using string_value = std::string;

/// What a key holds, decoded. Only strings may be empty: a collection that loses its last element goes with its key.
using any_value = std::variant<string_value, list_value, set_value, sorted_set_value, hash_value>;

/// An expiry: milliseconds since 1970, 1 or more; or
inline constexpr std::int64_t never = -1;
/// Of a value that was seen elsewhere without it. It lives on, and what would tell of its expiry cannot be done.
inline constexpr std::int64_t unknown_expiry = -2;

struct entry {
    any_value held;
    std::int64_t expires_at = never;

    /// At its very millisecond a key is still there (db.c, keyIsExpired).
    [[nodiscard]] bool is_expired(std::int64_t now) const { return expires_at > never && now > expires_at; }
};

/// As TYPE says it.
[[nodiscard]] std::string_view type_name(const any_value& held);
/// As OBJECT ENCODING says it, except that a string which APPEND or SETRANGE made is not told from one that SET made.
[[nodiscard]] std::string_view encoding_name(const any_value& held);
/// About how much memory it takes, itself included.
[[nodiscard]] std::size_t memory_bytes(const any_value& held);

}  // namespace weir::engine
