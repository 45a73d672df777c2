#pragma once

#include <boost/json/fwd.hpp>

#include "proxy/admin/admin_state.hpp"
#include "proxy/admin/health.hpp"
#include "proxy/breaker_actions.hpp"

namespace weir {

/// The breaker as it is now: `state`, `mode`, `reason`, `calls`, `failures` and `slow` of the window, `consecutiveFailures`,
/// `successes` (of this half-open), `openedAt` (RFC 3339) and `retryInMs`; null without a breaker.
[[nodiscard]] boost::json::value breaker_value(const admin_state& state);

/// GET /breaker: the same as a page; 404 without a breaker.
[[nodiscard]] admin_page breaker_page(const admin_state& state);

/// POST /breaker/ACTION: does it, and shows what it led to; 404 without a breaker.
[[nodiscard]] admin_page operate_page(const admin_state& state, const breaker_action& action);

}  // namespace weir
