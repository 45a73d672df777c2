#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/channels.hpp"
#include "policy/tenant.hpp"

namespace weir {

/// Who of a tenant's clients is subscribed to what in this process, in numbers, over all workers: many clients stand behind
/// one subscription of the server's, so its own counts (PUBLISH, PUBSUB NUMSUB) must be set right. Any thread.
class subscriber_counts {
public:
    /// Clients, by the names they use.
    void add_client(subscription_kind kind, std::string_view name);
    void remove_client(subscription_kind kind, std::string_view name);
    /// Upstream connections, by the names the server knows.
    void add_connection(subscription_kind kind, std::string_view upstream_name);
    void remove_connection(subscription_kind kind, std::string_view upstream_name);

    /// How to make a number of the server's into what a Redis of the tenant's own would say.
    struct correction {
        long long clients = 0;
        long long connections = 0;  ///< of the server's number, what these clients share
        bool instead = false;       ///< the server's number says nothing: it counts other tenants as well

        /// The server may have ended some of the connections before this process hears of it: that takes no client away.
        [[nodiscard]] long long of(long long counted) const;
    };
    /// Of those who get a message that is published to a channel. A pattern counts as often as it has subscribers.
    [[nodiscard]] correction audience(const tenant& whose, subscription_kind kind, std::string_view channel) const;
    /// Of those who are subscribed to the channel by its name.
    [[nodiscard]] correction subscribers(const tenant& whose, subscription_kind kind, std::string_view channel) const;

    /// How many patterns, and how many channels, clients of this process have.
    [[nodiscard]] std::size_t patterns() const;
    [[nodiscard]] std::size_t channels() const;
    /// Channels with subscribers in this process that are not the prefix and the name on the server, as far as they
    /// match. No pattern: all.
    [[nodiscard]] std::vector<std::string> special_channels(const tenant& whose, subscription_kind kind,
                                                            std::optional<std::string_view> pattern) const;

private:
    using counts = std::map<std::string, std::uint32_t, std::less<>>;

    void add(counts& in, std::string_view name);
    void remove(counts& in, std::string_view name);
    [[nodiscard]] static long long count(const counts& in, std::string_view name);

    std::atomic<std::size_t> names_ = 0;  ///< of all below: 0 spares the lock
    mutable std::mutex mutex_;
    std::array<counts, subscription_kinds> clients_;
    std::array<counts, subscription_kinds> connections_;
};

}  // namespace weir
