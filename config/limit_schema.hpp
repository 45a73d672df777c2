#pragma once

#include "config/section.hpp"
#include "policy/tenant_terms.hpp"

namespace weir {

/// `limits`: the list with all that is checked of it, in each limit and between them. It replaces the one
/// before it.
[[nodiscard]] option_row<tenant_terms> limits_row();

}  // namespace weir
