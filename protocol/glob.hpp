#pragma once

#include <string>
#include <string_view>

namespace weir {

/// `text` as a pattern that Redis' glob matcher (util.c, stringmatchlen) matches with `text` alone.
[[nodiscard]] std::string escape_glob(std::string_view text);

}  // namespace weir
