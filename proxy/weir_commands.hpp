#pragma once

#include "protocol/arguments.hpp"

namespace weir {

class session;

/// WEIR's subcommands: what a client can ask weir about itself. Rows of the table in local_commands.cpp.

/// The breaker; with an action (see find_breaker_action) it is done first, for a tenant whose `allow` names `weir|breaker`.
void weir_breaker(session& client, const arguments& request);
void weir_help(session& client, const arguments& request);
/// The limits of the client's tenant: an array with a map for each.
void weir_limits(session& client, const arguments& request);
/// How weir is, and who answers the tenant's commands at the moment: a map.
void weir_status(session& client, const arguments& request);
/// Who the client is to weir, and what its tenant may have: a map.
void weir_tenant(session& client, const arguments& request);

}  // namespace weir
