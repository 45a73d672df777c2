#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proxy/fallback/engine/value.hpp"
#include "proxy/fallback/postgres/pg_batch.hpp"

namespace weir::pg {

/// How a value stands in a row of `entries`: columns in this order, both in what statements read and what they are given.
///
///     type text | grown bool | expires_at int8 | string bytea | elements bytea[] | scores float8[]
///
/// `grown` and the order of elements say what cannot be seen from the elements alone: what a client would see of the
/// encoding that the value has taken on (hash_value, set_value, sorted_set_value).
inline constexpr int entry_columns = 6;

/// Its expiry is known. `what` must stay as it is until the parameters have been sent.
void append_entry(const engine::entry& what, parameters& to);

/// From the columns that begin at `first`. nullopt: it is nothing that append_entry() makes.
[[nodiscard]] std::optional<engine::entry> read_entry(const result& from, std::size_t row, int first);

/// An empty value of the type that TYPE calls so.
[[nodiscard]] std::optional<engine::any_value> empty_value(std::string_view type);

}  // namespace weir::pg
