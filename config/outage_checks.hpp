#pragma once

#include "config/options.hpp"

namespace weir {

class document;

/// Whether time-outs, breaker and fallback can do what they say: a breaker that never opens, copies that
/// nobody asks for, rules about a fallback that is not there.
void check_outages(const options& configured, document& file);

}  // namespace weir
