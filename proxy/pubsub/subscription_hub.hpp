#pragma once

#include <string_view>

#include "proxy/pubsub/subscription_table.hpp"
#include "proxy/upstream/reply_target.hpp"
#include "proxy/upstream/upstream_connection.hpp"

namespace weir {

class worker;
class worker_tenant;
struct pool_share;

/// The one upstream connection on which all subscribers of a tenant on a worker have their subscriptions. Borrowed from
/// the pool when the first of them comes, given back when the server knows of no subscription any more. It speaks RESP3,
/// so that messages and confirmations are pushes, whatever the clients speak.
///
/// One for each tenant: what the server does to a subscriber that is sent more than it takes (client-output-buffer-limit)
/// hits nobody else's.
class subscription_hub final : public reply_target, private upstream_connection::waiter {
public:
    subscription_hub(worker& owner, worker_tenant& whose);
    ~subscription_hub();

    // As subscription_table, whose words these are.
    void subscribe(subscription_kind kind, std::string_view name, subscriber& who);
    void unsubscribe(subscription_kind kind, std::string_view name, subscriber& who);
    void acknowledge(subscriber& who);
    void forget(subscription_kind kind, std::string_view name, subscriber& who);
    void forget_leaving(subscription_kind kind, std::string_view name, subscriber& who);
    void forget_requests(subscriber& who) { table_.forget_requests(who); }

    /// Nothing of it is on the server, nor asked of it.
    [[nodiscard]] bool is_unused() const { return connection_ == nullptr && !acquiring_ && table_.empty(); }
    /// Looks whether the server is alive. Called every tick.
    void tick();

    // What the server sends.
    void take_push(std::string_view push) override;
    [[nodiscard]] bool take_unasked(std::string_view reply) override;
    void on_connection_lost() override;
    // It waits for no replies.
    void take_replies(std::string_view, std::size_t) override {}
    void finish_replies() override {}
    void take_failure(std::string_view) override {}
    void take_broken_reply(std::string_view) override {}

private:
    void pass_on();
    void use(upstream_connection& connection);
    void give_back_if_unused();
    void lose(std::string_view error);

    void on_connected(upstream_connection& connection) override;
    void on_connect_failed(upstream_connection& connection, std::string_view error) override;
    void on_acquire_timeout() override;

    worker& worker_;
    pool_share* share_;
    subscription_table table_;
    upstream_connection* connection_ = nullptr;  ///< lent by the pool; nullptr: none yet
    bool acquiring_ = false;
    bool awaiting_ = false;  ///< something was asked that is not answered
    event_loop::clock::time_point since_;  ///< when it was asked, or the server last spoke
};

}  // namespace weir
