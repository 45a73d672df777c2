// What a session tells of itself (CLIENT LIST, CLIENT INFO).

#include <sys/epoll.h>
#include <sys/socket.h>

#include "proxy/emulated_command.hpp"
#include "proxy/pubsub/session_subscriptions.hpp"
#include "proxy/request_stream.hpp"
#include "proxy/session.hpp"
#include "proxy/socket.hpp"
#include "proxy/tracking.hpp"
#include "proxy/transaction.hpp"
#include "proxy/worker.hpp"

namespace weir {

namespace {

/// As Redis spells addresses: a unix socket's path with port 0, for both ends.
std::string spelling(const std::optional<socket_address>& address) {
    if (!address) return {};
    const std::string text = address->to_string();
    return address->family() == AF_UNIX ? text.substr(std::string_view("unix:").size()) + ":0" : text;
}

}  // namespace

client_facts session::describe() const {
    using std::chrono::duration_cast;
    using std::chrono::seconds;
    const auto now = worker_.loop().now();
    const auto local = local_address(socket_.get());
    client_facts facts;
    facts.id = id_;
    facts.descriptor = socket_.get();
    facts.by_unix_socket = local && local->family() == AF_UNIX;
    facts.local_address = spelling(local);
    facts.address = facts.by_unix_socket ? facts.local_address : spelling(peer_address(socket_.get()));
    facts.age = duration_cast<seconds>(now - connected_at_);
    facts.idle = duration_cast<seconds>(now - last_active_);
    facts.closing = closing_;
    facts.database = worker_.settings().upstream.database;
    facts.unread_bytes = input_.size();
    facts.unread_room_bytes = input_.capacity() - input_.size();
    facts.unsent_bytes = output_.capacity();
    facts.total_bytes = sizeof *this + input_.capacity() + output_.capacity();
    facts.wants_to_write = (interest_ & writable) != 0;
    facts.blocked = activity_ == activity::blocked;
    if (last_command_ != nullptr) facts.command = last_command_->name;
    if (extras_) {
        const client_state& state = extras_->client;
        facts.database = state.database;
        facts.name = state.name;
        facts.no_evict = state.no_evict;
        facts.no_touch = state.no_touch;
        facts.version = state.version;
        facts.library_name = state.library_name;
        facts.library_version = state.library_version;
        const std::size_t waiting_bytes = extras_->deferred_bytes + extras_->pushes.capacity();
        facts.unsent_bytes += waiting_bytes;
        facts.total_bytes += sizeof *extras_ + waiting_bytes;
        describe_state(facts);
    }
    return facts;
}

/// What lasts from one command to the next.
void session::describe_state(client_facts& facts) const {
    facts.watch_failed = extras_->watch_lost;
    if (extras_->multi) {
        facts.queued_commands = extras_->multi->replies.size();
        facts.queued_bytes = extras_->multi->commands.capacity();
        facts.total_bytes += facts.queued_bytes;
    }
    if (const tracking_state* const tracked = tracking()) {
        facts.tracking = true;
        facts.broadcast = tracked->broadcast;
        facts.broken_redirection = tracked->redirect_broken;
        facts.redirection = static_cast<std::int64_t>(tracked->redirect.value_or(0));
    }
    if (const session_subscriptions* const subscribed = subscriptions()) {
        facts.subscriber = subscribed->any();
        facts.channels = subscribed->count(subscription_kind::channel);
        facts.patterns = subscribed->count(subscription_kind::pattern);
        facts.shard_channels = subscribed->count(subscription_kind::shard);
    }
}

}  // namespace weir
