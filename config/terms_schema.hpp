#pragma once

#include <map>
#include <string>

#include "config/options.hpp"
#include "config/section.hpp"

namespace weir {

/// `tenant_defaults`, and `plans` on top of it; to be read in this order and before any tenant.
[[nodiscard]] option_row<options> tenant_defaults_row();
[[nodiscard]] option_row<options> plans_row();

/// A tenant's `plan`, and the terms that it sets itself. Reading begins with the defaults in `terms`; a
/// tenant that sets nothing itself goes on sharing the object that its plan or the defaults hold. `plans` has
/// to outlive the rows.
[[nodiscard]] section<tenant_options> tenant_terms_rows(const std::map<std::string, shared_terms>& plans);

}  // namespace weir
