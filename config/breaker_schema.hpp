#pragma once

#include "config/section.hpp"

namespace weir {

/// `breaker`: where it stands there is one, with the defaults for what it does not say.
[[nodiscard]] option_row<options> breaker_row();

}  // namespace weir
