#include "policy/channels.hpp"

#include "policy/key_rewriter.hpp"
#include "protocol/glob.hpp"

namespace weir {

namespace {

constexpr std::string_view key_space = "__keyspace@";
constexpr std::string_view key_event = "__keyevent@";
constexpr std::string_view database_end = "__:";

/// A longer pattern is for ordinary channels alone, whose messages the server itself holds against it: matching costs
/// time with a pattern's length, and others wait for this thread.
constexpr std::size_t max_matched_pattern_bytes = 1'024;

/// How much of `__keyspace@0__:key` stands before the key, or 0 when `name` does not look so. What the server itself
/// publishes has digits there; anything else is the tenant's own invention, and treated alike in both directions.
std::size_t event_head(std::string_view name, std::string_view begins_with) {
    if (!name.starts_with(begins_with)) return 0;
    const auto end = name.find(database_end, begins_with.size());
    return end == std::string_view::npos ? 0 : end + database_end.size();
}

/// Whether a text that begins with `literal` may begin with `wanted`.
bool may_begin_with(std::string_view literal, std::string_view wanted) {
    return literal.size() < wanted.size() ? wanted.starts_with(literal) : literal.starts_with(wanted);
}

template <typename... Pieces>
std::string joined(Pieces... pieces) {
    std::string whole;
    whole.reserve((pieces.size() + ...));
    (whole.append(pieces), ...);
    return whole;
}

/// The pattern's database: `0` or `*`, say, but nothing in which we could not tell where it ends.
bool is_plain_database(std::string_view pattern, std::size_t head) {
    const auto database = pattern.substr(key_space.size(), head - key_space.size() - database_end.size());
    return database == "*" || glob_literal(database) == database;
}

std::vector<std::string> key_space_patterns(std::string_view pattern, std::size_t head, std::string_view prefix) {
    const auto database = pattern.substr(0, head);
    const auto key = pattern.substr(head);
    std::vector<std::string> upstream;
    // A star for the database also matches `0__:a`, of the key `a__:…`.
    if (glob_literal(database) != database && !key.starts_with('*')) {
        upstream.push_back(joined(database, prefix, std::string_view("*"), database_end, key));
    }
    upstream.push_back(joined(database, prefix, key));
    return upstream;
}

bool may_match_events(std::string_view pattern) {
    if (pattern.size() > max_matched_pattern_bytes) return false;
    const auto literal = glob_literal(pattern);
    return may_begin_with(literal, key_space) || may_begin_with(literal, key_event);
}

}  // namespace

bool is_key_event(std::string_view channel) { return event_head(channel, key_event) > 0; }

std::string upstream_channel(std::string_view channel, const tenant& owner) {
    if (is_key_event(channel)) return std::string(channel);
    const auto head = event_head(channel, key_space);
    if (head > 0 && owner.long_keys().action == long_key_action::sha256) {
        return std::string(channel.substr(0, head)) + rewrite_key(channel.substr(head), owner);
    }
    return joined(channel.substr(0, head), owner.prefix(), channel.substr(head));
}

std::string upstream_payload(std::string_view channel, std::string_view payload, const tenant& owner) {
    return is_key_event(channel) ? joined(owner.prefix(), payload) : std::string(payload);
}

std::vector<std::string> upstream_patterns(std::string_view pattern, const tenant& owner) {
    const auto prefix = owner.prefix_pattern();
    const auto ordinary = joined(prefix, pattern);
    if (!may_match_events(pattern)) return {ordinary};
    if (const auto head = event_head(pattern, key_space); head > 0 && is_plain_database(pattern, head)) {
        return key_space_patterns(pattern, head, prefix);
    }
    if (const auto head = event_head(pattern, key_event); head > 0 && is_plain_database(pattern, head)) {
        return {std::string(pattern)};
    }
    std::vector<std::string> upstream;
    const auto literal = glob_literal(pattern);
    if (may_begin_with(literal, key_space)) {
        upstream.push_back(joined(key_space, std::string_view("*"), database_end, prefix, std::string_view("*")));
    }
    if (may_begin_with(literal, key_event)) {
        upstream.push_back(joined(key_event, std::string_view("*"), database_end, std::string_view("*")));
    }
    upstream.push_back(ordinary);
    return upstream;
}

bool is_exact_upstream(std::string_view pattern) { return !may_match_events(pattern); }

std::optional<std::string> visible_channel(std::string_view upstream_name, const tenant& owner) {
    if (is_key_event(upstream_name)) return std::string(upstream_name);
    const auto head = event_head(upstream_name, key_space);
    if (!upstream_name.substr(head).starts_with(owner.prefix())) return std::nullopt;
    return joined(upstream_name.substr(0, head), upstream_name.substr(head + owner.prefix().size()));
}

std::optional<std::string_view> visible_payload(std::string_view upstream_name, std::string_view payload,
                                                const tenant& owner) {
    if (!is_key_event(upstream_name)) return payload;
    if (!payload.starts_with(owner.prefix())) return std::nullopt;
    return payload.substr(owner.prefix().size());
}

}  // namespace weir
