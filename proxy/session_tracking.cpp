// Client-side caching: CLIENT TRACKING lives on a connection of the session's own, where the server sends invalidations
// between the replies; so their order, on which a cache's truth depends, is the server's.

#include "policy/key_rewriter.hpp"
#include "policy/reply_rewriter.hpp"
#include "policy/simple_replies.hpp"
#include "protocol/errors.hpp"
#include "proxy/emulated_command.hpp"
#include "proxy/pubsub/session_subscriptions.hpp"
#include "proxy/request_stream.hpp"
#include "proxy/session.hpp"
#include "proxy/tracking.hpp"
#include "proxy/transaction.hpp"
#include "proxy/worker.hpp"

namespace weir {

namespace {

constexpr std::string_view invalidation = ">2\r\n$10\r\ninvalidate\r\n";

/// CLIENT TRACKING ON with its options read, and rewritten for the server.
struct tracking_request {
    tracking_state wanted;
    std::vector<std::string> words{"CLIENT", "TRACKING", "ON"};
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
            read.wanted.prefixes.emplace_back(request[++i]);
        } else if (is_option(word, "redirect") && more) {
            const auto id = parse_integer(request[++i]);
            if (!id) {
                read.fault = errors::not_an_integer;
                return read;
            }
            read.wanted.redirect = static_cast<std::uint64_t>(*id);
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
    if (read.wanted.broadcast && read.wanted.prefixes.empty()) read.wanted.prefixes.emplace_back();
    for (const std::string& prefix : read.wanted.prefixes) {
        read.words.emplace_back("PREFIX");
        read.words.push_back(std::string(owner.prefix()) + prefix);
    }
    return read;
}

}  // namespace

session::progress session::track(const arguments& request) {
    auto read = read_tracking(request, whose());
    if (!read.fault.empty()) {
        reply_error(read.fault);
        return progress::next;
    }
    switch (hold_connection()) {
        case holding::wait: return progress::wait;
        case holding::failed: return progress::next;
        case holding::held: break;
    }
    const std::size_t size_before = upstream_->output().size();
    reply_writer writer(upstream_->output(), resp_version::resp2);
    writer.array(read.words.size());
    for (const auto& word : read.words) writer.bulk(word);
    auto note = std::make_unique<observed_reply>(
        reply_target::prefix(), [this, wanted = std::move(read.wanted)](bool succeeded) {
            if (!succeeded) return;
            // More prefixes add to those that are there.
            const auto before = std::move(extras_->tracking);
            extras_->tracking = std::make_unique<tracking_state>(wanted);
            extras_->tracking->counted = count_in(counters()->tracking);
            if (before && before->broadcast) {
                auto& all = extras_->tracking->prefixes;
                all.insert(all.begin(), before->prefixes.begin(), before->prefixes.end());
            }
        });
    upstream_->submit(*this, size_before, {reply_rule::plain, std::move(note)});
    ++in_flight_;
    activity_ = activity::awaiting_answer;
    return progress::next;
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
    upstream_->output().append("*3\r\n$6\r\nCLIENT\r\n$8\r\nTRACKING\r\n$3\r\nOFF\r\n");
    upstream_->submit(*this, size_before, {});
    ++in_flight_;
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
    upstream_->submit(*this, size_before, {});
    ++in_flight_;
    return progress::next;
}

void session::take_push(std::string_view bytes) {
    if (!bytes.starts_with(invalidation)) return;
    reply_rewriter rewriter(reply_rule::push_keys, reply_target::prefix());
    buffer stripped;
    if (rewriter.feed(bytes, stripped)) push(stripped.view());
}

}  // namespace weir
