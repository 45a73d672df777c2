#pragma once

#include <cstdint>
#include <optional>

#include "proxy/fallback/engine/call.hpp"

namespace weir::engine {

/// The options that SET and GETEX share (t_string.c, parseExtendedStringArgumentsOrReply).
struct string_options {
    enum class command : std::uint8_t { set, getex };
    enum class expiry : std::uint8_t { none, ex, px, exat, pxat, keep, persist };

    bool only_new = false;       ///< NX
    bool only_existing = false;  ///< XX
    bool get = false;
    expiry what = expiry::none;
    std::size_t time = 0;  ///< the argument with the time
};

/// From argument `first` on. nullopt: the error is written.
[[nodiscard]] std::optional<string_options> read_string_options(const call& c, std::size_t first,
                                                                string_options::command command);

/// When a time in that unit ends, in milliseconds since 1970, at least 1. nullopt: the error is written.
[[nodiscard]] std::optional<std::int64_t> read_expiry(const call& c, std::size_t argument, string_options::expiry unit);

}  // namespace weir::engine
