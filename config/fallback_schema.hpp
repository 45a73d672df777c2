#pragma once

#include "config/section.hpp"
#include "policy/tenant_terms.hpp"

namespace weir {

/// `fallback` of the whole: the stores, and what they hold.
[[nodiscard]] option_row<options> fallback_row();

/// `fallback` of a tenant's terms: which keys may be answered from it. It replaces the list before it.
[[nodiscard]] option_row<tenant_terms> fallback_rules_row();

}  // namespace weir
