#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/options.hpp"
#include "policy/breaker.hpp"
#include "proxy/counters.hpp"
#include "proxy/fallback/fallback_service.hpp"
#include "proxy/limits/global_limits.hpp"
#include "proxy/tenants/tenant_account.hpp"
#include "proxy/upstream/upstream_snapshot.hpp"

namespace weir {

/// What the admin listener shows. The app fills it in before the listener starts and keeps it, and everything
/// it points to, until the control thread has ended; only the atomics change meanwhile.
struct admin_state {
    std::string version;
    std::vector<const worker_counters*> workers;  ///< one for each worker
    std::size_t dedicated_max = pool_options{}.max;  ///< upstream.pool.max
    std::chrono::system_clock::time_point started = std::chrono::system_clock::now();
    std::atomic<bool> ready{false};     ///< clients can be served
    std::atomic<bool> draining{false};  ///< on the way out
    /// Called on the control thread; may be empty, and may give nullptr.
    std::function<std::shared_ptr<const upstream_snapshot>()> snapshot;

    /// Those with clients, or that had some, by name. Called on the control thread; may be empty.
    std::function<std::vector<std::shared_ptr<tenant_account>>()> accounts;
    /// Of limits with scope global. May be empty.
    std::function<global_limits_numbers()> limit_store;
    breaker* circuit = nullptr;  ///< none: there is none
    /// What answers while the breaker does not pass. Empty: nothing.
    std::function<fallback_numbers()> fallback;
    counter reloads;         ///< of the configuration
    counter failed_reloads;

    /// Never null.
    [[nodiscard]] std::shared_ptr<const upstream_snapshot> upstream() const;
    /// A gauge or counter over all workers. A gauge's parts may wrap one by one, their sum does not.
    [[nodiscard]] std::uint64_t total(counter worker_counters::*which) const;
    [[nodiscard]] std::vector<std::shared_ptr<tenant_account>> tenants() const;
    [[nodiscard]] std::uint64_t client_connections() const;
    /// Where commands are answered now: `redis`, `memory` or `none`.
    [[nodiscard]] std::string_view store_in_use() const;
};

}  // namespace weir
