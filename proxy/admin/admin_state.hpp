#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/options.hpp"
#include "proxy/counters.hpp"
#include "proxy/upstream/upstream_snapshot.hpp"

namespace weir {

/// What the admin listener shows. The app fills it in before the listener starts and keeps it, and everything
/// it points to, until the control thread has ended; only the atomics change meanwhile.
struct admin_state {
    std::string version;
    std::vector<const worker_counters*> workers;  ///< one for each worker
    std::vector<std::string> tenants;             ///< names by tenant::index()
    options configuration;
    std::chrono::system_clock::time_point started = std::chrono::system_clock::now();
    std::atomic<bool> ready{false};     ///< clients can be served
    std::atomic<bool> draining{false};  ///< on the way out
    /// Called on the control thread; may be empty, and may give nullptr.
    std::function<std::shared_ptr<const upstream_snapshot>()> snapshot;

    /// Never null.
    [[nodiscard]] std::shared_ptr<const upstream_snapshot> upstream() const;
    /// A gauge or counter over all workers. A gauge's parts may wrap one by one, their sum does not.
    [[nodiscard]] std::uint64_t total(counter worker_counters::*which) const;
    [[nodiscard]] std::uint64_t tenant_total(std::size_t tenant, counter tenant_counters::*which) const;
    [[nodiscard]] std::uint64_t client_connections() const;
};

}  // namespace weir
