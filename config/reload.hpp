#pragma once

#include <string>
#include <vector>

#include "config/options.hpp"

namespace weir {

/// What a file that was loaded anew does to a weir that runs. While it runs, `tenant_defaults`, `plans` and
/// the tenants can change: which there are, and of each its terms, plan, users, passwords, certificates and
/// databases. So can all options of a breaker that is there. The rest needs a restart, and so do a tenant's
/// `prefix` and `long_keys` (its clients would lose their keys) and its `scripts`.
struct [[nodiscard]] reload_plan {
    /// To run with from now on: what was loaded where it can change, and what ran before elsewhere.
    options next;
    /// What changed and stays as it was, as it is written in the file: "upstream.url", "tenants.acme.prefix".
    std::vector<std::string> needs_restart;
    /// Names of tenants. What changed of those in `changed` is in `next`.
    std::vector<std::string> added;
    std::vector<std::string> removed;
    std::vector<std::string> changed;
    /// `next.breaker` differs from what ran, and there was one: breaker::configure() takes it.
    bool breaker_changed = false;
    /// Why `next` cannot be run with: what stays as it was contradicts what was loaded. Empty: it can.
    std::vector<std::string> contradictions;
};

/// Both are of the loader, or `running` is the `next` of a plan before.
reload_plan plan_reload(const options& running, options loaded);

}  // namespace weir
