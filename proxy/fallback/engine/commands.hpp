#pragma once

#include <span>
#include <string_view>

#include "proxy/fallback/engine/call.hpp"

namespace weir::engine {

using handler = void (*)(call&);

struct command_row {
    std::string_view name;  ///< of the command table's row: in lower case, a subcommand as `container|sub`
    handler run;
};

/// What the engine can do, by data type. Arity has been checked before.
[[nodiscard]] std::span<const command_row> string_commands();
[[nodiscard]] std::span<const command_row> lcs_commands();
[[nodiscard]] std::span<const command_row> key_commands();
[[nodiscard]] std::span<const command_row> expiry_commands();
[[nodiscard]] std::span<const command_row> keyspace_commands();
[[nodiscard]] std::span<const command_row> hash_commands();
[[nodiscard]] std::span<const command_row> list_commands();
[[nodiscard]] std::span<const command_row> set_commands();
[[nodiscard]] std::span<const command_row> sorted_set_commands();
[[nodiscard]] std::span<const command_row> sorted_set_range_commands();
[[nodiscard]] std::span<const command_row> sorted_set_algebra_commands();
[[nodiscard]] std::span<const command_row> sort_commands();

/// All of these, in the order of their names.
[[nodiscard]] std::span<const command_row> commands();

/// nullptr: the engine cannot do it. `name` as in command_row. For a look-up at start: commands have numbers
/// (command_spec::number), by which an array of handlers is quicker.
[[nodiscard]] const command_row* find_command(std::string_view name);

/// Runs a command; `words` begin with its name, without the tenant's prefix in their keys, and its arity is right. One
/// reply is written.
inline void run(const command_row& command, std::span<const std::string_view> words, surroundings& around) {
    call running(command.name, words, around);
    command.run(running);
}

}  // namespace weir::engine
