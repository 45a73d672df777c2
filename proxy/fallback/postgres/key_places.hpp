#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "policy/tenant.hpp"

namespace weir::pg {

/// What several processes must agree on, on every machine.

/// Where SCAN meets a key: as the column `place` has it. A client cannot choose keys that fall together.
inline constexpr int place_bits = 48;
[[nodiscard]] std::uint64_t place_of(std::string_view key);

/// Advisory locks. Those of tenants and those of keys are never the same, so that who takes the tenant's first, and then keys'
/// in ascending order, meets nobody who does it the other way round.
[[nodiscard]] std::int64_t tenant_lock(std::string_view prefix);
[[nodiscard]] std::int64_t key_lock(std::string_view prefix, std::int64_t database, std::string_view key);

/// Keys of this tenant with more bytes stand in Redis under their hash; nullopt: all as they are.
[[nodiscard]] std::optional<std::int64_t> hashed_over(const tenant& whose);

}  // namespace weir::pg
