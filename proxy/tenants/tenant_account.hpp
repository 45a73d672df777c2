#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "policy/byte_rate.hpp"
#include "policy/limit_counter.hpp"
#include "policy/tenant.hpp"
#include "proxy/counters.hpp"
#include "proxy/pubsub/subscriber_counts.hpp"
#include "proxy/script_registry.hpp"
#include "proxy/upstream/pool_shares.hpp"

namespace weir {

/// Makes the counter of a tenant's limit. Any thread.
using limit_counter_factory =
    std::function<std::shared_ptr<limit_counter>(const std::string& tenant_name, const tenant_limit& limit)>;

/// A limit of a tenant, as it counts.
struct limit_account {
    limit_account(std::shared_ptr<limit_counter> made, std::size_t workers) : counter(std::move(made)), counts(workers) {}

    const std::shared_ptr<limit_counter> counter;
    std::vector<limit_counts> counts;  ///< one for each worker, written by it alone
};

/// All that the process keeps for one tenant: how it is configured now, and what was counted. Lives as long as anybody refers
/// to it; tenant_registry decides when there need not be one. Any thread, but for what belongs to one worker.
class tenant_account {
public:
    /// A state of the configuration.
    struct terms {
        std::shared_ptr<const tenant> whose;
        std::vector<std::shared_ptr<limit_account>> limits;  ///< as whose->rules().limits()
    };

    tenant_account(std::shared_ptr<const tenant> whose, std::size_t workers, const limit_counter_factory& make);

    [[nodiscard]] const std::string& name() const { return name_; }
    /// The same, whatever else changes; valid as long as the account.
    [[nodiscard]] std::string_view prefix() const { return prefix_; }
    [[nodiscard]] terms present() const;
    /// From now on it is configured like this. Limits that have the name of an earlier one, and count in the same way, go on
    /// with what that has counted.
    void change(std::shared_ptr<const tenant> fresh, limit_time now, const limit_counter_factory& make);

    [[nodiscard]] std::size_t workers() const { return counters_.size(); }
    /// What one worker counts; written by it alone.
    [[nodiscard]] tenant_counters& counters(std::size_t worker) { return counters_[worker]; }
    [[nodiscard]] const tenant_counters& counters(std::size_t worker) const { return counters_[worker]; }
    /// Over all workers. A gauge's parts may wrap one by one, their sum does not.
    [[nodiscard]] std::uint64_t total(counter tenant_counters::*which) const;
    /// By which its clients know scripts; nullptr: by what the server knows.
    [[nodiscard]] script_registry* scripts() { return scripts_.get(); }

    /// One more client connection; false when it has all that its quotas allow.
    [[nodiscard]] bool admit_client();
    void leave_client() { clients_.fetch_sub(1, std::memory_order_relaxed); }

    /// The configuration does not have it any more: its clients are closed.
    void end() { ended_.store(true); }
    [[nodiscard]] bool has_ended() const { return ended_.load(); }
    /// Whether nothing would be lost without it but the totals that monitoring shows.
    [[nodiscard]] bool is_idle(limit_time now) const;

    subscriber_counts subscribers;
    byte_rate received;
    byte_rate sent;
    pool_share dedicated;

private:
    [[nodiscard]] std::vector<std::shared_ptr<limit_account>> open_limits(const tenant& whose, limit_time now,
                                                                          const limit_counter_factory& make) const;

    const std::string name_;
    const std::string prefix_;
    std::vector<tenant_counters> counters_;
    std::unique_ptr<script_registry> scripts_;
    std::atomic<std::size_t> clients_{0};
    std::atomic<std::size_t> max_clients_;
    std::atomic<bool> ended_{false};
    mutable std::mutex mutex_;
    terms terms_;  ///< under mutex_
};

}  // namespace weir
