#include "proxy/pubsub/subscriber_counts.hpp"

#include <algorithm>

#include "protocol/glob.hpp"

namespace weir {

namespace {

/// Of key space and key event channels, and that of invalidations.
constexpr std::string_view special_begin = "__";

constexpr std::size_t at(subscription_kind kind) { return static_cast<std::size_t>(kind); }

template <typename Counts>
long long count_matching(const Counts& patterns, std::string_view channel) {
    long long matching = 0;
    for (const auto& [pattern, count] : patterns) {
        if (glob_match(pattern, channel)) matching += count;
    }
    return matching;
}

}  // namespace

long long subscriber_counts::correction::of(long long counted) const {
    return clients + (instead ? 0 : std::max(0LL, counted - connections));
}

void subscriber_counts::add(counts& in, std::string_view name) {
    const auto found = in.find(name);
    if (found != in.end()) {
        ++found->second;
        return;
    }
    in.emplace(name, 1);
    ++names_;
}

void subscriber_counts::remove(counts& in, std::string_view name) {
    const auto found = in.find(name);
    if (found == in.end() || --found->second > 0) return;
    in.erase(found);
    --names_;
}

long long subscriber_counts::count(const counts& in, std::string_view name) {
    const auto found = in.find(name);
    return found == in.end() ? 0 : found->second;
}

void subscriber_counts::add_client(subscription_kind kind, std::string_view name) {
    const std::lock_guard lock(mutex_);
    add(clients_[at(kind)], name);
}

void subscriber_counts::remove_client(subscription_kind kind, std::string_view name) {
    const std::lock_guard lock(mutex_);
    remove(clients_[at(kind)], name);
}

void subscriber_counts::add_connection(subscription_kind kind, std::string_view upstream_name) {
    const std::lock_guard lock(mutex_);
    add(connections_[at(kind)], upstream_name);
}

void subscriber_counts::remove_connection(subscription_kind kind, std::string_view upstream_name) {
    const std::lock_guard lock(mutex_);
    remove(connections_[at(kind)], upstream_name);
}

subscriber_counts::correction subscriber_counts::audience(const tenant& whose, subscription_kind kind,
                                                          std::string_view channel) const {
    const bool instead = is_key_event(channel);
    if (names_ == 0) return {0, 0, instead};
    const std::string upstream_name = upstream_channel(channel, whose);
    const std::lock_guard lock(mutex_);
    // What is published to the channel of invalidations reaches nobody: it does not exist on the server.
    long long clients = channel == invalidation_channel ? 0 : count(clients_[at(kind)], channel);
    long long connections = count(connections_[at(kind)], upstream_name);
    if (kind == subscription_kind::channel) {
        clients += count_matching(clients_[at(subscription_kind::pattern)], channel);
        connections += count_matching(connections_[at(subscription_kind::pattern)], upstream_name);
    }
    return {clients, connections, instead};
}

subscriber_counts::correction subscriber_counts::subscribers(const tenant& whose, subscription_kind kind,
                                                             std::string_view channel) const {
    const bool instead = is_key_event(channel);
    if (names_ == 0) return {0, 0, instead};
    const std::string upstream_name = upstream_channel(channel, whose);
    const std::lock_guard lock(mutex_);
    return {count(clients_[at(kind)], channel), count(connections_[at(kind)], upstream_name), instead};
}

std::size_t subscriber_counts::patterns() const {
    const std::lock_guard lock(mutex_);
    return clients_[at(subscription_kind::pattern)].size();
}

std::size_t subscriber_counts::channels() const {
    const std::lock_guard lock(mutex_);
    return clients_[at(subscription_kind::channel)].size();
}

std::vector<std::string> subscriber_counts::special_channels(const tenant& whose, subscription_kind kind,
                                                             std::optional<std::string_view> pattern) const {
    std::vector<std::string> special;
    if (names_ == 0) return special;
    const std::lock_guard lock(mutex_);
    const counts& clients = clients_[at(kind)];
    for (auto named = clients.lower_bound(special_begin); named != clients.end(); ++named) {
        const std::string& name = named->first;
        if (!name.starts_with(special_begin)) break;
        const bool ordinary = upstream_channel(name, whose).starts_with(whose.prefix());
        if (ordinary && name != invalidation_channel) continue;
        if (!pattern || glob_match(*pattern, name)) special.push_back(name);
    }
    return special;
}

}  // namespace weir
