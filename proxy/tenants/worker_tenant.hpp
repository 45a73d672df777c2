#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

#include "policy/limit_gate.hpp"
#include "policy/tenant.hpp"
#include "proxy/tenants/tenant_account.hpp"

namespace weir {

class session;
class subscription_hub;
class worker;

/// One tenant on one worker: what its sessions there share. There as long as one of them, or something of theirs upstream,
/// is. Belongs to the worker's thread.
class worker_tenant {
public:
    worker_tenant(worker& owner, std::shared_ptr<tenant_account> account);
    ~worker_tenant();
    worker_tenant(const worker_tenant&) = delete;
    worker_tenant& operator=(const worker_tenant&) = delete;

    [[nodiscard]] tenant_account& account() const { return *account_; }
    [[nodiscard]] const std::shared_ptr<tenant_account>& shared_account() const { return account_; }
    /// As it is configured now: valid until the configuration changes, between two turns.
    [[nodiscard]] const tenant& whose() const { return *terms_.whose; }
    [[nodiscard]] const std::shared_ptr<const tenant>& shared() const { return terms_.whose; }
    [[nodiscard]] tenant_counters& counters() const { return counters_; }
    /// Where its clients have their subscriptions.
    [[nodiscard]] subscription_hub& hub();
    void tick();

    /// Looks how the tenant is configured now.
    void refresh();
    /// Whether the last look found another configuration.
    [[nodiscard]] bool has_changed() const { return changed_; }

    // Sessions.
    void join() { ++sessions_; }
    void leave() { --sessions_; }
    [[nodiscard]] bool is_unused() const;

    // Limits.
    /// Whether all limits that count the command let it pass.
    [[nodiscard]] bool pass(const command_spec& command);
    /// The limit that did not.
    [[nodiscard]] const tenant_limit& obstacle() const { return whose().rules().limits()[gate_.refuser()]; }
    [[nodiscard]] limit_refusal refusal(const command_spec& command) const;
    /// The limit that did not let a command pass has refused it.
    void count_refused() { limit_counts_of(gate_.refuser()).refused.add(); }
    /// For what weir answers and no limit counts (refusals, AUTH, WEIR): it costs as much as to forward a command, so a tenant
    /// that has limits gets 1,000 such answers a second at most on each worker, and so do those who have not authenticated.
    /// Says for how long the client should not be read.
    [[nodiscard]] std::chrono::nanoseconds pace();
    void count_delayed() { limit_counts_of(gate_.refuser()).delayed.add(); }
    void finish_turn();
    /// Gives back what limits it holds, before somebody looks at them.
    void settle_limits();
    [[nodiscard]] const tenant_account::terms& terms() const { return terms_; }

    // Quotas.
    /// Of the commands that its sessions here may have in flight, each worker has its part of the tenant's.
    [[nodiscard]] bool is_full() const { return in_flight_ >= max_in_flight_; }
    void send(std::size_t commands) { in_flight_ += static_cast<std::int64_t>(commands); }
    void answer(std::size_t commands);
    /// The session is resumed when fewer commands are in flight.
    void wait_for_room(session& who) { waiting_.push_back(&who); }
    void stop_waiting(session& who);
    /// For how long its client should not be read, as it has received, or sent, more than the tenant may.
    [[nodiscard]] std::chrono::nanoseconds charge_received(std::size_t bytes);
    [[nodiscard]] std::chrono::nanoseconds charge_sent(std::size_t bytes);
    /// The same, before anything is read: so that no client adds to what is too much already.
    [[nodiscard]] std::chrono::nanoseconds received_debt() const;

private:
    [[nodiscard]] limit_counts& limit_counts_of(std::size_t limit) const;
    void take_terms();

    worker& worker_;
    const std::shared_ptr<tenant_account> account_;
    tenant_counters& counters_;
    tenant_account::terms terms_;
    limit_gate gate_;
    bool changed_ = false;
    bool gate_listed_ = false;  ///< finish_turn() will be called
    std::chrono::steady_clock::time_point answers_paid_until_{};
    std::unique_ptr<subscription_hub> hub_;
    std::size_t sessions_ = 0;
    std::int64_t in_flight_ = 0;
    std::int64_t max_in_flight_ = 0;
    std::deque<session*> waiting_;
};

}  // namespace weir
