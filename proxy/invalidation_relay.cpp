#include "proxy/invalidation_relay.hpp"

#include "policy/reply_rewriter.hpp"
#include "protocol/errors.hpp"
#include "proxy/session.hpp"
#include "proxy/tenants/tenant_account.hpp"
#include "proxy/worker.hpp"

namespace weir {

invalidation_relay::invalidation_relay(session& from, std::uint64_t to, worker& home_of_to)
    : reply_target(nullptr, from.account()->prefix()), from_(from), to_(to), home_of_to_(home_of_to) {}

invalidation_relay::~invalidation_relay() {
    from_.owner().pool().cancel(*this);
    give_back();
}

void invalidation_relay::open() {
    from_.owner().pool().acquire({resp_version::resp3, 0}, *this, &from_.account()->dedicated);
}

void invalidation_relay::give_back() {
    if (connection_ == nullptr) return;
    connection_->spoil();
    from_.owner().pool().release(*std::exchange(connection_, nullptr));
}

void invalidation_relay::on_connected(upstream_connection& connection) {
    connection_ = &connection;
    connection.set_owner(this);
    from_.on_relay_ready(connection.server_id() ? std::string_view{} : errors::no_redirection);
}

void invalidation_relay::on_connect_failed(upstream_connection& connection, std::string_view error) {
    connection_ = &connection;
    from_.on_relay_ready(error);
}

void invalidation_relay::on_acquire_timeout() { from_.on_relay_ready(errors::pool_exhausted); }

/// Without it nobody would know what has become stale: as if the client's own connection had broken.
void invalidation_relay::on_connection_lost() { from_.on_connection_lost(); }

void invalidation_relay::take_push(std::string_view push) {
    reply_rewriter rewriter(reply_rule::push_keys, prefix());
    buffer stripped;
    if (!push.starts_with(">2\r\n$10\r\ninvalidate\r\n") || !rewriter.feed(push, stripped)) return;
    worker& here = from_.owner();
    home_of_to_.loop().post([&here, &there = home_of_to_, from = from_.id(), to = to_, whose = from_.account(),
                             text = std::string(stripped.view())] {
        session* const client = there.find_session(to);
        if (client != nullptr && client->account() == whose) return client->take_redirected(text);
        here.loop().post([&here, from, to] {
            session* const tracker = here.find_session(from);
            if (tracker != nullptr) tracker->on_redirection_broken(to);
        });
    });
}

}  // namespace weir
