#pragma once

#include <array>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "policy/channels.hpp"
#include "protocol/arguments.hpp"
#include "protocol/command_table.hpp"
#include "proxy/pubsub/subscription_table.hpp"

namespace weir {

class session;
class subscription_hub;

/// What one client is subscribed to. Confirmations go to it in the order of its requests, each as soon as the upstream
/// has given its own; the session performs nothing else meanwhile.
class session_subscriptions final : public subscriber {
public:
    session_subscriptions(session& client, subscription_hub& hub) : client_(client), hub_(hub) {}
    ~session_subscriptions();
    session_subscriptions(const session_subscriptions&) = delete;
    session_subscriptions& operator=(const session_subscriptions&) = delete;

    /// Performs SUBSCRIBE, PUNSUBSCRIBE and their kin. False when confirmations are still to come;
    /// session::end_subscribing() is called then.
    [[nodiscard]] bool perform(const arguments& request, const command_spec& command);

    /// How many the client has been told that it has.
    [[nodiscard]] std::size_t count(subscription_kind kind) const { return counts_[static_cast<std::size_t>(kind)]; }
    [[nodiscard]] bool any() const { return counts_ != std::array<std::size_t, subscription_kinds>{}; }
    [[nodiscard]] bool has(subscription_kind kind, std::string_view name) const;

    /// Ends everything without a word.
    void clear();

    // subscriber
    [[nodiscard]] resp_version version() const override;
    void take_message(std::string_view bytes) override;
    void on_answered(std::string_view error) override;
    void on_lost(std::string_view error) override;

private:
    /// One name in a request, to be confirmed.
    struct change {
        bool joins;
        subscription_kind kind;
        std::optional<std::string> name;  ///< none: the client left everything, and there was nothing
        bool counts;                      ///< it is not so already
        bool answered;
        std::string error = {};
    };

    void subscribe(subscription_kind kind, std::string_view name);
    void unsubscribe(subscription_kind kind, std::string_view name);
    void unsubscribe_all(subscription_kind kind);
    void add(change wanted);
    void confirm_answered();
    void confirm(const change& done, reply_writer& writer);
    [[nodiscard]] std::set<std::string, std::less<>>& names(subscription_kind kind) {
        return names_[static_cast<std::size_t>(kind)];
    }
    /// That weir alone knows of the name.
    [[nodiscard]] static bool is_local(subscription_kind kind, std::string_view name);
    void count_change(subscription_kind kind, bool more);

    session& client_;
    subscription_hub& hub_;
    std::array<std::set<std::string, std::less<>>, subscription_kinds> names_;  ///< that it has, or has asked for
    std::array<std::size_t, subscription_kinds> counts_{};
    std::deque<change> changes_;  ///< not confirmed yet
};

}  // namespace weir
