// Which connection a session's commands go to: a shared one, or one of its own while something of the client's lives on
// it. It changes only while nothing is in flight.

#include "policy/simple_replies.hpp"
#include "protocol/errors.hpp"
#include "proxy/emulated_command.hpp"
#include "proxy/pubsub/session_subscriptions.hpp"
#include "proxy/request_stream.hpp"
#include "proxy/session.hpp"
#include "proxy/tenants/worker_tenant.hpp"
#include "proxy/tracking.hpp"
#include "proxy/transaction.hpp"
#include "proxy/worker.hpp"

namespace weir {

namespace {

/// Of a server that has not said how many it has.
constexpr int standard_databases = 16;

}  // namespace

bool session::has_state_upstream() const { return extras_ && (extras_->watching || extras_->tracking); }

session::holding session::hold_connection() {
    if (extras_ && extras_->dedicated) return holding::held;
    if (in_flight_ > 0) {
        await_replies();
        return holding::wait;
    }
    if (!more().acquire_fault.empty()) {
        counters()->result(command_result::failed).add();
        reply_error(std::exchange(extras_->acquire_fault, {}));
        return holding::failed;
    }
    const lane wanted{client().version, client().database};
    if (upstream_connection* const idle = worker_.pool().try_take(wanted, &tenant_->account().dedicated)) {
        hold(*idle);
        return holding::held;
    }
    activity_ = activity::awaiting_connection;
    worker_.pool().acquire(wanted, *this, &tenant_->account().dedicated);
    return holding::wait;
}

void session::hold(upstream_connection& connection) {
    more().dedicated = &connection;
    upstream_ = &connection;
    connection.set_owner(this);
}

session::progress session::run_as(command_user user) {
    if (user == command_user::any) return progress::next;
    const auto confined_to = user == command_user::confined ? tenant_->shared() : nullptr;
    const bool own = extras_ && extras_->dedicated;
    if (upstream_->set_to().confined_to == confined_to) return progress::next;
    if (in_flight_ > 0) {
        await_replies();
        return progress::wait;
    }
    if (own) {
        activity_ = activity::awaiting_connection;
        upstream_->change_user(confined_to, *this);
        return progress::wait;
    }
    upstream_ = &worker_.shared_connection({client().version, client().database, confined_to});
    return progress::next;
}

void session::settle() {
    if (in_flight_ > 0) return;
    if (extras_) {
        if (extras_->moved_to) {
            client().database = *std::exchange(extras_->moved_to, {});
            // The configuration may have changed since it was asked for.
            if (!whose().may_select(client().database)) return close();
            if (extras_->dedicated && has_state_upstream()) {
                extras_->dedicated->moved_to({client().version, client().database, extras_->dedicated->set_to().confined_to});
            } else if (!extras_->dedicated) {
                use_shared_connection();
            }
        }
        if (extras_->dedicated && has_state_upstream()) {
            upstream_ = extras_->dedicated;
        } else if (extras_->dedicated) {
            give_back_dedicated();
        }
    }
    proceed();
}

void session::proceed() {
    if (extras_) extras_->counted_as_blocked.reset();
    activity_ = activity::none;
    set_interest(interest_ & ~hangup);
    request_resume();
}

/// Nothing is read while it waits, so that only this tells of a client that has gone.
void session::watch_for_hangup() {
    set_interest((interest_ & writable) | hangup);
}

/// The client is gone, or has closed its side, which to Redis is the same. The server ends the wait, so that nothing is
/// popped for nobody; if it has just been served, the reply is on its way and goes out.
void session::unblock_if_blocked() {
    set_interest(interest_ & ~hangup);
    if (activity_ != activity::blocked) return;
    const auto id = extras_->dedicated->server_id();
    upstream_connection& other = worker_.shared_connection({client().version, client().database});
    if (!id || !other.unavailable().empty()) return close();
    extras_->hung_up = true;
    last_active_ = worker_.loop().now();
    const std::size_t size_before = other.output().size();
    reply_writer writer(other.output(), resp_version::resp2);
    writer.array(3);
    for (const std::string_view word : {std::string_view("CLIENT"), std::string_view("UNBLOCK")}) writer.bulk(word);
    writer.bulk(std::to_string(*id));
    other.submit_silently(size_before);
    // The next user must not be woken by what was meant for this one.
    extras_->dedicated->spoil();
}

void session::use_shared_connection() {
    upstream_ = &worker_.shared_connection({client().version, client().database});
}

void session::give_back_dedicated() {
    if (!extras_ || !extras_->dedicated) return;
    upstream_connection& connection = *std::exchange(extras_->dedicated, nullptr);
    connection.break_off_stream();
    if (has_state_upstream()) {
        connection.spoil();
        extras_->watch_lost = std::exchange(extras_->watching, false);
        // What it has cached is not kept true any more: a client knows that from a closed connection alone.
        if (std::exchange(extras_->tracking, nullptr) && !closed_) close_after_replies();
    }
    if (upstream_ == &connection && !closed_) use_shared_connection();
    worker_.pool().release(connection);
}

void session::on_connection_lost() {
    give_back_dedicated();
    if (!closing_) request_resume();
}

void session::on_connected(upstream_connection& connection) {
    if (activity_ == activity::selecting) {
        more().selecting = nullptr;
        if (!whose().may_select(connection.set_to().database)) return close();
        use_lane(connection.set_to());
        buffer line;
        reply_writer(line, resp_version::resp2).simple("OK");
        reply(line);
    } else if (more().stream) {
        extras_->dedicated = &connection;
        connection.begin_stream(*this);
        activity_ = activity::streaming;
        return request_resume();
    } else {
        hold(connection);
    }
    proceed();
}

void session::on_connect_failed(upstream_connection& connection, std::string_view error) {
    if (activity_ == activity::selecting) {
        more().selecting = nullptr;
        reply_error(error);
        return proceed();
    }
    const bool was_ours = std::exchange(more().dedicated, &connection) == &connection;
    if (extras_->stream) {
        counters()->result(command_result::failed).add();
        return stop_streaming(error);
    }
    give_back_dedicated();
    if (!was_ours) extras_->acquire_fault = error;
    proceed();
}

void session::on_acquire_timeout() {
    if (extras_->stream) {
        counters()->result(command_result::failed).add();
        return stop_streaming(errors::pool_exhausted);
    }
    extras_->acquire_fault = errors::pool_exhausted;
    proceed();
}

void session::use_lane(lane wanted) {
    client().version = wanted.version;
    client().database = wanted.database;
    if (!extras_->dedicated) {
        upstream_ = &worker_.shared_connection(wanted);
    } else if (upstream_->set_to().version != wanted.version) {
        const std::size_t size_before = upstream_->output().size();
        reply_writer writer(upstream_->output(), resp_version::resp2);
        writer.array(2);
        writer.bulk("HELLO");
        writer.bulk(wanted.version == resp_version::resp3 ? "3" : "2");
        upstream_->submit_silently(size_before);
        wanted.confined_to = upstream_->set_to().confined_to;
        upstream_->moved_to(wanted);
    }
}

void session::select_database(int database) {
    if (extras_ && extras_->dedicated) {
        const std::size_t size_before = upstream_->output().size();
        reply_writer writer(upstream_->output(), resp_version::resp2);
        writer.array(2);
        writer.bulk("SELECT");
        writer.bulk(std::to_string(database));
        auto note = std::make_unique<observed_reply>(reply_target::prefix(), [this, database](bool succeeded) {
            if (succeeded) extras_->moved_to = database;
        });
        upstream_->submit(*this, size_before, submission{{}, std::move(note)});
        count_in_flight();
        activity_ = activity::awaiting_answer;
        return;
    }
    // No connection is made for what the server does not have. How many it has is not asked while it is away.
    const auto& databases = worker_.snapshot().databases;
    const bool known = databases || !upstream_passes();
    if (known && database >= databases.value_or(standard_databases)) return reply_error(errors::database_out_of_range);
    upstream_connection& connection = worker_.shared_connection({client().version, database});
    if (!upstream_passes()) {
        use_lane(connection.set_to());
        buffer line;
        reply_writer(line, resp_version::resp2).simple("OK");
        return reply(line);
    }
    activity_ = activity::selecting;
    more().selecting = &connection;
    if (connection.ready() || database == worker_.settings().upstream.database) return on_connected(connection);
    connection.wait(*this);
}

void session::forget_state() {
    if (!extras_) return;
    extras_->multi.reset();
    extras_->subscriptions.reset();
    if (has_state_upstream() && extras_->dedicated) extras_->dedicated->spoil();
    extras_->tracking.reset();
    extras_->watching = false;
    extras_->relay.reset();
    extras_->relay_fault.clear();
    give_back_dedicated();
    extras_->watch_lost = false;
}

std::optional<std::uint64_t> session::blocked_upstream_id() {
    if (activity_ != activity::blocked) return std::nullopt;
    extras_->dedicated->spoil();
    return extras_->dedicated->server_id();
}

}  // namespace weir
