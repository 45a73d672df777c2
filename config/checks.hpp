#pragma once

#include "config/options.hpp"

namespace weir {

class document;

/// What no single value shows: listeners without a tenant, addresses that are taken twice, prefixes that do
/// not keep tenants apart, limits that contradict each other. Errors go to `file`, at the options they are
/// about.
void check_consistency(const options& configured, document& file);

}  // namespace weir
