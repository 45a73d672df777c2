// Large requests and large replies. A request too long to be held whole is passed on while it arrives, on a dedicated
// connection, so that a slow sender holds up nobody else. A reply that its client does not take as fast as it comes makes
// the shared connection it comes on the session's own, as soon as nobody else waits there, so that it need not be held
// whole either.

#include <algorithm>

#include "protocol/command_keys.hpp"
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

/// A streamed request's bytes that the upstream has not taken; then reading stops.
constexpr std::size_t max_unsent_stream_bytes = 1 << 20;
/// A longer request is not answered without the upstream.
constexpr std::size_t max_held_bytes = 8 << 20;

}  // namespace

session::stream_start session::try_stream(const request_parser& so_far, std::string_view bytes) {
    const std::size_t limit = worker_.settings().clients.stream_over_bytes;
    const bool large = bytes.size() >= limit || (so_far.bulk_announced() && so_far.announced_bulk_bytes() > limit);
    if (!large) return stream_start::no;
    const std::size_t announced = so_far.consumed() + (so_far.bulk_announced() ? so_far.announced_bulk_bytes() : 0);
    if (auto fault = quota_fault(so_far.announced_arguments(), std::max(announced, bytes.size())); !fault.empty()) {
        if (in_transaction()) extras_->multi->poisoned = true;
        start_stream({command_route::refuse, nullptr, std::move(fault)}, nullptr);
        return stream_start::started;
    }
    if (so_far.whole_arguments() == 0) return stream_start::no;
    const arguments known = so_far.whole(bytes);
    if (in_transaction() || !authenticated()) return stream_start::no;
    const std::size_t count = so_far.announced_arguments();
    decision decided = judge(known, count, bytes.size());
    if (!upstream_passes() && needs_upstream(decided)) {
        // What answers without the upstream needs all of it.
        const bool held = worker_.fallback().exists() && std::max(announced, bytes.size()) <= max_held_bytes;
        if (held || gathers() || job_posted_) return stream_start::no;
        decided = {command_route::refuse, decided.command,
                   without_upstream("'" + std::string(decided.command->name) + "'", "it is too long")};
    }
    if (decided.route != command_route::refuse) {
        const passage passed = pass_limits(*decided.command, decided.error);
        if (passed == passage::later) return stream_start::wait;
        if (passed == passage::never) decided.route = command_route::refuse;
    }
    const bool refused = decided.route == command_route::refuse;
    // What is streamed has its reply passed on as it is.
    const bool can_stream = refused || (decided.route == command_route::forward && !decided.waits &&
                                        decided.command->reply == reply_rule::plain &&
                                        has_positional_keys(*decided.command) &&
                                        !needs_all_arguments(*decided.command, known, count, whose()));
    if (!can_stream) return stream_start::no;
    if ((!refused && in_flight_ > 0) || !unmute_if_due()) {
        await_replies();
        return stream_start::wait;
    }
    if (muted_ && extras_->replies == client_replies::skip_next) extras_->replies = client_replies::skipping;
    start_stream(decided, &known);
    return stream_start::started;
}

void session::start_stream(const decision& decided, const arguments* known) {
    last_command_ = decided.command;
    if (paid_ > 0) --paid_;
    activity_ = activity::streaming;
    const bool refused = decided.route == command_route::refuse;
    if (!refused && known != nullptr) note_late_write(*known, *decided.command);
    more().pinned = worker_.shared_snapshot();
    extras_->streaming_for = tenant_->shared();
    extras_->stream = std::make_unique<request_stream>(refused ? nullptr : decided.command, *extras_->streaming_for,
                                                       worker_.settings().clients.max_bulk_bytes);
    if (refused) {
        counters()->result(command_result::refused).add();
        pace();
        extras_->stream->discard(decided.error);
    } else if (extras_->dedicated) {
        extras_->dedicated->begin_stream(*this);
    } else {
        activity_ = activity::awaiting_connection;
        worker_.pool().acquire({client().version, client().database}, *this, &tenant_->account().dedicated);
    }
}

std::size_t session::feed_stream(std::string_view bytes) {
    request_stream& stream = *extras_->stream;
    const auto pass_on = [this](std::string_view piece) {
        if (extras_->dedicated) extras_->dedicated->stream(piece);
    };
    const auto [result, consumed] = stream.feed(bytes, pass_on);
    if (result == request_stream::status::error) {
        const std::string text = stream.error_text();
        extras_->stream.reset();
        give_back_dedicated();
        activity_ = activity::none;
        protocol_error(text);
        return bytes.size();
    }
    if (stream.discarding() && extras_->dedicated && extras_->dedicated->streaming()) give_back_dedicated();
    if (extras_->dedicated) extras_->dedicated->flush_stream();
    // The flush may have found the connection broken: stop_streaming() has seen to it.
    if (result == request_stream::status::complete) {
        end_stream();
    } else if (extras_->dedicated && extras_->dedicated->unsent_bytes() > max_unsent_stream_bytes) {
        activity_ = activity::throttled;
    }
    return consumed;
}

void session::end_stream() {
    const std::unique_ptr<request_stream> ended = std::move(extras_->stream);
    if (ended->discarding()) {
        activity_ = activity::none;
        return reply_error(ended->error_text());
    }
    activity_ = activity::awaiting_answer;
    extras_->dedicated->end_stream();
    count_in_flight();
}

/// The connection is lost before the request was whole: it was not executed. The client goes on sending the rest.
void session::stop_streaming(std::string_view error) {
    extras_->stream->discard(error);
    give_back_dedicated();
    activity_ = activity::streaming;
    request_resume();
}

void session::on_long_reply(upstream_connection& connection) {
    const bool plain = activity_ == activity::none || activity_ == activity::awaiting_replies;
    if (closed_ || !plain || output_.size() <= worker_.settings().clients.pause_reading_over_bytes) return;
    if (!connection.serves_only(*this) || !worker_.pool().may_adopt(&tenant_->account().dedicated)) return;
    more().dedicated = &worker_.pool().adopt(connection.split_off(), &tenant_->account().dedicated);
    extras_->dedicated->pause_reading(true);
    activity_ = activity::awaiting_answer;
}

void session::on_upstream_writable() {
    if (activity_ != activity::throttled) return;
    activity_ = activity::streaming;
    request_resume();
}

}  // namespace weir
