#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "proxy/fallback/memory_store.hpp"
#include "proxy/fallback/observation.hpp"

namespace weir {

/// What a command and its reply tell of one key.
struct lesson {
    std::size_t place = 0;  ///< among the command's keys, and so among the observation's stamps
    std::string_view key;   ///< in the observation's words
    std::optional<engine::any_value> value = {};  ///< none: it is absent, or nobody knows
    std::int64_t expires_at = engine::never;
    expiry_knowledge expiry = expiry_knowledge::exact;
};

/// Whether the command's keys were written by it, or shown.
[[nodiscard]] bool writes_what_it_teaches(std::string_view name);

/// Nothing from an error, nor from a reply that is not what the command's should be; about keys that the command left as they
/// were nothing is said either.
[[nodiscard]] std::vector<lesson> learn(const observation& seen);

}  // namespace weir
