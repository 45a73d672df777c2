#pragma once

#include "config/options.hpp"

namespace weir {

class document;

/// What no single value shows: listeners without a tenant, addresses that are taken twice, prefixes that do
/// not keep tenants apart, limits that contradict each other. Errors go to `file`, at the options they are
/// about.
void check_consistency(const options& configured, document& file);

/// The part of it that can go wrong anew when tenants are loaded while weir runs, and other options stay as
/// they were: listeners without a tenant, prefixes, databases, and scripts that permissions would not bind.
void check_tenants(const options& configured, document& file);

}  // namespace weir
