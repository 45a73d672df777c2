#pragma once

#include <string_view>

namespace weir::pg::texts {

/// Every text of the store that a client can get. What is common to all of weir stands in protocol/errors.hpp.

inline constexpr std::string_view lost_write =
    "FALLBACK postgres: the connection broke while the write was committed, its outcome is unknown";

// Why a command is refused.

inline constexpr std::string_view refused = "Postgres refused it, weir's log says why";
inline constexpr std::string_view keyspace_too_long = "there are too many keys to list them";
inline constexpr std::string_view keys_keep_changing = "the keys that it needs keep changing";

}  // namespace weir::pg::texts
