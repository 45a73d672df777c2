#include "proxy/pubsub/subscription_table.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "protocol/ascii.hpp"
#include "protocol/glob.hpp"

namespace weir {

namespace {

constexpr std::size_t at(subscription_kind kind) { return static_cast<std::size_t>(kind); }

/// By subscription_kind.
struct words {
    std::string_view subscribe;
    std::string_view unsubscribe;
    std::string_view subscribed;
    std::string_view unsubscribed;
    std::string_view message;
};
constexpr std::array<words, subscription_kinds> words_of{{
    {"SUBSCRIBE", "UNSUBSCRIBE", "subscribe", "unsubscribe", "message"},
    {"PSUBSCRIBE", "PUNSUBSCRIBE", "psubscribe", "punsubscribe", "pmessage"},
    {"SSUBSCRIBE", "SUNSUBSCRIBE", "ssubscribe", "sunsubscribe", "smessage"},
}};

constexpr std::size_t max_elements = 4;
/// Memory for messages that is kept for the next one.
constexpr std::size_t kept_message_bytes = 64 << 10;

/// One line without its end.
std::optional<std::string_view> take_line(std::string_view& bytes) {
    const auto end = bytes.find("\r\n");
    if (end == std::string_view::npos) return std::nullopt;
    const auto line = bytes.substr(0, end);
    bytes.remove_prefix(end + 2);
    return line;
}

/// The elements of a push that holds strings and numbers alone; none of any other.
std::span<const std::string_view> elements_of(std::string_view bytes,
                                              std::array<std::string_view, max_elements>& elements) {
    const auto header = take_line(bytes);
    const auto count = header ? parse_integer(header->substr(1)) : std::nullopt;
    if (!count || *count < 1 || *count > static_cast<std::int64_t>(max_elements)) return {};
    for (std::size_t i = 0; i < static_cast<std::size_t>(*count); ++i) {
        const auto line = take_line(bytes);
        if (!line || line->empty()) return {};
        elements[i] = line->substr(1);
        if (line->front() != '$') continue;
        const auto length = parse_integer(line->substr(1));
        if (!length || *length < 0 || static_cast<std::size_t>(*length) + 2 > bytes.size()) return {};
        elements[i] = bytes.substr(0, static_cast<std::size_t>(*length));
        bytes.remove_prefix(elements[i].size() + 2);
    }
    return {elements.data(), static_cast<std::size_t>(*count)};
}

}  // namespace

subscription_table::subscription_table(std::shared_ptr<const tenant> whose, subscriber_counts& counts,
                                       tenant_counters& own, worker_counters& counters)
    : whose_(std::move(whose)), counts_(counts), own_(own), counters_(counters) {}

subscription_table::~subscription_table() {
    for (const auto& sources : sources_) {
        for (const auto& [name, one] : sources) set_held(*one, false);
    }
}

// ---- what clients ask for ------------------------------------------------------------------------------------------

subscription_table::subscription* subscription_table::find(subscription_kind kind, std::string_view name) const {
    const auto& known = subscriptions_[at(kind)];
    const auto found = known.find(name);
    return found == known.end() ? nullptr : found->second.get();
}

subscription_table::subscription& subscription_table::obtain(subscription_kind kind, std::string_view name) {
    if (subscription* const known = find(kind, name)) return *known;
    const bool pattern = kind == subscription_kind::pattern;
    auto made = std::make_unique<subscription>();
    made->kind = kind;
    made->name = name;
    made->exact = !pattern || is_exact_upstream(name);
    const auto names = pattern ? upstream_patterns(name, *whose_) : std::vector{upstream_channel(name, *whose_)};
    for (const auto& upstream_name : names) {
        source& feeds = obtain_source(kind, upstream_name);
        feeds.listeners.push_back(made.get());
        made->sources.push_back(&feeds);
    }
    subscription& added = *made;
    subscriptions_[at(kind)].emplace(added.name, std::move(made));
    return added;
}

subscription_table::source& subscription_table::obtain_source(subscription_kind kind, std::string name) {
    auto& known = sources_[at(kind)];
    if (const auto found = known.find(name); found != known.end()) return *found->second;
    auto made = std::make_unique<source>(source{kind, std::move(name), {}});
    source& added = *made;
    known.emplace(added.name, std::move(made));
    return added;
}

void subscription_table::subscribe(subscription_kind kind, std::string_view name, subscriber& who) {
    subscription& joined = obtain(kind, name);
    if (++joined.wanted == 1) {
        for (source* const feeds : joined.sources) ++feeds->users;
    }
    for (source* const feeds : joined.sources) {
        const bool last = feeds == joined.sources.back();
        request(answer::subscribed, *feeds, last ? &joined : nullptr, last ? &who : nullptr);
    }
}

void subscription_table::unsubscribe(subscription_kind kind, std::string_view name, subscriber& who) {
    subscription& left = *find(kind, name);
    const std::size_t before = awaited_.size();
    want_less(left);
    if (awaited_.size() == before) return ask_for_pong(&who, &left);
    awaited_.back().of = &left;
    awaited_.back().who = &who;
    ++left.awaited;
}

void subscription_table::want_less(subscription& left) {
    if (--left.wanted > 0) return;
    for (source* const feeds : left.sources) {
        if (--feeds->users == 0 && (feeds->held || feeds->awaited > 0)) {
            request(answer::unsubscribed, *feeds, nullptr, nullptr);
        }
    }
}

void subscription_table::forget(subscription_kind kind, std::string_view name, subscriber& who) {
    subscription& left = *find(kind, name);
    remove_member(left, who);
    want_less(left);
    collect(left);
}

void subscription_table::forget_leaving(subscription_kind kind, std::string_view name, subscriber& who) {
    subscription& left = *find(kind, name);
    remove_member(left, who);
    collect(left);
}

void subscription_table::forget_requests(subscriber& who) {
    for (expectation& each : awaited_) {
        if (each.who == &who) each.who = nullptr;
    }
}

void subscription_table::add_member(subscription& joined, subscriber& who) {
    joined.members.push_back(&who);
    counts_.add_client(joined.kind, joined.name);
}

void subscription_table::remove_member(subscription& left, subscriber& who) {
    const auto found = std::ranges::find(left.members, &who);
    if (found == left.members.end()) return;
    *found = left.members.back();
    left.members.pop_back();
    counts_.remove_client(left.kind, left.name);
}

void subscription_table::collect(subscription& left) {
    if (left.wanted > 0 || left.awaited > 0 || !left.members.empty()) return;
    for (source* const feeds : left.sources) {
        std::erase(feeds->listeners, &left);
        collect(*feeds);
    }
    auto& known = subscriptions_[at(left.kind)];
    known.erase(known.find(left.name));
}

void subscription_table::collect(source& left) {
    if (!left.listeners.empty() || left.awaited > 0 || left.held) return;
    auto& known = sources_[at(left.kind)];
    known.erase(known.find(left.name));
}

bool subscription_table::empty() const {
    return awaited_.empty() && std::ranges::all_of(sources_, [](const auto& known) { return known.empty(); });
}

// ---- what the server is asked --------------------------------------------------------------------------------------

void subscription_table::request(answer what, source& about, subscription* of, subscriber* who) {
    const words& say = words_of[at(about.kind)];
    reply_writer writer(output_, resp_version::resp2);
    writer.array(2);
    writer.bulk(what == answer::subscribed ? say.subscribe : say.unsubscribe);
    writer.bulk(about.name);
    ++about.awaited;
    if (of != nullptr) ++of->awaited;
    awaited_.push_back({what, &about, of, who});
}

void subscription_table::ask_for_pong(subscriber* who, subscription* left) {
    output_.append("*1\r\n$4\r\nPING\r\n");
    if (left != nullptr) ++left->awaited;
    awaited_.push_back({answer::pong, nullptr, left, who});
}

void subscription_table::retry() {
    if (!std::exchange(refused_to_end_, false)) return;
    for (const auto& sources : sources_) {
        for (const auto& [name, one] : sources) {
            if (one->held && one->users == 0 && one->awaited == 0) {
                request(answer::unsubscribed, *one, nullptr, nullptr);
            }
        }
    }
}

void subscription_table::set_held(source& about, bool held) {
    if (std::exchange(about.held, held) == held) return;
    if (held) {
        counts_.add_connection(about.kind, about.name);
        counters_.upstream_subscriptions.add();
    } else {
        counts_.remove_connection(about.kind, about.name);
        counters_.upstream_subscriptions.sub();
    }
}

// ---- what the server says ------------------------------------------------------------------------------------------

bool subscription_table::take(std::string_view bytes) {
    if (bytes.front() == '>') {
        std::array<std::string_view, max_elements> elements;
        return take_push(elements_of(bytes, elements));
    }
    if (awaited_.empty()) return false;
    if (bytes.front() == '-') {
        take_refusal(bytes.substr(1, bytes.size() - 3));
        return true;
    }
    if (awaited_.front().what != answer::pong) return false;
    const expectation answered = awaited_.front();
    awaited_.pop_front();
    finish(answered, {});
    return true;
}

bool subscription_table::take_push(std::span<const std::string_view> elements) {
    if (elements.empty()) return true;  // nothing that we asked for
    const std::string_view type = elements[0];
    if (elements.size() == 4) {
        if (type == words_of[at(subscription_kind::pattern)].message) {
            deliver(subscription_kind::pattern, elements[1], elements[2], elements[3]);
        }
        return true;
    }
    if (elements.size() != 3) return true;
    for (const auto kind : {subscription_kind::channel, subscription_kind::shard}) {
        if (type == words_of[at(kind)].message) {
            deliver(kind, elements[1], elements[1], elements[2]);
            return true;
        }
    }
    return take_answer(type, elements[1]);
}

bool subscription_table::take_answer(std::string_view type, std::string_view name) {
    if (awaited_.empty() || awaited_.front().what == answer::pong) return false;
    const expectation answered = awaited_.front();
    const words& said = words_of[at(answered.about->kind)];
    const bool joins = answered.what == answer::subscribed;
    if (type != (joins ? said.subscribed : said.unsubscribed) || name != answered.about->name) return false;
    awaited_.pop_front();
    set_held(*answered.about, joins);
    finish(answered, {});
    return true;
}

void subscription_table::take_refusal(std::string_view error) {
    const expectation answered = awaited_.front();
    awaited_.pop_front();
    if (answered.what == answer::unsubscribed) refused_to_end_ = true;
    // To leave is not refused: the client is told that it has, and the server asked again.
    finish(answered, answered.what == answer::subscribed ? error : std::string_view{});
}

void subscription_table::finish(const expectation& answered, std::string_view error) {
    if (answered.about != nullptr) --answered.about->awaited;
    if (answered.of != nullptr) {
        subscription& changed = *answered.of;
        --changed.awaited;
        if (answered.who != nullptr) {
            if (answered.what != answer::subscribed) {
                remove_member(changed, *answered.who);
            } else if (error.empty()) {
                add_member(changed, *answered.who);
            } else {
                want_less(changed);
            }
        }
        collect(changed);
    } else if (answered.about != nullptr) {
        collect(*answered.about);
    }
    if (answered.who != nullptr) answered.who->on_answered(error);
}

void subscription_table::lose(std::string_view error) {
    std::vector<subscriber*> losers;
    for (const auto& known : subscriptions_) {
        for (const auto& [name, one] : known) {
            losers.insert(losers.end(), one->members.begin(), one->members.end());
            for (std::size_t i = 0; i < one->members.size(); ++i) counts_.remove_client(one->kind, one->name);
        }
    }
    for (const expectation& each : awaited_) {
        if (each.who != nullptr) losers.push_back(each.who);
    }
    for (const auto& sources : sources_) {
        for (const auto& [name, one] : sources) set_held(*one, false);
    }
    awaited_.clear();
    for (auto& known : subscriptions_) known.clear();
    for (auto& known : sources_) known.clear();
    output_.clear();
    output_.release();
    std::ranges::sort(losers);
    losers.erase(std::unique(losers.begin(), losers.end()), losers.end());
    for (subscriber* const each : losers) each->on_lost(error);
}

// ---- messages ------------------------------------------------------------------------------------------------------

void subscription_table::deliver(subscription_kind kind, std::string_view source_name, std::string_view channel,
                                 std::string_view payload) {
    const auto& known = sources_[at(kind)];
    const auto found = known.find(source_name);
    if (found == known.end()) return;
    const auto visible_text = visible_payload(channel, payload, *whose_);
    if (!visible_text) return;
    const auto& listeners = found->second->listeners;
    if (kind != subscription_kind::pattern) {
        for (const subscription* const listener : listeners) deliver_to(*listener, listener->name, *visible_text);
        return;
    }
    const auto visible_name = visible_channel(channel, *whose_);
    if (!visible_name) return;
    for (const subscription* const listener : listeners) {
        const bool meant = listener->exact || (glob_match(listener->name, *visible_name) &&
                                               is_first_match(*listener, *found->second, channel));
        if (meant) deliver_to(*listener, *visible_name, *visible_text);
    }
}

/// The server sends a message once for each pattern that matches; a subscription with several gets it once.
bool subscription_table::is_first_match(const subscription& of, const source& by, std::string_view channel) {
    const auto first = std::ranges::find_if(
        of.sources, [&](const source* each) { return each == &by || glob_match(each->name, channel); });
    return *first == &by;
}

void subscription_table::deliver_to(const subscription& to, std::string_view channel, std::string_view payload) {
    for (buffer& written : messages_) written.clear();
    for (subscriber* const each : to.members) {
        each->take_message(message(each->version(), to, channel, payload));
    }
    own_.messages_delivered.add(to.members.size());
    for (buffer& written : messages_) {
        written.clear();
        written.release(kept_message_bytes);
    }
}

std::string_view subscription_table::message(resp_version version, const subscription& to, std::string_view channel,
                                             std::string_view payload) {
    buffer& written = messages_[version == resp_version::resp3 ? 1 : 0];
    if (!written.empty()) return written.view();
    const bool names_pattern = to.kind == subscription_kind::pattern;
    reply_writer writer(written, version);
    writer.push(names_pattern ? 4 : 3);
    writer.bulk(words_of[at(to.kind)].message);
    if (names_pattern) writer.bulk(to.name);
    writer.bulk(channel);
    writer.bulk(payload);
    return written.view();
}

}  // namespace weir
