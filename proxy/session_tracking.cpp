// Client-side caching: CLIENT TRACKING lives on a connection of the session's own, where the server sends invalidations
// between the replies; so their order, on which a cache's truth depends, is the server's.

#include <algorithm>

#include "policy/key_rewriter.hpp"
#include "policy/reply_rewriter.hpp"
#include "policy/simple_replies.hpp"
#include "protocol/errors.hpp"
#include "proxy/emulated_command.hpp"
#include "proxy/invalidation_relay.hpp"
#include "proxy/pubsub/session_subscriptions.hpp"
#include "proxy/request_stream.hpp"
#include "proxy/session.hpp"
#include "proxy/tracking.hpp"
#include "proxy/transaction.hpp"
#include "proxy/tenants/tenant_account.hpp"
#include "proxy/worker.hpp"

namespace weir {

namespace {

constexpr std::string_view tracking_off_request = "*3\r\n$6\r\nCLIENT\r\n$8\r\nTRACKING\r\n$3\r\nOFF\r\n";
constexpr std::string_view invalidation = ">2\r\n$10\r\ninvalidate\r\n";

/// CLIENT TRACKING ON with its options read, and rewritten for the server.
struct tracking_request {
    tracking_state wanted;
    std::vector<std::string> words{"CLIENT", "TRACKING", "ON"};
    std::vector<std::string> named;  ///< prefixes
    bool everything = false;         ///< broadcast without a prefix
    bool redirected_twice = false;
    std::string fault;
};

/// CLIENT TRACKING ON [REDIRECT id] [PREFIX prefix …] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]. What is wrong with their
/// combination the server says.
tracking_request read_tracking(const arguments& request, const tenant& owner) {
    tracking_request read;
    for (std::size_t i = 3; i < request.size(); ++i) {
        const std::string_view word = request[i];
        const bool more = i + 1 < request.size();
        if (is_option(word, "prefix") && more) {
            read.named.emplace_back(request[++i]);
        } else if (is_option(word, "redirect") && more) {
            const auto id = parse_integer(request[++i]);
            if (!id) {
                read.fault = errors::not_an_integer;
                return read;
            }
            read.redirected_twice = read.wanted.redirect.has_value();
            if (*id != 0 && !read.redirected_twice) read.wanted.redirect = static_cast<std::uint64_t>(*id);
        } else if (is_option(word, "bcast")) {
            read.wanted.broadcast = true;
            read.words.emplace_back("BCAST");
        } else if (is_option(word, "noloop")) {
            read.wanted.no_loop = true;
            read.words.emplace_back("NOLOOP");
        } else if (is_option(word, "optin")) {
            read.wanted.caching = tracking_state::choice::opt_in;
            read.words.emplace_back("OPTIN");
        } else if (is_option(word, "optout")) {
            read.wanted.caching = tracking_state::choice::opt_out;
            read.words.emplace_back("OPTOUT");
        } else {
            read.fault = errors::syntax;
            return read;
        }
    }
    read.everything = read.wanted.broadcast && read.named.empty();
    if (read.everything) read.named.emplace_back();
    for (const std::string& prefix : read.named) {
        read.words.emplace_back("PREFIX");
        read.words.push_back(std::string(owner.prefix()) + prefix);
    }
    read.wanted.prefixes.insert(read.named.begin(), read.named.end());
    return read;
}

}  // namespace

session::progress session::track(const arguments& request) {
    auto read = read_tracking(request, whose());
    if (!read.fault.empty()) {
        reply_error(read.fault);
        return progress::next;
    }
    if (!upstream_passes()) {
        refuse_without_upstream("client-side caching", {});
        return progress::next;
    }
    auto holds = hold_connection();
    if (holds == holding::held && read.wanted.redirect) holds = find_relay(*read.wanted.redirect);
    if (holds == holding::wait) return progress::wait;
    if (holds == holding::failed) {
        if (extras_->dedicated && !has_state_upstream()) give_back_dedicated();
        return progress::next;
    }
    if (read.redirected_twice) {
        extras_->relay.reset();
        reply_error(errors::one_redirection);
        settle();
        return progress::next;
    }
    if (read.wanted.redirect) {
        read.words.emplace_back("REDIRECT");
        read.words.push_back(std::to_string(extras_->relay->server_id()));
    }
    // To the server all keys of ours are a prefix like any other, and one that must not overlap; to the client they are none.
    const bool anew = read.everything && tracking() && tracking()->broadcast;
    if (anew) switch_tracking_off();
    const std::size_t size_before = upstream_->output().size();
    reply_writer writer(upstream_->output(), resp_version::resp2);
    writer.array(read.words.size());
    for (const auto& word : read.words) writer.bulk(word);
    auto note = std::make_unique<observed_reply>(
        reply_target::prefix(), [this, anew, wanted = std::move(read.wanted)](bool succeeded) {
            const auto relay = std::move(extras_->relay);
            // Tracking is off by now, which its cache would never hear.
            if (!succeeded && anew) return close_after_replies();
            if (!succeeded) return;
            // More prefixes add to those that are there.
            const auto before = std::move(extras_->tracking);
            extras_->tracking = std::make_unique<tracking_state>(wanted);
            extras_->tracking->relay = relay;
            extras_->tracking->counted = count_in(counters()->tracking);
            if (before) extras_->tracking->prefixes.insert(before->prefixes.begin(), before->prefixes.end());
        });
    upstream_->submit(*this, size_before, submission{{}, std::move(note)});
    count_in_flight();
    activity_ = activity::awaiting_answer;
    return progress::next;
}

/// First the client is looked for, on all workers; then its relay gets a connection.
session::holding session::find_relay(std::uint64_t target) {
    if (!extras_->relay_fault.empty()) {
        reply_error(std::exchange(extras_->relay_fault, {}));
        extras_->relay.reset();
        return holding::failed;
    }
    if (extras_->relay && extras_->relay->target() == target) return holding::held;
    extras_->relay.reset();
    activity_ = activity::redirecting;
    const auto answered = [&here = worker_, id = id_, target](const std::vector<worker*>& homes) {
        session* const client = here.find_session(id);
        if (client == nullptr || client->activity_ != activity::redirecting) return;
        const auto home = std::ranges::find_if(homes, [](const worker* one) { return one != nullptr; });
        if (home == homes.end()) return client->on_relay_ready(errors::no_redirection_target);
        client->extras_->relay = std::make_shared<invalidation_relay>(*client, target, **home);
        client->extras_->relay->open();
    };
    static_cast<void>(worker_.inquiries().ask<worker*>(
        [target, whose = account()](worker& asked) {
            session* const found = asked.find_session(target);
            return found != nullptr && found->account() == whose ? &asked : nullptr;
        },
        answered, [answered] { answered({}); }));
    return holding::wait;
}

void session::on_relay_ready(std::string_view fault) {
    extras_->relay_fault = fault;
    proceed();
}

void session::take_redirected(std::string_view bytes) {
    if (extras_ && extras_->client.version == resp_version::resp3) return push(bytes);
    if (!is_subscriber()) return;
    // As a message of a channel, with an array of keys for its payload.
    push("*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n");
    const std::string_view keys = bytes.substr(invalidation.size());
    push(keys.starts_with('_') ? std::string_view("$-1\r\n") : keys);
}

void session::on_redirection_broken(std::uint64_t target) {
    if (!tracking() || tracking()->redirect != target || tracking()->redirect_broken) return;
    extras_->tracking->redirect_broken = true;
    if (client().version != resp_version::resp3) return;
    push(">2\r\n$21\r\ntracking-redir-broken\r\n:" + std::to_string(target) + "\r\n");
}

/// CLIENT CACHING is for one command, and a transaction is one. Where that was none of the server's, it is told by an
/// empty one.
void session::end_caching_choice(const decision& decided) {
    if (!tracking() || in_transaction()) return;
    if (decided.command != nullptr && decided.command->name.starts_with("client|")) return;
    extras_->tracking->chosen = false;
    const bool upstream = decided.route == command_route::forward ||
                          (decided.command != nullptr && decided.command->name == "exec");
    if (upstream || !extras_->dedicated) return;
    const std::size_t size_before = extras_->dedicated->output().size();
    extras_->dedicated->output().append("*1\r\n$4\r\nPING\r\n");
    extras_->dedicated->submit_silently(size_before);
}

void session::switch_tracking_off() {
    const std::size_t size_before = upstream_->output().size();
    upstream_->output().append(tracking_off_request);
    upstream_->submit_silently(size_before);
}

session::progress session::stop_tracking() {
    if (!tracking()) {
        buffer line;
        reply_writer(line, resp_version::resp2).simple("OK");
        reply(line);
        return progress::next;
    }
    extras_->tracking.reset();
    extras_->dedicated->spoil();
    const std::size_t size_before = upstream_->output().size();
    upstream_->output().append(tracking_off_request);
    upstream_->submit(*this, size_before, submission{});
    count_in_flight();
    activity_ = activity::awaiting_answer;
    return progress::next;
}

session::progress session::choose_caching(const arguments& request) {
    if (!tracking()) {
        reply_error(errors::caching_without_tracking);
        return progress::next;
    }
    const std::size_t size_before = upstream_->output().size();
    upstream_->output().append(request.raw());
    upstream_->submit(*this, size_before, submission{});
    count_in_flight();
    using choice = tracking_state::choice;
    const choice said = equals_ignoring_case(request[2], "yes")  ? choice::opt_in
                        : equals_ignoring_case(request[2], "no") ? choice::opt_out
                                                                 : choice::none;
    if (said != choice::none && said == extras_->tracking->caching) extras_->tracking->chosen = true;
    return progress::next;
}

void session::take_push(std::string_view bytes) {
    if (!bytes.starts_with(invalidation)) return;
    reply_rewriter rewriter(reply_rule::push_keys, reply_target::prefix());
    buffer stripped;
    if (rewriter.feed(bytes, stripped)) push(stripped.view());
}

}  // namespace weir
