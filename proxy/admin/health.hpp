#pragma once

#include <string>

#include "proxy/admin/admin_state.hpp"

namespace weir {

/// What an admin path answers.
struct admin_page {
    unsigned status = 200;
    std::string content_type;
    std::string body;
    std::string allow = "GET, HEAD";  ///< with status 405: what would be
};

/// 200 as long as the control thread runs.
[[nodiscard]] admin_page livez_page(const admin_state& state);

/// 200 when clients can be served and weir is not on its way out; else 503 with the reason.
[[nodiscard]] admin_page readyz_page(const admin_state& state);

/// JSON. `status` is `healthy`; `degraded` (starting, draining, or without the upstream while the fallback answers); or `down`
/// (nothing answers), then with HTTP status 503. `reason` says why, or is null. `uptime` is in seconds, latencies are in
/// milliseconds, and null where they are not known. `circuitBreaker` and `fallback` are null where there is none.
[[nodiscard]] admin_page health_page(const admin_state& state);

}  // namespace weir
