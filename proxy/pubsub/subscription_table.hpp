#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "policy/channels.hpp"
#include "policy/tenant.hpp"
#include "protocol/buffer.hpp"
#include "protocol/reply_writer.hpp"
#include "proxy/counters.hpp"
#include "proxy/pubsub/subscriber_counts.hpp"

namespace weir {

/// A client connection, as those see it that bring it messages.
class subscriber {
public:
    [[nodiscard]] virtual resp_version version() const = 0;
    /// A whole message in its protocol version, valid during the call. Must not call back.
    virtual void take_message(std::string_view bytes) = 0;
    /// The oldest of what it has asked for is done; or was refused, and `error` says why, its code in front.
    virtual void on_answered(std::string_view error) = 0;
    /// All that it had or had asked for is lost with the upstream connection. It is forgotten already.
    virtual void on_lost(std::string_view error) = 0;

protected:
    ~subscriber() = default;
};

/// What the clients of one tenant on one worker are subscribed to, and what the server has to know for it. Bytes for the
/// server come out of output(); what it sends goes into take(). No sockets, no clock.
///
///     subscriber  <-  subscription `news.*`        <-  source `{prefix}news.*`, which the server knows
///     subscriber  <-  subscription `*`             <-  source `{prefix}*`
///                                                  <-  source `__keyevent@*__:*`, …
///
/// A client is a member, and gets messages, from the point of the stream on at which the server has answered its own
/// request, although the source may have been there before; and until the answer to its leaving. So it gets what is
/// published between the two, nothing else. Answers come in the order of the requests.
class subscription_table {
public:
    subscription_table(std::shared_ptr<const tenant> whose, subscriber_counts& counts, tenant_counters& own,
                       worker_counters& counters);
    ~subscription_table();
    subscription_table(const subscription_table&) = delete;
    subscription_table& operator=(const subscription_table&) = delete;

    // Each is answered by one on_answered(), later. A client asks for a name once, until it has asked to leave it.
    void subscribe(subscription_kind kind, std::string_view name, subscriber& who);
    void unsubscribe(subscription_kind kind, std::string_view name, subscriber& who);
    /// For what changes nothing, but has its place between messages.
    void acknowledge(subscriber& who) { ask_for_pong(&who, nullptr); }

    // A client that has gone: nothing reaches it any more.
    /// It had `name`, or had asked for it.
    void forget(subscription_kind kind, std::string_view name, subscriber& who);
    /// It had asked to leave `name`.
    void forget_leaving(subscription_kind kind, std::string_view name, subscriber& who);
    /// Whatever it waits for.
    void forget_requests(subscriber& who);

    /// Asks the server for a sign of life.
    void ping() { ask_for_pong(nullptr, nullptr); }
    /// Asks once more for what the server refused to end.
    void retry();

    /// For the server, in this order.
    [[nodiscard]] buffer& output() { return output_; }
    /// A whole push, or a reply. False when the server says what does not answer our requests.
    [[nodiscard]] bool take(std::string_view bytes);
    /// The server has forgotten everything.
    void lose(std::string_view error);

    [[nodiscard]] bool awaits_answer() const { return !awaited_.empty(); }
    /// The server knows of nothing any more, and owes nothing.
    [[nodiscard]] bool empty() const;

private:
    struct subscription;

    /// A name that the server knows, or will.
    struct source {
        subscription_kind kind;
        std::string name;
        std::vector<subscription*> listeners;
        std::uint32_t users = 0;    ///< listeners that want it still
        std::uint32_t awaited = 0;  ///< answers about it
        bool held = false;          ///< the server has it
    };
    /// What clients ask for, by the name that they use.
    struct subscription {
        subscription_kind kind;
        std::string name;
        bool exact;                    ///< what its sources bring is for it
        std::vector<source*> sources;  ///< the last stands for it
        std::vector<subscriber*> members;
        std::uint32_t wanted = 0;   ///< members that have not asked to leave, and clients that will be members
        std::uint32_t awaited = 0;  ///< answers about it
    };
    enum class answer : std::uint8_t { subscribed, unsubscribed, pong };
    /// What the server will say, in this order.
    struct expectation {
        answer what;
        source* about;      ///< nullptr: pong
        subscription* of;   ///< whose members change with it; nullptr: none, or a later answer does it
        subscriber* who;    ///< to be told by this one; nullptr: nobody, or nobody any more
    };
    template <typename Value>
    using by_name = std::unordered_map<std::string_view, std::unique_ptr<Value>>;  ///< the name is the value's own

    [[nodiscard]] subscription& obtain(subscription_kind kind, std::string_view name);
    [[nodiscard]] source& obtain_source(subscription_kind kind, std::string name);
    [[nodiscard]] subscription* find(subscription_kind kind, std::string_view name) const;
    void want_less(subscription& left);
    void collect(subscription& left);
    void collect(source& left);

    void request(answer what, source& about, subscription* of, subscriber* who);
    void ask_for_pong(subscriber* who, subscription* left);
    void add_member(subscription& joined, subscriber& who);
    void remove_member(subscription& left, subscriber& who);
    void set_held(source& about, bool held);

    [[nodiscard]] bool take_push(std::span<const std::string_view> elements);
    [[nodiscard]] bool take_answer(std::string_view type, std::string_view name);
    void take_refusal(std::string_view error);
    void finish(const expectation& answered, std::string_view error);
    void deliver(subscription_kind kind, std::string_view source_name, std::string_view channel, std::string_view payload);
    void deliver_to(const subscription& to, std::string_view channel, std::string_view payload);
    [[nodiscard]] std::string_view message(resp_version version, const subscription& to, std::string_view channel,
                                           std::string_view payload);
    [[nodiscard]] static bool is_first_match(const subscription& of, const source& by, std::string_view channel);

    std::shared_ptr<const tenant> whose_;  ///< its names and prefix never change
    subscriber_counts& counts_;
    tenant_counters& own_;
    worker_counters& counters_;
    std::array<by_name<subscription>, subscription_kinds> subscriptions_;
    std::array<by_name<source>, subscription_kinds> sources_;
    std::deque<expectation> awaited_;
    buffer output_;
    std::array<buffer, 2> messages_;  ///< the message being delivered, by protocol version; empty: not written yet
    bool refused_to_end_ = false;
};

}  // namespace weir
