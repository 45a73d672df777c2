#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "protocol/arguments.hpp"

namespace weir {

/// Splits a line into arguments as Redis does (sds.c, sdssplitargs: `"…"` with \n \r \t \b \a \xHH escapes, `'…'`
/// with \' alone) and writes them as an array request. False when quotes are not closed, or closed in the middle of
/// an argument. A blank line gives no arguments.
[[nodiscard]] bool split_inline_request(std::string_view line, std::string& canonical,
                                        std::vector<argument_slice>& slices);

}  // namespace weir
