#pragma once

#include <string>

#include "proxy/admin/admin_state.hpp"

namespace weir {

/// What an admin path answers.
struct admin_page {
    unsigned status = 200;
    std::string content_type;
    std::string body;
};

/// 200 as long as the control thread runs.
[[nodiscard]] admin_page livez_page(const admin_state& state);

/// 200 when clients can be served and weir is not on its way out; else 503 with the reason.
[[nodiscard]] admin_page readyz_page(const admin_state& state);

/// JSON. `status` is `healthy`; `degraded` (starting or draining); or `down` (the upstream does not answer),
/// then with HTTP status 503. `uptime` is in seconds.
[[nodiscard]] admin_page health_page(const admin_state& state);

}  // namespace weir
