#pragma once

#include <cstddef>
#include <string>

#include "policy/tenant.hpp"
#include "protocol/arguments.hpp"
#include "protocol/command_table.hpp"

namespace weir {

/// What is to be done with one command.
struct decision {
    /// forward, local or emulate; refuse for all that ends here, with `error` saying why.
    command_route route = command_route::refuse;
    const command_spec* command = nullptr;  ///< nullptr: unknown; valid as long as the table
    std::string error;                      ///< for the client, its code in front; empty unless route is refuse
    /// The client speaks HTTP (`POST`, `Host:`): it is cut off without a word, as Redis does, so that a web page cannot
    /// be made to talk to us.
    bool hang_up = false;
};

/// Decides by the command's name, arguments and tenant. `count` is how many arguments the whole request has, where
/// `request` may hold only the first of them (at least the name, and the subcommand if there is one).
[[nodiscard]] decision decide(const command_table& table, const arguments& request, std::size_t count,
                              const tenant& owner);

/// Whether decide() must see the whole request, not only its first arguments.
[[nodiscard]] bool needs_all_arguments(const command_spec& command);

}  // namespace weir
