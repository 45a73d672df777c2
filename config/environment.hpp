#pragma once

#include <string>
#include <string_view>

#include "config/parsed.hpp"

namespace weir {

/// `${NAME}` and `${NAME:-default}` replaced from the environment, once: what a variable holds is not looked
/// at again. The default serves when the variable is not set or empty, and may hold braces in pairs.
/// `${NAME}` that is not set is refused. `$${` is a plain `${`, and a `$` before anything else stays as it
/// is.
[[nodiscard]] parsed<std::string> expand_environment(std::string_view text);

}  // namespace weir
