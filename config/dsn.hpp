#pragma once

#include <string>

namespace weir {

/// Where a Postgres is, as libpq reads it: `postgres://user@host/database` or `host=… dbname=…`.

/// Why libpq would not read it, without a part of it; empty when it would.
[[nodiscard]] std::string dsn_fault(const std::string& dsn);

/// Of one that libpq reads.
[[nodiscard]] bool holds_password(const std::string& dsn);

}  // namespace weir
