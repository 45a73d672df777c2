#pragma once

#include <cstdint>
#include <vector>

#include "protocol/arguments.hpp"
#include "protocol/command_table.hpp"

namespace weir {

/// Appends the positions of the arguments that `spec` calls keys, ascending within a specification; two
/// specifications may name one argument twice. Counts are taken from the wire, so they may lie: where `numkeys` is no
/// number, or claims more keys than there are arguments, *every* argument behind it counts as a key. The server will
/// answer such a command with its own error whatever the arguments are, and nothing it could touch lies outside.
void locate_keys(const arguments& request, const key_spec& spec, std::vector<std::uint32_t>& positions);

/// Whether the positions depend on the number of arguments alone, not on their content.
[[nodiscard]] bool has_positional_keys(const command_spec& spec);

/// For a command with positional keys: whether argument `position` of `count` is one.
[[nodiscard]] bool is_positional_key(const command_spec& spec, std::size_t position, std::size_t count);

/// Whether this XREAD or XREADGROUP asks to wait (BLOCK among its options).
[[nodiscard]] bool reads_stream_blocking(const arguments& request);

}  // namespace weir
