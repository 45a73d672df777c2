// Requests: read, judged, and performed; most of them are written to the upstream.

#include <algorithm>

#include "policy/command_listing.hpp"
#include "policy/digest.hpp"
#include "policy/idempotence.hpp"
#include "policy/simple_replies.hpp"
#include "protocol/errors.hpp"
#include "proxy/emulated_command.hpp"
#include "proxy/local_commands.hpp"
#include "proxy/pubsub/pubsub_replies.hpp"
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

/// How much is read at once behind a request that is not whole yet.
constexpr std::size_t min_read_bytes = 16 << 10;
constexpr std::size_t max_read_bytes = 1 << 20;

/// Of what weir answers, that no limit counts, and that begins nothing: it could be asked without end.
bool is_uncounted(const command_spec& command) {
    return command.has(command_flag::no_auth) || command.name.starts_with("weir|");
}

}  // namespace

bool session::held_up() const {
    if (closed_ || closing_) return true;
    if (resting_ || wants_room_) return true;
    if (activity_ != activity::none) return activity_ != activity::streaming;
    // One command each may always go: a tenant that floods the upstream does not lock out the others.
    if (in_flight_ >= window_.commands() || (in_flight_ > 0 && upstream_->is_full())) return true;
    const std::size_t owed = output_.size() + (extras_ ? extras_->deferred_bytes : 0);
    return owed > worker_.settings().clients.pause_reading_over_bytes;
}

void session::read_requests() {
    if (held_up()) return set_interest(interest_ & ~readable);
    if (tenant_->is_full()) return wait_for_room();
    if (const auto debt = tenant_->received_debt(); debt.count() > 0) {
        rest_for(debt);
        return set_interest(interest_ & ~readable);
    }
    if (!input_.empty()) return read_behind_input();
    const std::span<char> room = worker_.read_buffer();
    const auto result = receive(socket_.get(), room.data(), room.size());
    if (result.status == io_status::would_block) return;
    if (result.status == io_status::closed) return close();
    if (result.bytes == 0) return end_input();
    last_active_ = worker_.loop().now();
    const std::string_view bytes(room.data(), result.bytes);
    const std::size_t used = process(bytes);
    if (used < bytes.size() && !closed_ && !closing_) input_.append(bytes.substr(used));
    count_received(result.bytes);
}

void session::read_behind_input() {
    std::size_t missing = 0;
    if (const request_parser& pending = parser(); pending.bulk_announced()) {
        missing = pending.consumed() + pending.announced_bulk_bytes() + 2 - input_.size();
    }
    const std::size_t room = std::clamp(missing, min_read_bytes, max_read_bytes);
    const auto result = receive(socket_.get(), input_.prepare(room), room);
    if (result.status == io_status::would_block) return;
    if (result.status == io_status::closed) return close();
    if (result.bytes == 0) return end_input();
    last_active_ = worker_.loop().now();
    input_.commit(result.bytes);
    input_.consume(process(input_.view()));
    input_.release();
    count_received(result.bytes);
}

void session::end_input() {
    input_ended_ = true;
    set_interest(interest_ & ~readable);
    close_if_done();
}

request_parser& session::parser() { return extras_ && extras_->parser ? *extras_->parser : worker_.parser(); }

void session::keep_parser() {
    if (extras_ && extras_->parser) return;
    more().parser = std::make_unique<request_parser>(std::move(worker_.parser()));
    worker_.parser() = request_parser{};
}

std::size_t session::process(std::string_view bytes) {
    const std::size_t used = perform_all(bytes);
    if (gathers() && !closed_) post_job();
    return used;
}

std::size_t session::perform_all(std::string_view bytes) {
    std::size_t used = 0;
    while (used < bytes.size() && !held_up()) {
        const std::string_view rest = bytes.substr(used);
        if (extras_ && extras_->stream) {
            used += feed_stream(rest);
            continue;
        }
        if (tenant_->is_full()) {
            wait_for_room();
            return used;
        }
        request_parser& pending = parser();
        const auto status = pending.parse(rest, authenticated() ? worker_.limits() : worker_.strangers_limits());
        if (status == parse_status::error) {
            protocol_error(pending.error_text());
            pending.reset();
            return bytes.size();
        }
        if (status == parse_status::need_more) {
            const auto start = try_stream(pending, rest);
            if (start == stream_start::no) {
                keep_parser();
                return used;
            }
            pending.reset();
        } else {
            const arguments request = pending.request(rest);
            const auto outcome = request.size() > 0 ? perform(request) : progress::next;
            if (outcome == progress::next) used += pending.consumed();
            pending.reset();
        }
        if (extras_) extras_->parser.reset();
    }
    return used;
}

session::progress session::perform(const arguments& request) {
    if (!unmute_if_due()) {
        gathers() ? post_job() : await_replies();
        return progress::wait;
    }
    const bool skipped = muted_ && extras_->replies == client_replies::skip_next;
    if (skipped) extras_->replies = client_replies::skipping;  // before it is performed, as it may be a CLIENT REPLY itself
    const auto outcome = perform_one(request);
    if (skipped && outcome == progress::wait) extras_->replies = client_replies::skip_next;
    return outcome;
}

decision session::judge(const arguments& request, std::size_t count, std::size_t bytes) {
    decision decided = decide(worker_.commands(), request, count, whose());
    if (auto fault = quota_fault(count, bytes); !fault.empty()) return {command_route::refuse, decided.command, std::move(fault)};
    if (is_confined_to_subscribing() && decided.command != nullptr && !decided.command->container &&
        decided.command->accepts_argument_count(count) &&
        !is_for_subscribers(*decided.command)) {
        return {command_route::refuse, decided.command, errors::only_while_subscribed(*decided.command)};
    }
    return decided;
}

session::progress session::perform_one(const arguments& request) {
    if (extras_ && !extras_->refusal.empty() && paid_ == 0) {
        in_transaction() ? refuse_queued(extras_->refusal) : refuse(extras_->refusal);
        extras_->refusal.clear();
        return progress::next;
    }
    const decision decided = judge(request, request.size(), request.raw().size());
    if (gathers() && (!needs_upstream(decided) || upstream_passes())) {  // it must wait for the answers of those before it
        post_job();
        return progress::wait;
    }
    const bool chosen = extras_ && extras_->tracking && extras_->tracking->chosen;
    if (decided.route == command_route::refuse) {
        drop_preparations();
    } else {
        std::string error;
        const passage passed = pass_limits(*decided.command, error);
        if (passed == passage::later) return progress::wait;
        if (passed == passage::never && gathers()) {
            extras_->refusal = std::move(error);
            post_job();
            return progress::wait;
        }
        if (passed == passage::never) {
            last_command_ = decided.command;
            in_transaction() ? refuse_queued(error) : refuse(error);
            return progress::next;
        }
    }
    const auto outcome = perform_decided(request, decided);
    if (outcome == progress::next && paid_ > 0) --paid_;
    if (chosen && outcome == progress::next) end_caching_choice(decided);
    return outcome;
}

session::progress session::perform_decided(const arguments& request, const decision& decided) {
    last_command_ = decided.command;
    const bool for_the_queue = decided.command == nullptr || decided.route == command_route::refuse ||
                               in_transaction_rule(*decided.command) != in_multi::at_once;
    if (in_transaction() && for_the_queue && !decided.hang_up) return queue(request, decided);
    if (!upstream_passes() && needs_upstream(decided)) {
        if (const auto diverted = divert(request, decided)) return *diverted;
    }
    switch (decided.route) {
        case command_route::forward: return forward(request, decided);
        case command_route::local: {
            if (needs_quiet(*decided.command) && in_flight_ > 0) break;
            const auto outcome = perform_local(*this, *decided.command, request);
            if (outcome == progress::next) counters()->result(command_result::local).add();
            if (outcome == progress::next && is_uncounted(*decided.command)) pace();
            return outcome;
        }
        case command_route::emulate:
            if (in_flight_ > 0) break;
            activity_ = activity::emulating;
            more().emulated = start_emulated(*this, *decided.command, request);
            return progress::next;
        case command_route::refuse:
            if (decided.hang_up) {
                close_after_replies();
            } else {
                refuse(decided.error);
            }
            return progress::next;
    }
    await_replies();
    return progress::wait;
}

session::progress session::forward(const arguments& request, const decision& decided) {
    const command_spec& command = *decided.command;
    if (decided.waits) {
        switch (hold_connection()) {
            case holding::wait: return progress::wait;
            case holding::failed: return progress::next;
            case holding::held: break;
        }
    }
    if (run_as(user_for(decided)) == progress::wait) return progress::wait;
    if (const auto fault = upstream_->unavailable(); !fault.empty()) {
        const auto now = worker_.loop().now();
        if (upstream_->is_upstreams_fault()) worker_.outcomes().fail(breaker_failure::connect, now, now);
        end_trial();
        counters()->result(command_result::failed).add();
        reply_error(fault);
        if (activity_ != activity::none || decided.waits) settle();
        return progress::next;
    }
    const std::size_t size_before = upstream_->output().size();
    // WAIT means the writes of its connection, and the client's may have gone over another one. So something goes in front
    // that reaches the replicas behind all that was done until then: a message on a channel that is no tenant's.
    if (decided.waits && command.key_spec_count == 0) {
        upstream_->output().append("*3\r\n$7\r\nPUBLISH\r\n$4\r\nweir\r\n$0\r\n\r\n");
    }
    const bool acknowledges = upstream_->output().size() > size_before;
    const auto status = worker_.rewriter().rewrite(request, command, whose(), upstream_->output(), scripts());
    if (status != rewrite_status::ok) {
        end_trial();
        refuse(status == rewrite_status::key_too_long ? errors::key_too_long : errors::syntax);
        if (activity_ != activity::none || decided.waits) settle();
        return progress::next;
    }
    count_in_flight();
    std::unique_ptr<reply_interpreter> watching;
    fallback_port::slots& written = worker_.written();
    if (worker_.fallback().remembers()) {
        watching = worker_.fallback().watch(request, command, tenant_->shared(), upstream_->set_to().database,
                                            upstream_->set_to().version, worker_.loop().now(), scripts(), written);
    }
    if (watching) {
        upstream_->submit(*this, size_before, submission{sent_as(request, command), std::move(watching)});
    } else if (decided.waits) {
        sent_command what = sent_as(request, command);
        what.timeout = command_timeouts::never;
        upstream_->submit(*this, size_before, {what, nullptr, acknowledges ? 1u : 0u});
        activity_ = activity::blocked;
        tenant_->answer(1);  // it may last for ever, and is not among what the tenant has in flight
        more().counted_as_blocked = count_in(counters()->blocked);
        watch_for_hangup();
    } else if (command.reply == reply_rule::interpreted) {
        sent_command what = sent_as(request, command);
        what.reply = reply_rule::plain;  // unless there is an interpreter
        what.repeatable = false;
        upstream_->submit(*this, size_before, submission{what, interpreter_for(request, command)});
    } else {
        upstream_->submit(*this, size_before, sent_as(request, command));
    }
    if (!written.empty()) upstream_->will_write(written);
    return progress::next;
}

sent_command session::sent_as(const arguments& request, const command_spec& command) {
    const retry_mode retry = worker_.settings().upstream.retry;
    const bool writes = !command.has(command_flag::readonly);
    const bool repeatable = writes ? retry == retry_mode::idempotent_writes && is_idempotent_write(request, command)
                                   : retry != retry_mode::never;
    return {command.reply, worker_.timeouts().class_of(command), writes, repeatable, std::exchange(trial_, false)};
}

command_user session::user_for(const decision& decided) const {
    const auto& confined_to = upstream_->set_to().confined_to;
    if (decided.user != command_user::any || confined_to == nullptr) return decided.user;
    // What that user may do was decided when the tenant was configured otherwise.
    if (confined_to != tenant_->shared()) return command_user::own;
    return may_run_confined(*decided.command, whose(), worker_.upstream_version().major) ? command_user::any : command_user::own;
}

/// For rows whose reply rule says so; nullptr: it passes as it is.
std::unique_ptr<reply_interpreter> session::interpreter_for(const arguments& request, const command_spec& command) {
    if (const auto listing = listing_of(command, request.size())) {
        return std::make_unique<command_listing_reply>(*listing, client().version, worker_.snapshot().commands);
    }
    if (command.name != "script|load") return pubsub_interpreter(request, command, whose(), tenant_->account().subscribers);
    if (scripts() == nullptr) return nullptr;
    // The client's name for it, not the server's.
    buffer name;
    reply_writer(name, resp_version::resp2).bulk(to_hex(sha1(request[2])));
    return std::make_unique<replaced_success>(reply_target::prefix(), name.view());
}

bool session::unmute_if_due() {
    if (!extras_ || extras_->replies != client_replies::skipping) return true;
    if (in_flight_ > 0 || gathers()) return false;
    switch_replies(client_replies::on);
    return true;
}

void session::switch_replies(client_replies wanted) {
    if (wanted == client_replies::on && !extras_) return;
    more().replies = wanted;
    muted_ = wanted != client_replies::on;
}

/// The request is refused. It may have been offered before, when it was not, and have got what it needed.
void session::drop_preparations() {
    if (!extras_) return;
    extras_->delayed_since.reset();
    extras_->acquire_fault.clear();
    if (in_flight_ == 0 && extras_->dedicated && !has_state_upstream()) give_back_dedicated();
}

void session::refuse(std::string_view error) {
    counters()->result(command_result::refused).add();
    reply_error(error);
    pace();
}

void session::protocol_error(std::string_view text) {
    worker_.counters().protocol_errors.add();
    reply_error(text);
    close_after_replies();
}

void session::close_after_replies() {
    closing_ = true;
    set_interest(interest_ & ~readable);
    request_flush();
}

}  // namespace weir
