#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/upstream/reply_target.hpp"
#include "proxy/upstream/upstream_connection.hpp"

namespace weir {

class session;
class worker;

/// CLIENT TRACKING with REDIRECT: the upstream connection that the server sends one client's invalidations to, and the
/// way from there to the client that shall have them, on this worker or another. Belongs to the client that tracks, and
/// to its worker's thread.
///
///     upstream -> relay -> (post to the other's worker) -> session::take_redirected()
///                       <- on_redirection_broken()         when there is no such client any more
class invalidation_relay final : public reply_target, private upstream_connection::waiter {
public:
    invalidation_relay(session& from, std::uint64_t to, worker& home_of_to);
    ~invalidation_relay();

    /// Gets a connection; session::on_relay_ready() is called then, or when there is none.
    void open();
    /// Once it is ready: what the server knows the connection by.
    [[nodiscard]] std::uint64_t server_id() const { return *connection_->server_id(); }
    [[nodiscard]] std::uint64_t target() const { return to_; }

    void take_push(std::string_view push) override;
    void on_connection_lost() override;
    void take_replies(std::string_view, std::size_t) override {}
    void finish_replies() override {}
    void take_failure(std::string_view) override {}
    void take_broken_reply(std::string_view) override {}

private:
    void on_connected(upstream_connection& connection) override;
    void on_connect_failed(upstream_connection& connection, std::string_view error) override;
    void on_acquire_timeout() override;
    void give_back();

    session& from_;
    std::uint64_t to_;
    worker& home_of_to_;
    upstream_connection* connection_ = nullptr;
};

}  // namespace weir
