#include "proxy/pubsub/session_subscriptions.hpp"

#include <algorithm>
#include <utility>

#include "proxy/pubsub/subscription_hub.hpp"
#include "proxy/session.hpp"
#include "proxy/worker.hpp"

namespace weir {

namespace {

/// `subscribe` and its kin: what the confirmation is called.
std::string_view word_for(bool joins, subscription_kind kind) {
    switch (kind) {
        case subscription_kind::channel: return joins ? "subscribe" : "unsubscribe";
        case subscription_kind::pattern: return joins ? "psubscribe" : "punsubscribe";
        case subscription_kind::shard: break;
    }
    return joins ? "ssubscribe" : "sunsubscribe";
}

}  // namespace

session_subscriptions::~session_subscriptions() { clear(); }

bool session_subscriptions::is_local(subscription_kind kind, std::string_view name) {
    return kind == subscription_kind::channel && name == invalidation_channel;
}

bool session_subscriptions::has(subscription_kind kind, std::string_view name) const {
    const auto& known = names_[static_cast<std::size_t>(kind)];
    return known.find(name) != known.end();
}

// ---- requests ------------------------------------------------------------------------------------------------------

bool session_subscriptions::perform(const arguments& request, const command_spec& command) {
    const auto kind = command.name.starts_with('p')   ? subscription_kind::pattern
                      : command.name.starts_with("ss") || command.name.starts_with("sun") ? subscription_kind::shard
                                                                                          : subscription_kind::channel;
    const bool joins = command.name == word_for(true, kind);
    if (request.size() == 1) unsubscribe_all(kind);
    for (std::size_t i = 1; i < request.size(); ++i) {
        if (joins) {
            subscribe(kind, request[i]);
        } else {
            unsubscribe(kind, request[i]);
        }
    }
    confirm_answered();
    return changes_.empty();
}

void session_subscriptions::subscribe(subscription_kind kind, std::string_view name) {
    const bool is_new = names(kind).emplace(name).second;
    const bool local = is_local(kind, name);
    add({true, kind, std::string(name), is_new, local});
    if (local) {
        if (is_new) client_.account()->subscribers.add_client(kind, name);
    } else if (is_new) {
        hub_.subscribe(kind, name, *this);
    } else {
        hub_.acknowledge(*this);
    }
}

void session_subscriptions::unsubscribe(subscription_kind kind, std::string_view name) {
    const auto found = names(kind).find(name);
    const bool had = found != names(kind).end();
    const bool local = is_local(kind, name);
    add({false, kind, std::string(name), had, local || !had});
    if (!had) return;
    names(kind).erase(found);
    if (local) {
        client_.account()->subscribers.remove_client(kind, name);
    } else {
        hub_.unsubscribe(kind, name, *this);
    }
}

void session_subscriptions::unsubscribe_all(subscription_kind kind) {
    if (names(kind).empty()) return add({false, kind, std::nullopt, false, true});
    const auto all = names(kind);
    for (const auto& name : all) unsubscribe(kind, name);
}

void session_subscriptions::add(change wanted) { changes_.push_back(std::move(wanted)); }

void session_subscriptions::clear() {
    hub_.forget_requests(*this);
    auto& counts = client_.account()->subscribers;
    for (const change& each : std::exchange(changes_, {})) {
        if (!each.joins && !each.answered) hub_.forget_leaving(each.kind, *each.name, *this);
    }
    for (const auto kind : {subscription_kind::channel, subscription_kind::pattern, subscription_kind::shard}) {
        for (const auto& name : std::exchange(names(kind), {})) {
            if (is_local(kind, name)) {
                counts.remove_client(kind, name);
            } else {
                hub_.forget(kind, name, *this);
            }
        }
    }
    if (any()) client_.counters()->subscribers.sub();
    counts_ = {};
}

// ---- answers -------------------------------------------------------------------------------------------------------

void session_subscriptions::on_answered(std::string_view error) {
    const auto oldest = std::ranges::find(changes_, false, &change::answered);
    oldest->answered = true;
    oldest->error = error;
    confirm_answered();
    if (changes_.empty()) client_.end_subscribing();
}

void session_subscriptions::confirm_answered() {
    buffer out;
    reply_writer writer(out, version());
    while (!changes_.empty() && changes_.front().answered) {
        const change done = std::move(changes_.front());
        changes_.pop_front();
        if (done.error.empty()) {
            confirm(done, writer);
        } else {
            if (done.counts) names(done.kind).erase(*done.name);
            writer.error(done.error);
        }
    }
    if (!out.empty()) client_.push(out.view());
}

void session_subscriptions::confirm(const change& done, reply_writer& writer) {
    if (done.counts) count_change(done.kind, done.joins);
    const bool shard = done.kind == subscription_kind::shard;
    writer.push(3);
    writer.bulk(word_for(done.joins, done.kind));
    if (done.name) {
        writer.bulk(*done.name);
    } else {
        writer.null();
    }
    writer.integer(static_cast<std::int64_t>(shard ? count(subscription_kind::shard)
                                                   : count(subscription_kind::channel) + count(subscription_kind::pattern)));
}

void session_subscriptions::count_change(subscription_kind kind, bool more) {
    const bool before = any();
    counts_[static_cast<std::size_t>(kind)] += more ? 1 : std::size_t(-1);
    if (before == any()) return;
    if (more) {
        client_.counters()->subscribers.add();
    } else {
        client_.counters()->subscribers.sub();
    }
}

void session_subscriptions::on_lost(std::string_view error) {
    const bool had_any = any();
    const bool was_waiting = !changes_.empty();
    // The table has forgotten them; what weir alone knows of goes with the rest.
    changes_.clear();
    for (const auto kind : {subscription_kind::channel, subscription_kind::pattern, subscription_kind::shard}) {
        std::erase_if(names(kind), [&](const std::string& name) { return !is_local(kind, name); });
    }
    clear();
    if (was_waiting) {
        buffer out;
        reply_writer(out, resp_version::resp2).error(error);
        client_.push(out.view());
    }
    if (had_any) client_.close_after_replies();
    if (was_waiting) client_.end_subscribing();
}

resp_version session_subscriptions::version() const { return client_.client().version; }

void session_subscriptions::take_message(std::string_view bytes) { client_.push(bytes); }

}  // namespace weir
