#include "proxy/pubsub/subscriber_counts.hpp"

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

subscriber_counts::subscriber_counts(std::size_t tenant_count) {
    for (std::size_t i = 0; i < tenant_count; ++i) entries_.push_back(std::make_unique<tenant_entry>());
}

void subscriber_counts::add(tenant_entry& entry, counts& in, std::string_view name) {
    const auto found = in.find(name);
    if (found != in.end()) {
        ++found->second;
        return;
    }
    in.emplace(name, 1);
    ++entry.names;
}

void subscriber_counts::remove(tenant_entry& entry, counts& in, std::string_view name) {
    const auto found = in.find(name);
    if (found == in.end() || --found->second > 0) return;
    in.erase(found);
    --entry.names;
}

long long subscriber_counts::count(const counts& in, std::string_view name) {
    const auto found = in.find(name);
    return found == in.end() ? 0 : found->second;
}

void subscriber_counts::add_client(const tenant& whose, subscription_kind kind, std::string_view name) {
    tenant_entry& entry = of(whose);
    const std::lock_guard lock(entry.mutex);
    add(entry, entry.clients[at(kind)], name);
}

void subscriber_counts::remove_client(const tenant& whose, subscription_kind kind, std::string_view name) {
    tenant_entry& entry = of(whose);
    const std::lock_guard lock(entry.mutex);
    remove(entry, entry.clients[at(kind)], name);
}

void subscriber_counts::add_connection(const tenant& whose, subscription_kind kind, std::string_view upstream_name) {
    tenant_entry& entry = of(whose);
    const std::lock_guard lock(entry.mutex);
    add(entry, entry.connections[at(kind)], upstream_name);
}

void subscriber_counts::remove_connection(const tenant& whose, subscription_kind kind,
                                          std::string_view upstream_name) {
    tenant_entry& entry = of(whose);
    const std::lock_guard lock(entry.mutex);
    remove(entry, entry.connections[at(kind)], upstream_name);
}

subscriber_counts::correction subscriber_counts::audience(const tenant& whose, subscription_kind kind,
                                                          std::string_view channel) const {
    const bool instead = is_key_event(channel);
    const tenant_entry& entry = of(whose);
    if (entry.names == 0) return {0, instead};
    const std::string upstream_name = upstream_channel(channel, whose);
    const std::lock_guard lock(entry.mutex);
    // What is published to the channel of invalidations reaches nobody: it does not exist on the server.
    long long clients = channel == invalidation_channel ? 0 : count(entry.clients[at(kind)], channel);
    long long connections = count(entry.connections[at(kind)], upstream_name);
    if (kind == subscription_kind::channel) {
        clients += count_matching(entry.clients[at(subscription_kind::pattern)], channel);
        connections += count_matching(entry.connections[at(subscription_kind::pattern)], upstream_name);
    }
    return {instead ? clients : clients - connections, instead};
}

subscriber_counts::correction subscriber_counts::subscribers(const tenant& whose, subscription_kind kind,
                                                             std::string_view channel) const {
    const bool instead = is_key_event(channel);
    const tenant_entry& entry = of(whose);
    if (entry.names == 0) return {0, instead};
    const std::string upstream_name = upstream_channel(channel, whose);
    const std::lock_guard lock(entry.mutex);
    const long long clients = count(entry.clients[at(kind)], channel);
    return {instead ? clients : clients - count(entry.connections[at(kind)], upstream_name), instead};
}

std::size_t subscriber_counts::patterns(const tenant& whose) const {
    const tenant_entry& entry = of(whose);
    const std::lock_guard lock(entry.mutex);
    return entry.clients[at(subscription_kind::pattern)].size();
}

std::size_t subscriber_counts::channels(const tenant& whose) const {
    const tenant_entry& entry = of(whose);
    const std::lock_guard lock(entry.mutex);
    return entry.clients[at(subscription_kind::channel)].size();
}

std::vector<std::string> subscriber_counts::special_channels(const tenant& whose, subscription_kind kind,
                                                             std::optional<std::string_view> pattern) const {
    std::vector<std::string> special;
    const tenant_entry& entry = of(whose);
    if (entry.names == 0) return special;
    const std::lock_guard lock(entry.mutex);
    const counts& clients = entry.clients[at(kind)];
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
