#pragma once

#include "config/options.hpp"

namespace weir {

class document;

/// Whether every client is one tenant or none: user names, passwords and certificates that two tenants share,
/// tenants whom nobody can become, passwords that nobody would be asked for. And whether scripts that run as
/// a configured ACL user can log in.
void check_identities(const options& configured, document& file);

}  // namespace weir
