#pragma once

#include <span>

#include "protocol/command_table.hpp"

namespace weir {

/// The built-in rows: every command and subcommand of Redis 7.0.15 and Valkey 8.0.1, a container before its
/// subcommands, no name twice. They live as long as the process.
[[nodiscard]] std::span<const command_spec> command_rows();

}  // namespace weir
