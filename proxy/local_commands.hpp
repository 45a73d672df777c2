#pragma once

#include <cstdint>
#include <string_view>

#include "protocol/arguments.hpp"
#include "protocol/command_table.hpp"
#include "proxy/session.hpp"

namespace weir {

/// Commands that weir answers itself: what belongs to the client's connection, and what a server says of itself, told
/// so that nothing of other tenants shows. Replies are Redis' own, errors included.

/// Whether it changes how later replies look, or where later commands go: nothing may be in flight then.
[[nodiscard]] bool needs_quiet(const command_spec& command);

/// The command's route is local; its arity is right. Replies, or begins what will; `wait`: it is to be offered again.
[[nodiscard]] session::progress perform_local(session& client, const command_spec& command, const arguments& request);

/// What becomes of a command between MULTI and EXEC.
enum class in_multi : std::uint8_t {
    at_once,    ///< performed, never queued
    forwarded,  ///< queued for the server, also where weir would answer it otherwise
    answered,   ///< queued; weir answers it when EXEC comes
    refused,    ///< cannot be part of a transaction
};
[[nodiscard]] in_multi in_transaction_rule(const command_spec& command);

/// Whether a subscriber may send it in RESP2.
[[nodiscard]] bool is_for_subscribers(const command_spec& command);

/// SELECT's argument, as far as weir can judge it.
struct database_choice {
    int number = 0;
    std::string_view fault;  ///< for the client; empty: the server may be asked
};
[[nodiscard]] database_choice selected_database(session& client, const arguments& request);

/// Whether there is an answer for a command; a test holds it against the table.
[[nodiscard]] bool has_local_answer(const command_spec& command);

}  // namespace weir
