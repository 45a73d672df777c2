#pragma once

#include "protocol/arguments.hpp"

namespace weir {

class session;

/// WEIR's subcommands: what a client can ask weir about itself. Rows of the table in local_commands.cpp.

void weir_help(session& client, const arguments& request);
/// The limits of the client's tenant: an array with a map for each.
void weir_limits(session& client, const arguments& request);
/// Who the client is to weir, and what its tenant may have: a map.
void weir_tenant(session& client, const arguments& request);

}  // namespace weir
