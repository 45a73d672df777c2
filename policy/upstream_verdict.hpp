#pragma once

#include <algorithm>
#include <string_view>

#include "policy/breaker_options.hpp"

namespace weir {

/// Whether this error reply says that the server cannot serve, as opposed to the application's own errors. By its code, the
/// first word; the leading '-' may be there or not. A server that is read-only serves reads.
[[nodiscard]] inline bool is_failure_reply(std::string_view error_line, bool writes, const breaker_options& options) {
    if (error_line.starts_with('-')) error_line.remove_prefix(1);
    const auto code = error_line.substr(0, error_line.find_first_of(" \r\n"));
    if (code.empty() || (code == "READONLY" && !writes)) return false;
    return std::ranges::find(options.failure_replies, code) != options.failure_replies.end();
}

}  // namespace weir
