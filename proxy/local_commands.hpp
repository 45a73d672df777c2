#pragma once

#include "protocol/arguments.hpp"
#include "protocol/command_table.hpp"

namespace weir {

class session;

/// Commands that weir answers itself: what belongs to the client's connection, and what a server says of itself, told
/// so that nothing of other tenants shows. Replies are Redis' own, errors included.

/// Whether it changes how later replies look, or where later commands go: nothing may be in flight then.
[[nodiscard]] bool needs_quiet(const command_spec& command);

/// The command's route is local; its arity is right. Replies, or begins what will.
void perform_local(session& client, const command_spec& command, const arguments& request);

/// Whether there is an answer for a command; a test holds it against the table.
[[nodiscard]] bool has_local_answer(const command_spec& command);

}  // namespace weir
