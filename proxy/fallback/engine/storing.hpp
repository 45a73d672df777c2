#pragma once

#include <string_view>

#include "proxy/fallback/engine/call.hpp"

namespace weir::engine {

/// Puts what a command worked out of other keys in place of what the key holds, expiry included; an empty collection removes
/// it. The value itself is what the command did. False: it cannot be journaled, so nothing is done and the command has said why.
[[nodiscard]] bool store(const call& c, keyspace& where, std::string_view key, entry what);

}  // namespace weir::engine
