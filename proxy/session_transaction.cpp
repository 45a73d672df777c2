// Transactions. Between MULTI and EXEC commands are queued here (proxy/transaction.hpp); keys that are watched live on a
// connection of the session's own until EXEC, DISCARD or UNWATCH.

#include "policy/simple_replies.hpp"
#include "protocol/errors.hpp"
#include "proxy/emulated_command.hpp"
#include "proxy/local_commands.hpp"
#include "proxy/pubsub/session_subscriptions.hpp"
#include "proxy/request_stream.hpp"
#include "proxy/session.hpp"
#include "proxy/tracking.hpp"
#include "proxy/transaction.hpp"
#include "proxy/worker.hpp"

namespace weir {

namespace {

constexpr std::string_view multi_request = "*1\r\n$5\r\nMULTI\r\n";
constexpr std::string_view exec_request = "*1\r\n$4\r\nEXEC\r\n";
constexpr std::string_view unwatch_request = "*1\r\n$7\r\nUNWATCH\r\n";
/// Stands in the queue for what weir answers, so that the array's length is the server's.
constexpr std::string_view placeholder_request = "*1\r\n$4\r\nPING\r\n";

/// What one more command costs beside its own bytes, roughly.
constexpr std::size_t queued_reply_bytes = 128;

void say(session& client, std::string_view text) {
    buffer line;
    reply_writer(line, resp_version::resp2).simple(text);
    client.reply(line);
}

}  // namespace

session::progress session::multi() {
    if (in_transaction()) {
        reply_error(errors::nested_multi);
        return progress::next;
    }
    more().multi = std::make_unique<transaction>();
    extras_->multi->commands.append(multi_request);
    say(*this, "OK");
    return progress::next;
}

session::progress session::queue(const arguments& request, const decision& decided) {
    const transaction& open = *extras_->multi;
    if (decided.route == command_route::refuse) {
        // A malformed EXEC ends the transaction, others spoil it.
        if (decided.command != nullptr && decided.command->name == "exec") return abort_transaction(decided.error);
        refuse_queued(decided.error);
    } else if (open.commands.size() + open.local_bytes + open.without_upstream.text.size() + open.replies.size() * queued_reply_bytes + request.raw().size() >
               worker_.settings().clients.max_request_bytes) {
        refuse_queued(errors::transaction_too_long);
    } else if (decided.route == command_route::forward || in_transaction_rule(*decided.command) == in_multi::forwarded) {
        queue_command(request, decided);
    } else if (in_transaction_rule(*decided.command) == in_multi::answered) {
        queue_local(request);
    } else {
        refuse_queued(errors::not_in_transaction(*decided.command));
    }
    return progress::next;
}

void session::refuse_queued(std::string_view error) {
    extras_->multi->poisoned = true;
    refuse(error);
}

void session::queue_command(const arguments& request, const decision& decided) {
    transaction& open = *extras_->multi;
    const command_spec& command = *decided.command;
    const int server_major = worker_.upstream_version().major;
    const bool unconfined = decided.user == command_user::any && !may_run_confined(command, whose(), server_major);
    const command_user user = unconfined ? command_user::own : decided.user;
    if (user != command_user::any && open.user != command_user::any && user != open.user) {
        return refuse_queued(errors::script_beside_keyspace);
    }
    queued_reply reply{command.reply, nullptr};
    if (command.reply == reply_rule::interpreted) reply = {reply_rule::plain, interpreter_for(request, command)};
    if (command.name == "select") {
        const auto database = selected_database(*this, request);
        if (!database.fault.empty()) return refuse_queued(database.fault);
        open.selects = true;
        reply.interpreter = std::make_unique<observed_reply>(reply_target::prefix(), [this, database](bool succeeded) {
            if (succeeded) extras_->moved_to = database.number;
        });
    }
    switch (worker_.rewriter().rewrite(request, command, whose(), open.commands, scripts())) {
        case rewrite_status::ok: break;
        case rewrite_status::key_too_long: return refuse_queued(errors::key_too_long);
        case rewrite_status::syntax_error: return refuse_queued(errors::syntax);
    }
    if (worker_.fallback().exists() && open.obstacle.empty()) {
        if (decided.route == command_route::local && command.name != "select") {
            open.without_upstream.add_literal(request.raw());  // its reply, when it is asked for
        } else {
            const fallback_way way = way_to_fallback(request, command);
            const bool is_elsewhere = way.obstacle.empty() && open.place.value_or(way.place) != way.place;
            open.obstacle = is_elsewhere ? "its keys fall back to different stores" : way.obstacle;
            open.place = way.place;
            if (open.obstacle.empty()) open.without_upstream.add_command(request, command);
        }
    }
    if (worker_.fallback().remembers()) {
        worker_.fallback().add_slots(request, command, whose(), client().database, open.written);
        open.writes_elsewhere |= open.selects || fallback_port::writes_elsewhere(request, command);
    }
    if (user != command_user::any) open.user = user;
    open.replies.push_back(std::move(reply));
    say(*this, "QUEUED");
}

void session::queue_local(const arguments& request) {
    transaction& open = *extras_->multi;
    open.local_bytes += request.raw().size();
    if (worker_.fallback().exists()) open.without_upstream.add_literal(request.raw());
    open.commands.append(placeholder_request);
    open.replies.push_back({reply_rule::plain, std::make_unique<late_reply>([this, words = std::string(request.raw())] {
                                return answer_queued(words);
                            })});
    say(*this, "QUEUED");
}

/// The reply of a command that weir answers and that EXEC performs now. Not before: nothing happens if a watched key changed.
buffer session::answer_queued(std::string_view request) {
    buffer answer;
    request_parser again;
    if (again.parse(request, worker_.limits()) != parse_status::complete) return answer;
    const arguments words = again.request(request);
    const decision decided = decide(worker_.commands(), words, words.size(), whose());
    captured_ = &answer;
    if (decided.route == command_route::local) {
        static_cast<void>(perform_local(*this, *decided.command, words));
    } else {
        reply_error(decided.error);
    }
    captured_ = nullptr;
    return answer;
}

session::progress session::exec() {
    if (!in_transaction()) {
        reply_error(errors::exec_without_multi);
        return progress::next;
    }
    if (extras_->multi->poisoned) return abort_transaction(errors::transaction_aborted);
    if (extras_->watch_lost) return abort_transaction(errors::transaction_lost);
    if (!upstream_passes()) return exec_without_upstream();
    if (run_as(extras_->multi->user) == progress::wait) return progress::wait;
    if (const auto fault = upstream_->unavailable(); !fault.empty()) {
        counters()->result(command_result::failed).add();
        return abort_transaction("EXECABORT Transaction discarded because of: " + std::string(fault));
    }
    const auto ended = std::move(extras_->multi);
    submit_transaction(*ended);
    return progress::next;
}

void session::submit_transaction(transaction& ended) {
    submission what;
    what.leading = static_cast<std::uint32_t>(ended.replies.size()) + 1;  // MULTI's OK, and QUEUED for each
    auto forgetting =
        ended.writes_elsewhere ? worker_.fallback().forget_after(tenant_->shared(), client().database) : nullptr;
    what.interpreter =
        std::make_unique<transaction_reply>(std::move(ended.replies), reply_target::prefix(), scripts(), std::move(forgetting));
    const std::size_t size_before = upstream_->output().size();
    upstream_->output().append(ended.commands.view());
    upstream_->output().append(exec_request);
    upstream_->submit(*this, size_before, std::move(what));
    count_in_flight();
    if (!ended.written.empty()) upstream_->will_write(ended.written);
    const bool moves_away = ended.selects && !extras_->tracking;
    if (moves_away) {
        // The connection goes back to where those who get it next expect it.
        const std::size_t restore_at = upstream_->output().size();
        const std::string database = std::to_string(upstream_->set_to().database);
        reply_writer writer(upstream_->output(), resp_version::resp2);
        writer.array(2);
        writer.bulk("SELECT");
        writer.bulk(database);
        upstream_->submit_silently(restore_at, true);
    }
    if (extras_->watching || ended.selects || ended.local_bytes > 0) activity_ = activity::awaiting_answer;
    extras_->watching = false;
}

session::progress session::abort_transaction(std::string_view error) {
    extras_->multi.reset();
    if (!extras_->watching) {
        extras_->watch_lost = false;
        reply_error(error);
        return progress::next;
    }
    buffer line;
    reply_writer(line, resp_version::resp2).error(error);
    forward_unwatch(std::make_unique<replaced_reply>(line.view()));
    return progress::next;
}

session::progress session::discard() {
    if (!in_transaction()) {
        reply_error(errors::discard_without_multi);
        return progress::next;
    }
    extras_->multi.reset();
    return unwatch();
}

session::progress session::watch(const arguments& request, const command_spec& command) {
    if (in_transaction()) {
        reply_error(errors::watch_in_multi);
        return progress::next;
    }
    if (!upstream_passes()) {
        refuse_without_upstream("'" + std::string(command.name) + "'", {});
        return progress::next;
    }
    switch (hold_connection()) {
        case holding::wait: return progress::wait;
        case holding::failed: return progress::next;
        case holding::held: break;
    }
    const std::size_t size_before = upstream_->output().size();
    if (worker_.rewriter().rewrite(request, command, whose(), upstream_->output()) != rewrite_status::ok) {
        refuse(errors::key_too_long);
        settle();
        return progress::next;
    }
    upstream_->submit(*this, size_before, submission{});
    count_in_flight();
    extras_->watching = true;
    return progress::next;
}

session::progress session::unwatch() {
    if (extras_ && extras_->watching) {
        forward_unwatch(nullptr);
    } else {
        if (extras_) extras_->watch_lost = false;
        say(*this, "OK");
    }
    return progress::next;
}

/// UNWATCH's `+OK` is DISCARD's reply too.
void session::forward_unwatch(std::unique_ptr<reply_interpreter> interpreter) {
    extras_->watching = false;
    const std::size_t size_before = upstream_->output().size();
    upstream_->output().append(unwatch_request);
    upstream_->submit(*this, size_before, submission{{}, std::move(interpreter)});
    count_in_flight();
    activity_ = activity::awaiting_answer;
}

}  // namespace weir
