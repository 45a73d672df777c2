#pragma once

#include "proxy/admin/admin_state.hpp"
#include "proxy/admin/health.hpp"

namespace weir {

/// Everything that weir counts, in Prometheus' text format 0.0.4. Workers' counters are added up here, at the
/// scrape. Every metric is one row of the table in metrics.cpp: name, type, help, and how it is collected.
[[nodiscard]] admin_page metrics_page(const admin_state& state);

}  // namespace weir
