#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "policy/access.hpp"
#include "policy/flow_window.hpp"
#include "policy/limit_counter.hpp"
#include "policy/tenant.hpp"
#include "protocol/buffer.hpp"
#include "protocol/reply_writer.hpp"
#include "protocol/request_parser.hpp"
#include "proxy/client_facts.hpp"
#include "proxy/event_loop.hpp"
#include "proxy/fallback/fallback_port.hpp"
#include "proxy/upstream/reply_target.hpp"
#include "proxy/upstream/upstream_connection.hpp"
#include "proxy/upstream/upstream_snapshot.hpp"

namespace weir {

class credential_table;
class emulated_command;
class invalidation_relay;
class request_stream;
class worker;
class tenant_account;
class worker_tenant;
struct transaction;
struct tracking_state;
class session_subscriptions;

/// What weir keeps for one client connection, by the client's own commands.
struct client_state {
    resp_version version = resp_version::resp2;
    int database = 0;
    std::string name;
    std::string library_name;
    std::string library_version;
    bool no_evict = false;  ///< what CLIENT LIST shows; weir evicts nobody
    bool no_touch = false;
};

/// One client connection: reads its requests, has them decided, sends them upstream and gives it the replies in the
/// order of its requests, whoever answered them.
///
///     socket -> [input_] -> decide -> upstream output         (in_flight_ commands)
///     socket <- output_  <- replies, and between them what weir answers itself
///
/// It stops reading while the client has not taken its replies, while too many commands are in flight, and while a
/// command needs those before it answered first (it waits) or several upstream replies (it is busy). It holds heap
/// memory only while bytes are pending. Belongs to its worker and the worker's thread.
///
/// Its commands go to `upstream_`: a connection that many share, or, while what the client asked for lives on the
/// connection (keys it watches or tracks, a command that blocks), one of its own. It changes between the two only while
/// nothing is in flight, so that its commands take effect in the order it sent them.
class session final : public event_loop::handler,
                      public reply_target,
                      private fallback_client,
                      private upstream_connection::waiter {
public:
    /// Whether the request was performed, or must be offered again when something has come.
    enum class progress : std::uint8_t { next, wait };

    /// The tenant has admitted it.
    session(worker& owner, file_descriptor socket, worker_tenant& whose, std::uint64_t id);
    ~session();

    void on_ready(std::uint32_t epoll_events) override;

    // Replies from upstream.
    void take_replies(std::string_view bytes, std::size_t completed) override;
    void keep_replies() override { spill_direct(); }
    void finish_replies() override;
    void take_failure(std::string_view error) override;
    void take_broken_reply(std::string_view error) override;
    void on_long_reply(upstream_connection& connection) override;
    void on_upstream_writable() override;
    void take_push(std::string_view push) override;
    void on_connection_lost() override;

    // For commands that weir answers.
    [[nodiscard]] worker& owner() { return worker_; }
    /// As it is configured now.
    [[nodiscard]] const tenant& whose() const;
    [[nodiscard]] worker_tenant& tenant_here() const { return *tenant_; }
    /// By which two sessions are known to be of the same tenant.
    [[nodiscard]] const std::shared_ptr<tenant_account>& account() const;
    [[nodiscard]] std::uint64_t id() const { return id_; }
    [[nodiscard]] client_state& client();
    [[nodiscard]] int descriptor() const { return socket_.get(); }
    /// What CLIENT LIST says of it.
    [[nodiscard]] client_facts describe() const;
    /// The command's reply; leaves when all commands before it were answered.
    void reply(const buffer& bytes);
    void reply_error(std::string_view error);
    /// What no command asked for at this moment: goes out as soon as no reply is under way, also while replies are off.
    void push(std::string_view bytes);
    /// Switches to another protocol version or database. Nothing may be in flight.
    void use_lane(lane wanted);
    /// As use_lane(), once the server has confirmed the database; replies `+OK` or the server's error.
    void select_database(int database);
    /// Ends whatever the client has set going on its connection, as RESET does. Nothing may be in flight.
    void forget_state();

    // Who the client is (session_tenant.cpp). Nothing may be in flight.
    [[nodiscard]] bool authenticated() const;
    enum class identity : std::uint8_t {
        unknown,  ///< not yet: the command is to be offered again
        proven,
        refused,
        busy,     ///< too many wait for the same
        crowded,  ///< proven, but the tenant has all the clients that it may have
    };
    /// By user name and password; on success the client is that tenant, and nothing of an earlier one is left. Where the
    /// listener says whose its clients are, `default` needs no password.
    [[nodiscard]] identity authenticate(std::string_view user, std::string_view password);
    /// Where clients have to authenticate: it has to do so again.
    void forget_tenant();
    [[nodiscard]] bool tenant_is_given() const { return tenant_is_given_; }

    // Transactions (session_transaction.cpp).
    [[nodiscard]] progress multi();
    [[nodiscard]] progress exec();
    [[nodiscard]] progress discard();
    [[nodiscard]] progress watch(const arguments& request, const command_spec& command);
    [[nodiscard]] progress unwatch();
    [[nodiscard]] bool in_transaction() const { return extras_ && extras_->multi; }

    // Client-side caching (session_tracking.cpp). Nothing may be in flight.
    [[nodiscard]] progress track(const arguments& request);
    [[nodiscard]] progress stop_tracking();
    [[nodiscard]] const tracking_state* tracking() const { return extras_ ? extras_->tracking.get() : nullptr; }
    /// An invalidation of somebody else's that is redirected to this client: a push as RESP3 has it.
    void take_redirected(std::string_view invalidation);
    /// The client that its invalidations go to is gone.
    void on_redirection_broken(std::uint64_t target);
    /// What its relay waited for has come.
    void on_relay_ready(std::string_view fault);
    /// CLIENT CACHING; passed on as it is.
    [[nodiscard]] progress choose_caching(const arguments& request);

    // Subscriptions (session_subscribing.cpp).
    /// SUBSCRIBE, PUNSUBSCRIBE and their kin. Nothing may be in flight.
    [[nodiscard]] progress change_subscriptions(const arguments& request, const command_spec& command);
    /// All names of the request were confirmed, or refused.
    void end_subscribing();
    /// nullptr: it never had any.
    [[nodiscard]] const session_subscriptions* subscriptions() const {
        return extras_ ? extras_->subscriptions.get() : nullptr;
    }
    [[nodiscard]] bool is_subscriber() const;
    /// In RESP2 messages could be taken for replies, so a subscriber may do little else.
    [[nodiscard]] bool is_confined_to_subscribing() const;

    /// CLIENT REPLY: whether the client gets replies. Nothing may be in flight.
    enum class client_replies : std::uint8_t {
        on,
        off,
        skip_next,  ///< on, but for the next command
        skipping,   ///< that command is being performed
    };
    void switch_replies(client_replies wanted);
    [[nodiscard]] bool gets_no_replies() const { return extras_ && extras_->replies == client_replies::off; }

    /// While it waits in a blocking command: the server's CLIENT ID of the connection that it waits on. Nobody else is lent
    /// that connection afterwards, so that what is done to it by that id cannot reach another client.
    [[nodiscard]] std::optional<std::uint64_t> blocked_upstream_id();
    /// Closes once everything owed was sent; what the client sends after it is not looked at.
    void close_after_replies();
    /// An emulated command has its whole reply.
    void finish_emulated(const buffer& bytes);

    // For the worker.
    /// The configuration has changed.
    void on_tenant_changed();
    /// The time for which it was not read is over.
    void on_rested();
    /// Its tenant has fewer commands in flight than it may have.
    void on_room();
    /// Whether its commands go there.
    [[nodiscard]] bool is_on(const upstream_connection& connection) const { return upstream_ == &connection; }
    void flush();
    /// Goes on with what was put off. Called at the turn's end after request_resume().
    void resume();
    /// Ends it when the client was silent for longer than it may.
    void tick(event_loop::clock::time_point now);
    /// Stops reading; closes when nothing is owed any more.
    void drain();
    void close();
    /// Closed, and nothing refers to it any more.
    [[nodiscard]] bool finished() const;
    [[nodiscard]] bool closed() const { return closed_; }
    /// The worker's command table is about to be replaced by `next`.
    void change_table(const command_table& next) {
        if (last_command_ != nullptr) last_command_ = next.find_row(last_command_->name);
    }
    /// Its place in the worker's list.
    std::size_t slot = 0;

private:
    /// What keeps the next request from being performed.
    enum class activity : std::uint8_t {
        none,
        awaiting_replies,     ///< the next request needs those before it answered first
        awaiting_connection,  ///< for a connection of its own
        streaming,            ///< a large request is passed on, or thrown away, while it is read
        throttled,            ///< the same, while the upstream takes no more
        awaiting_answer,      ///< of all that is in flight on its own connection, which is given back then
        blocked,              ///< the same, in a command that waits for as long as the client said
        emulating,
        redirecting,          ///< looks for the client that its invalidations shall go to, or for the way to it
        authenticating,       ///< waits for a password to be checked
        selecting,            ///< waits for the server's word on a database
        subscribing,          ///< waits for the server's word on channels
        falling_back,         ///< waits for what answers without the upstream
    };

    /// Memory that only few clients need.
    struct extras {
        client_state client;
        /// Replies of weir's own that wait for upstream replies before them: sent once `after` of those are through.
        struct deferred_reply {
            std::uint64_t after;
            std::string bytes;
        };
        std::deque<deferred_reply> deferred;
        std::size_t deferred_bytes = 0;  ///< memory that deferred holds
        std::unique_ptr<request_parser> parser;  ///< of a request that is not whole yet
        std::unique_ptr<request_stream> stream;
        std::unique_ptr<emulated_command> emulated;
        upstream_connection* dedicated = nullptr;  ///< lent by the pool
        std::shared_ptr<const void> counted_as_blocked;
        std::string acquire_fault;                 ///< why it could not lend one to the request that needed it
        std::unique_ptr<transaction> multi;        ///< between MULTI and EXEC
        bool hung_up = false;                      ///< the client closed its side while it was blocked
        bool watching = false;                     ///< keys are watched on `dedicated`
        bool watch_lost = false;                   ///< the same, but the connection broke
        std::shared_ptr<invalidation_relay> relay;  ///< of the CLIENT TRACKING that is being performed
        std::string relay_fault;
        std::unique_ptr<tracking_state> tracking;  ///< keys are tracked on `dedicated`
        std::unique_ptr<session_subscriptions> subscriptions;
        std::optional<event_loop::clock::time_point> delayed_since;  ///< a limit makes the next request wait
        std::optional<event_loop::clock::time_point> over_soft_limit_since;  ///< of what a subscriber has not taken
        std::optional<int> moved_to;               ///< the database that a transaction's SELECT led to
        client_replies replies = client_replies::on;
        std::optional<identity> checked;           ///< what came of the password that was checked
        std::string pushes;                        ///< that wait for the end of the reply under way
        upstream_connection* selecting = nullptr;  ///< the shared connection that it waits for
        std::shared_ptr<const upstream_snapshot> pinned;  ///< whose command rows stream and emulated point at
        std::shared_ptr<const tenant> streaming_for;      ///< whom stream points at
        std::unique_ptr<fallback_job> job;      ///< commands that gather, to be answered without the upstream
        bool job_was_taken_back = false;        ///< they, and what is said of others, come from a connection that is lost
        std::unique_ptr<transaction> job_transaction;  ///< EXEC is among what is being answered without the upstream
        fallback_port::slots written;           ///< what is in flight may write these whenever it is performed
        std::string refusal;                    ///< of the next request, once those before it are answered
    };
    [[nodiscard]] extras& more();

    void read_requests();
    void read_behind_input();
    void end_input();
    /// Returns how many bytes were whole requests.
    [[nodiscard]] std::size_t process(std::string_view bytes);
    [[nodiscard]] std::size_t perform_all(std::string_view bytes);
    [[nodiscard]] request_parser& parser();
    void keep_parser();
    [[nodiscard]] progress perform(const arguments& request);
    [[nodiscard]] progress perform_one(const arguments& request);
    [[nodiscard]] progress perform_decided(const arguments& request, const decision& decided);
    void end_caching_choice(const decision& decided);
    void unblock_if_blocked();
    void describe_state(client_facts& facts) const;
    [[nodiscard]] decision judge(const arguments& request, std::size_t count, std::size_t bytes);
    [[nodiscard]] bool unmute_if_due();
    [[nodiscard]] progress forward(const arguments& request, const decision& decided);
    [[nodiscard]] std::unique_ptr<reply_interpreter> interpreter_for(const arguments& request, const command_spec& command);
    void refuse(std::string_view error);
    void drop_preparations();
    [[nodiscard]] bool become(const std::shared_ptr<tenant_account>& account);
    void take_identity(const std::optional<std::string>& tenant_name);
    void take_slow_identity(const credential_table& by, const std::optional<std::string>& tenant_name);
    // Limits (session_limits.cpp).
    enum class passage : std::uint8_t { free, later, never };
    /// never: `error` says why.
    [[nodiscard]] passage pass_limits(const command_spec& command, std::string& error);
    [[nodiscard]] bool may_wait(const tenant_limit& limit, const limit_refusal& refusal);
    /// After what no limit counts.
    void pace();
    void rest_for(std::chrono::nanoseconds time);
    void wait_for_room();
    void count_sent(std::size_t bytes);
    void count_received(std::size_t bytes);
    [[nodiscard]] std::string quota_fault(std::size_t arguments, std::size_t bytes) const;
    void count_in_flight();
    void refuse_queued(std::string_view error);
    [[nodiscard]] progress queue(const arguments& request, const decision& decided);
    void queue_command(const arguments& request, const decision& decided);
    void queue_local(const arguments& request);
    [[nodiscard]] buffer answer_queued(std::string_view request);
    [[nodiscard]] progress abort_transaction(std::string_view error);
    void submit_transaction(transaction& ended);
    void forward_unwatch(std::unique_ptr<reply_interpreter> interpreter);

    // Connections of its own (session_connections.cpp).
    enum class holding : std::uint8_t { held, wait, failed };
    /// Makes upstream_ its own; failed: the client has been told why.
    [[nodiscard]] holding hold_connection();
    void hold(upstream_connection& connection);
    /// Whether something lives on its own connection that must stay.
    [[nodiscard]] bool has_state_upstream() const;
    [[nodiscard]] command_user user_for(const decision& decided) const;
    /// Makes upstream_ one that runs commands as `user`.
    [[nodiscard]] progress run_as(command_user user);
    void switch_tracking_off();
    [[nodiscard]] holding find_relay(std::uint64_t target);
    void watch_for_hangup();
    void proceed();
    /// What was in flight is answered: goes on, on a shared connection if nothing keeps its own.
    void settle();
    void use_shared_connection();
    void protocol_error(std::string_view text);

    // Without the upstream (session_fallback.cpp).
    [[nodiscard]] bool upstream_passes() const;
    [[nodiscard]] static bool needs_upstream(const decision& decided);
    /// Whether the request, if it needs the upstream, joins those that gather.
    [[nodiscard]] bool gathers() const { return extras_ && extras_->job; }
    /// What becomes of a command while the breaker does not let it pass; nullopt: it goes to the upstream all the same.
    [[nodiscard]] std::optional<progress> divert(const arguments& request, const decision& decided);
    /// Why it cannot be answered without the upstream; empty: it can.
    struct fallback_way {
        fallback_place place = fallback_place::nowhere;
        std::string obstacle = {};  ///< why it is nowhere
    };
    [[nodiscard]] fallback_way way_to_fallback(const arguments& request, const command_spec& command) const;
    [[nodiscard]] bool has_too_long_key(const arguments& request, const command_spec& command) const;
    void refuse_without_upstream(std::string_view what, std::string_view why);
    [[nodiscard]] std::string without_upstream(std::string_view what, std::string_view why) const;
    [[nodiscard]] progress exec_without_upstream();
    void gather(const arguments& request, const command_spec& command, fallback_place place);
    void post_job();
    void perform_again(fallback_job& job);
    void post_again(fallback_job& rest);
    void take_fallback(fallback_job& job) override;
    [[nodiscard]] bool take_back(std::string_view request) override;
    [[nodiscard]] sent_command sent_as(const arguments& request, const command_spec& command);
    void end_trial();
    /// Of a write that is not submitted as others are: once nothing is in flight, what is remembered of its keys is void.
    void note_late_write(const arguments& request, const command_spec& command);
    void end_late_writes();

    // Large requests (session_stream.cpp).
    enum class stream_start : std::uint8_t { no, wait, started };
    [[nodiscard]] stream_start try_stream(const request_parser& so_far, std::string_view bytes);
    /// `known` are the arguments that have come; nullptr when nothing is done with them.
    void start_stream(const decision& decided, const arguments* known);
    [[nodiscard]] std::size_t feed_stream(std::string_view bytes);
    void end_stream();
    void stop_streaming(std::string_view error);
    void give_back_dedicated();

    [[nodiscard]] bool held_up() const;
    void await_replies() { activity_ = activity::awaiting_replies; }
    void set_interest(std::uint32_t events);
    void send_or_keep(std::string_view bytes);
    void hand_over(std::string_view bytes);
    void spill_direct();
    void release_deferred();
    void answered(std::size_t count);
    void request_flush();
    void request_resume();
    void close_if_done();
    [[nodiscard]] bool in_reply();
    void release_pushes();
    [[nodiscard]] bool is_over_unsent_limit();
    void cut_off();

    void on_connected(upstream_connection& connection) override;
    void on_connect_failed(upstream_connection& connection, std::string_view error) override;
    void on_acquire_timeout() override;

    worker& worker_;
    file_descriptor socket_;
    worker_tenant* tenant_;
    std::uint64_t id_;
    const command_spec* last_command_ = nullptr;  ///< a row of the worker's present command table
    upstream_connection* upstream_ = nullptr;  ///< where its commands go
    std::unique_ptr<extras> extras_;
    buffer input_;   ///< bytes read and not performed yet
    buffer output_;  ///< replies the socket has not taken
    std::string_view direct_;  ///< replies still in the thread's read buffer; instead of output_ while that is empty
    flow_window window_;
    std::uint32_t in_flight_ = 0;
    std::uint32_t interest_ = 0;  ///< of the next
    static constexpr std::uint32_t readable = EPOLLIN;
    static constexpr std::uint32_t writable = EPOLLOUT;
    static constexpr std::uint32_t hangup = EPOLLRDHUP;
    std::uint64_t answered_ = 0;  ///< upstream replies so far, for extras::deferred
    event_loop::clock::time_point connected_at_;
    event_loop::clock::time_point last_active_;
    bool resume_requested_ = false;
    bool flush_requested_ = false;
    bool input_ended_ = false;  ///< the client has closed its side
    bool closing_ = false;      ///< no more requests; closes once what is owed was sent
    bool closed_ = false;
    bool tenant_is_given_;      ///< by the listener
    bool muted_ = false;        ///< replies are thrown away
    std::uint32_t paid_ = 0;    ///< so many requests, the one that is being performed first, have limits let pass
    bool trial_ = false;        ///< the command that is being performed may go to an upstream that is not trusted yet
    bool job_posted_ = false;   ///< it will come back
    std::multimap<event_loop::clock::time_point, session*>::iterator rest_;  ///< while resting_
    bool resting_ = false;      ///< not read for some time, because of limits or quotas
    bool wants_room_ = false;   ///< not read until its tenant has fewer commands in flight
    buffer* captured_ = nullptr;  ///< set: where the reply of the command being performed goes instead
    activity activity_ = activity::none;
};

}  // namespace weir
