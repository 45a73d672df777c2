#pragma once

#include "config/options.hpp"

namespace weir {

class document;

/// Whether a tenant's terms can be kept with the rest of its options.
void check_terms(const options& configured, document& file);

}  // namespace weir
