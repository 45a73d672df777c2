// A session that subscribes: it performs nothing else until all names of a request are confirmed, so that the
// confirmations stand where replies would.

#include "proxy/emulated_command.hpp"
#include "proxy/pubsub/session_subscriptions.hpp"
#include "proxy/request_stream.hpp"
#include "proxy/session.hpp"
#include "proxy/tracking.hpp"
#include "proxy/transaction.hpp"
#include "proxy/worker.hpp"

namespace weir {

session::progress session::change_subscriptions(const arguments& request, const command_spec& command) {
    const bool ends = command.name.find("unsub") != std::string_view::npos;
    if (!upstream_passes() && !ends) {
        refuse_without_upstream("'" + std::string(command.name) + "'", {});
        return progress::next;
    }
    auto& subscriptions = more().subscriptions;
    if (!subscriptions) subscriptions = std::make_unique<session_subscriptions>(*this, tenant_->hub());
    if (!subscriptions->perform(request, command)) {
        activity_ = activity::subscribing;
    }
    return progress::next;
}

void session::end_subscribing() {
    if (activity_ == activity::subscribing) proceed();
}

bool session::is_subscriber() const { return extras_ && extras_->subscriptions && extras_->subscriptions->any(); }

bool session::is_confined_to_subscribing() const {
    return is_subscriber() && extras_->client.version == resp_version::resp2;
}

}  // namespace weir
