// Replies: in the order of their requests, whoever answers; and what is pushed in between.

#include <algorithm>

#include "protocol/reply_writer.hpp"
#include "proxy/emulated_command.hpp"
#include "proxy/logging.hpp"
#include "proxy/pubsub/session_subscriptions.hpp"
#include "proxy/request_stream.hpp"
#include "proxy/session.hpp"
#include "proxy/socket.hpp"
#include "proxy/tenants/worker_tenant.hpp"
#include "proxy/tracking.hpp"
#include "proxy/transaction.hpp"
#include "proxy/worker.hpp"

namespace weir {

namespace {

bool is_null_reply(std::string_view bytes) {
    return bytes.starts_with('_') || bytes.starts_with("*-1") || bytes.starts_with("$-1");
}

}  // namespace

void session::take_replies(std::string_view bytes, std::size_t completed) {
    // As in Redis: who hangs up while it waits gets no more of its commands done.
    if (activity_ == activity::blocked && extras_->hung_up && is_null_reply(bytes)) closing_ = true;
    if (!closed_ && !muted_) {
        if (output_.empty() && direct_.empty() && !(interest_ & writable)) {
            direct_ = bytes;
        } else {
            spill_direct();
            output_.append(bytes);
        }
        window_.observe(std::max<std::size_t>(completed, 1), bytes.size());
    }
    if (completed > 0) answered(completed);
}

void session::finish_replies() {
    if (!direct_.empty()) {
        const std::string_view bytes = std::exchange(direct_, {});
        send_or_keep(bytes);
    } else if (!output_.empty() && !(interest_ & writable)) {
        flush();
    }
    if (closed_) return;
    const client_options& limits = worker_.settings().clients;
    if (output_.size() > limits.max_unsent_bytes) return cut_off();
    if (extras_) {
        if (extras_->dedicated && output_.size() > limits.pause_reading_over_bytes) extras_->dedicated->pause_reading(true);
        if (!extras_->pushes.empty() && !in_reply()) release_pushes();
    }
    close_if_done();
}

void session::send_or_keep(std::string_view bytes) {
    const auto result = send_some(socket_.get(), bytes);
    if (result.status == io_status::closed) return close();
    count_sent(result.bytes);
    if (result.bytes == bytes.size()) return;
    output_.append(bytes.substr(result.bytes));
    set_interest(interest_ | writable);
}

void session::take_failure(std::string_view error) {
    counters()->result(command_result::failed).add();
    // Of a stream that is thrown away, earlier commands may still be in flight: this is then the failure of one of those.
    if (in_flight_ == 0 && extras_ && extras_->stream) return stop_streaming(error);
    buffer line;
    reply_writer(line, resp_version::resp2).error(error);
    hand_over(line.view());
    answered(1);
}

void session::take_broken_reply(std::string_view error) {
    counters()->result(command_result::failed).add();
    log_warning("client cut off in the middle of a reply", {{"tenant", whose().name()}, {"client", id_}, {"error", error}});
    answered(1);
    close();
}

void session::reply(const buffer& bytes) {
    if (captured_ != nullptr) return captured_->append(bytes.view());
    if (in_flight_ == 0 && !wants_single_replies_) return hand_over(bytes.view());
    more().deferred.push_back({answered_ + in_flight_, std::string(bytes.view())});
    extras_->deferred_bytes += bytes.size() + sizeof(extras::deferred_reply);
    wants_single_replies_ = true;
}

void session::reply_error(std::string_view error) {
    buffer line;
    reply_writer(line, resp_version::resp2).error(error);
    reply(line);
}

void session::spill_direct() {
    if (direct_.empty()) return;
    output_.append(direct_);
    direct_ = {};
}

bool session::in_reply() {
    return upstream_->is_replying_to(*this) || (extras_ && extras_->dedicated && extras_->dedicated->is_replying_to(*this));
}

void session::push(std::string_view bytes) {
    if (closed_) return;
    if (in_reply()) {
        more().pushes.append(bytes);
        if (extras_->pushes.size() > worker_.settings().clients.subscriber_soft_unsent_bytes) request_flush();
        return;
    }
    spill_direct();
    output_.append(bytes);
    request_flush();
}

/// Looked at when the socket has taken what it would, and never while pushes are being handed out.
bool session::is_over_unsent_limit() {
    const client_options& limits = worker_.settings().clients;
    const std::size_t unsent = output_.size() + (extras_ ? extras_->pushes.size() : 0);
    if (!is_subscriber()) return unsent > limits.max_unsent_bytes;
    auto& since = extras_->over_soft_limit_since;
    if (unsent <= limits.subscriber_soft_unsent_bytes) {
        since.reset();
        return false;
    }
    if (!since) since = worker_.loop().now();
    return unsent > limits.subscriber_max_unsent_bytes || worker_.loop().now() - *since >= limits.subscriber_soft_time;
}

void session::cut_off() {
    counter& cause = is_subscriber() ? worker_.counters().subscriber_disconnects : worker_.counters().output_limit_disconnects;
    cause.add();
    log_warning(is_subscriber() ? "subscriber cut off" : "client cut off",
                {{"tenant", whose().name()}, {"client", id_}, {"unsent_bytes", output_.size()}});
    close();
}

void session::release_pushes() {
    spill_direct();
    output_.append(std::exchange(extras_->pushes, {}));
    request_flush();
}

void session::hand_over(std::string_view bytes) {
    if (closed_ || muted_) return;
    if (gathers()) return extras_->job->add_literal(bytes);
    spill_direct();
    output_.append(bytes);
    request_flush();
}

void session::release_deferred() {
    auto& deferred = extras_->deferred;
    while (!deferred.empty() && deferred.front().after <= answered_) {
        hand_over(deferred.front().bytes);
        extras_->deferred_bytes -= deferred.front().bytes.size() + sizeof(extras::deferred_reply);
        deferred.pop_front();
    }
    wants_single_replies_ = !deferred.empty();
}

void session::answered(std::size_t count) {
    in_flight_ -= static_cast<std::uint32_t>(count);
    const bool was_blocked = in_flight_ == 0 && activity_ == activity::blocked;
    tenant_->answer(was_blocked ? count - 1 : count);
    answered_ += count;
    if (wants_single_replies_) release_deferred();
    if (in_flight_ == 0 && extras_ && !extras_->written.empty()) end_late_writes();
    const bool awaited = activity_ == activity::awaiting_replies || activity_ == activity::awaiting_answer ||
                         activity_ == activity::blocked;
    if (in_flight_ == 0 && awaited) {
        settle();
    } else if ((!input_.empty() || !(interest_ & readable)) && in_flight_ <= window_.commands() / 2) {
        request_resume();
    }
}

void session::finish_emulated(const buffer& bytes) {
    if (worker_.fallback().remembers() && last_command_->has(command_flag::write)) {
        worker_.fallback().note_flush(last_command_->name, tenant_->shared(), client().database);
    }
    hand_over(bytes.view());
    activity_ = activity::none;
    request_resume();
}

}  // namespace weir
