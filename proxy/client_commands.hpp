#pragma once

#include <memory>

#include "proxy/emulated_command.hpp"

namespace weir {

/// CLIENT LIST, KILL and UNBLOCK: they ask all workers, and concern the clients of the same tenant alone.
/// nullptr for any other command.
[[nodiscard]] std::unique_ptr<emulated_command> make_client_command(session& client,
                                                                    const command_spec& command,
                                                                    const arguments& request);

}  // namespace weir
