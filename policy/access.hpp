#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "policy/tenant.hpp"
#include "protocol/arguments.hpp"
#include "protocol/command_table.hpp"

namespace weir {

/// As whom a command has to run on the server.
enum class command_user : std::uint8_t {
    any,       ///< weir's own; the confined one will do where may_run_confined()
    own,       ///< weir's, and no other
    confined,  ///< the tenant's user for scripts: the server itself keeps it to the tenant's names
};

/// What is to be done with one command.
struct decision {
    /// forward, local or emulate; refuse for all that ends here, with `error` saying why.
    command_route route = command_route::refuse;
    const command_spec* command = nullptr;  ///< nullptr: unknown; valid as long as the table
    std::string error;                      ///< for the client, its code in front; empty unless route is refuse
    /// The client speaks HTTP (`POST`, `Host:`): it is cut off without a word, as Redis does, so that a web page cannot
    /// be made to talk to us.
    bool hang_up = false;
    bool waits = false;  ///< it may block, so it needs a connection of its own; forward only
    command_user user = command_user::any;  ///< forward only
};

/// Decides by the command's name, arguments and tenant. `count` is how many arguments the whole request has, where
/// `request` may hold only the first of them (at least the name, and the subcommand if there is one). A refusal then is
/// final; anything else is where needs_all_arguments() says no.
[[nodiscard]] decision decide(const command_table& table, const arguments& request, std::size_t count,
                              const tenant& owner);

/// Whether a command that is forwarded, and that decide() lets pass, may also run as the user for scripts, so that a
/// session that uses both need not change between connections. `server_major` is the server's version, 0 if unknown.
[[nodiscard]] bool may_run_confined(const command_spec& command, const tenant& owner, int server_major);

/// Whether decide() must see the whole request, not only its first arguments.
[[nodiscard]] bool needs_all_arguments(const command_spec& command, const arguments& request, std::size_t count,
                                       const tenant& owner);

}  // namespace weir
