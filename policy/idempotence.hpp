#pragma once

#include "protocol/arguments.hpp"
#include "protocol/command_table.hpp"

namespace weir {

/// Whether a write leaves the same behind, and gets the same reply, when it is performed twice in a row: SET without NX and
/// GET, SETEX, PSETEX, MSET, HMSET, LSET, LTRIM, EXPIREAT and PEXPIREAT without conditions. What others wrote in between is
/// lost all the same.
[[nodiscard]] bool is_idempotent_write(const arguments& request, const command_spec& command);

}  // namespace weir
