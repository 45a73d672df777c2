#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/options.hpp"
#include "policy/command_timeouts.hpp"
#include "policy/reply_interpreter.hpp"
#include "policy/reply_rewriter.hpp"
#include "protocol/buffer.hpp"
#include "protocol/command_table.hpp"
#include "protocol/errors.hpp"
#include "protocol/reply_scanner.hpp"
#include "proxy/counters.hpp"
#include "proxy/event_loop.hpp"
#include "proxy/socket.hpp"
#include "proxy/upstream/call_outcomes.hpp"
#include "proxy/upstream/greeting.hpp"
#include "proxy/upstream/lane.hpp"
#include "proxy/upstream/reply_target.hpp"
#include "proxy/upstream/ring.hpp"
#include "proxy/upstream/written_slots.hpp"

namespace weir {

class fallback_port;
class upstream_connection;

/// What the upstream connections of one worker share.
struct upstream_environment {
    event_loop& loop;
    const upstream_options& options;
    const command_timeouts& timeouts;
    call_outcomes& outcomes;
    fallback_port& fallback;
    worker_counters& counters;
    std::span<char> read_buffer;                    ///< the thread's; free between two events
    std::optional<socket_address> address;          ///< none: the host name is not resolved yet
    std::string address_fault;                      ///< why not
    server_version version;                         ///< of the server, once it is known
    std::vector<upstream_connection*> with_output;  ///< to flush at the turn's end
    std::minstd_rand random;                        ///< jitter alone
};

/// What there is to know of a command that is sent.
struct sent_command {
    reply_rule reply = reply_rule::plain;
    command_timeouts::time_class timeout = command_timeouts::standard;
    bool writes : 1 = true;
    bool repeatable : 1 = false;  ///< may be sent twice
    bool trial : 1 = false;       ///< breaker::admit() let it through
    bool belongs_to_last : 1 = false;  ///< without a target: is sent again if and only if the one before it is
    std::uint8_t written = 0;  ///< of written_slots
};

/// A command that was accepted and not answered yet.
struct in_flight {
    reply_target* target = nullptr;  ///< nullptr: nobody waits any more, the reply is swallowed
    std::uint32_t bytes = 0;         ///< of the command in the output; 0: not kept, cannot be sent again
    std::uint32_t started = 0;       ///< event_loop::now_microseconds()
    std::uint32_t leading = 0;  ///< replies before its own that nobody gets, such as a transaction's QUEUED
    sent_command is;
};

/// A command that is more than one reply to one command.
struct submission {
    sent_command is;
    std::unique_ptr<reply_interpreter> interpreter;  ///< set: instead of the rule
    std::uint32_t leading = 0;
};

/// One connection to the upstream with commands pipelined on it; many sessions may share it. It connects by
/// itself, and again with growing delay.
///
///     output_:   | sent, no reply yet | not sent yet |
///     in_flight_:  one record a command, front = oldest
///
/// When the connection breaks, what was sent and what not is known to the byte. A target of which nothing was
/// sent but reads keeps its commands, which are sent again on the next connection, once; all commands of any
/// other target fail, each with what is known of it. When no connection can be made, all fail. How each
/// ended is told to call_outcomes; where the breaker has opened, what was not executed is offered back.
class upstream_connection final : public event_loop::handler {
public:
    /// Somebody who waits until the connection is ready.
    class waiter {
    public:
        virtual void on_connected(upstream_connection& connection) = 0;
        /// `error` is for a client, its code in front.
        virtual void on_connect_failed(upstream_connection& connection, std::string_view error) = 0;
        /// A pool had none to lend within pool.acquire_timeout.
        virtual void on_acquire_timeout() {}

    protected:
        ~waiter() = default;
    };

    /// A shared connection reconnects for ever. Any other one connects once; when it is broken() its pool
    /// drops it.
    upstream_connection(upstream_environment& environment, lane set_to, bool shared);
    ~upstream_connection();
    upstream_connection(const upstream_connection&) = delete;
    upstream_connection& operator=(const upstream_connection&) = delete;

    [[nodiscard]] const lane& set_to() const { return lane_; }
    [[nodiscard]] bool ready() const { return state_ == state::ready; }
    [[nodiscard]] bool broken() const { return state_ == state::closed && !shared_; }
    /// Not connected, and nobody waits for that.
    [[nodiscard]] bool is_useless() const { return !ready() && in_flight_.empty() && waiters_.empty(); }
    /// Nothing is under way on it, and was not for `time`.
    [[nodiscard]] bool has_rested(event_loop::clock::time_point now, event_loop::clock::duration time) const {
        return ready() && in_flight_.empty() && waiters_.empty() && unsent_bytes() == 0 && now - last_bytes_ >= time;
    }
    /// It holds so much that is not answered that no more should be added: the upstream does not keep up.
    [[nodiscard]] bool is_full() const { return output_.size() > full_bytes; }
    /// Nothing is under way on it and nothing of its last user's is left, so that it may be lent again.
    [[nodiscard]] bool reusable() const {
        return ready() && !spoiled_ && in_flight_.empty() && !streaming_ && unsent_bytes() == 0;
    }
    /// Something of its user's stays on it (what is watched or tracked), so nobody else may have it.
    void spoil() { spoiled_ = true; }
    /// The server's CLIENT ID of it, when it told.
    [[nodiscard]] std::optional<std::uint64_t> server_id() const { return server_id_; }
    /// In the middle of a reply to `target`: nothing may be put in between.
    [[nodiscard]] bool is_replying_to(const reply_target& target) {
        return front_begun_ && in_flight_.front().target == &target;
    }
    [[nodiscard]] std::size_t pending() const { return in_flight_.size(); }
    /// When the server last sent anything.
    [[nodiscard]] event_loop::clock::time_point last_heard() const { return last_heard_; }

    void connect();
    /// Does not wait any longer before it tries again.
    void reconnect() {
        if (state_ == state::closed && shared_) connect();
    }
    void wait(waiter& who) { waiters_.push_back(&who); }
    /// False when it does not wait here.
    bool forget(waiter& who);

    /// Why no command may be submitted now, its code in front; empty when one may.
    [[nodiscard]] std::string_view unavailable() const {
        if (stalled_) return errors::upstream_silent;
        return state_ == state::closed ? std::string_view(fault_) : std::string_view{};
    }

    /// Where it is not available: whether that is the upstream's fault, and not the lane's.
    [[nodiscard]] bool is_upstreams_fault() const { return !lane_refused_; }

    /// To be called with a whole command appended to output() since `size_before`.
    void submit(reply_target& target, std::size_t size_before, sent_command what);
    /// What the fallback remembers of these is void until the command submitted next has ended; `slots` is emptied.
    void will_write(std::vector<std::uint32_t>& slots);
    /// The same for several commands that count as one: they get the last one's reply, or one failure.
    void submit(reply_target& target, std::size_t size_before, submission what);
    /// The same for a command whose reply nobody needs; it may be one that makes good what the last one changes.
    void submit_silently(std::size_t size_before, bool belongs_to_last = false);
    /// The same for what has no reply of its own, but pushes; or whose replies the owner takes as they come. Not beside
    /// commands of the other kinds.
    void submit_unanswered() { list_output(); }

    /// Who hears of pushes, and of the end of the connection; nullptr: nobody. For connections of one user alone.
    void set_owner(reply_target* owner) { owner_ = owner; }
    /// The client has moved it to another database or protocol version by a command of its own.
    void moved_to(lane set_to) { lane_ = set_to; }
    /// Makes weir's own user on it into the one for a tenant's scripts, or (nullptr) back. Nothing may be in flight; `who`
    /// is told.
    void change_user(std::shared_ptr<const tenant> confined_to, waiter& who);
    [[nodiscard]] buffer& output() { return output_; }

    // A request that is passed on in pieces, on a connection nobody else uses. Nothing of it is kept.
    void begin_stream(reply_target& target);
    [[nodiscard]] bool streaming() const { return streaming_; }
    void stream(std::string_view piece);
    void flush_stream() { if (unsent_bytes() > 0) send_output(); }
    /// The rest will not come; the connection cannot be used again.
    void break_off_stream() { stream_target_ = nullptr; }
    /// All of it was passed on; now time runs, and `target` waits for the reply.
    void end_stream();
    [[nodiscard]] std::size_t unsent_bytes() const { return output_.size() - sent_; }
    /// Stops or resumes taking replies, on a connection nobody else uses.
    void pause_reading(bool paused);

    /// Whether nobody but `target` waits for replies here.
    [[nodiscard]] bool serves_only(const reply_target& target);
    /// Gives up the socket, with all that is in flight on it, to a connection of its own, and connects anew: what a slow
    /// reader leaves unread then holds up nobody else.
    [[nodiscard]] std::unique_ptr<upstream_connection> split_off();

    /// Sends what is gathered. Called at the turn's end.
    void flush();
    /// Time-outs, reconnects. Called every tick.
    void tick();
    void on_ready(std::uint32_t epoll_events) override;
    /// Ends the connection for good; what is in flight fails.
    void abandon(std::string_view error);

private:
    static constexpr std::size_t full_bytes = 16 << 20;
    enum class state : std::uint8_t { closed, connecting, greeting, ready };

    void on_connected();
    [[nodiscard]] bool must_know_version() const;
    void open_socket();
    void finish_greeting();
    [[nodiscard]] counter& open_connections();
    void take_greeting(std::string_view& bytes);
    void set_interest(std::uint32_t events);
    void send_output();
    void read_replies();
    [[nodiscard]] bool take_bytes(std::string_view bytes);
    [[nodiscard]] bool take_piece(std::string_view piece, bool complete);
    void take_leading(std::string_view piece, bool complete);
    [[nodiscard]] bool take_push(std::string_view piece, bool complete);
    [[nodiscard]] bool take_unasked(std::string_view piece, bool complete);
    void list_output();
    void rewrite_piece(std::string_view piece, bool complete);
    void hand_out_run();
    void finish_front();
    void finish_targets();
    void fail_connecting(std::string what);
    void lose(std::string_view error);
    void close_socket();
    void keep_repeatable(std::string_view error);
    void fail_all(std::string_view sent_error, std::string_view unsent_error, std::optional<breaker_failure> why);
    [[nodiscard]] std::chrono::microseconds age_of(const in_flight& command) const;
    [[nodiscard]] event_loop::clock::time_point sent_at(const in_flight& command) const;
    [[nodiscard]] bool has_expired(const in_flight& command) const;
    [[nodiscard]] bool any_has_expired();
    void expire_commands();
    void expire(in_flight& command);
    using cause = std::optional<breaker_failure>;  ///< none: it is not the upstream's fault
    void note_failure(const in_flight& command, cause why);
    void fail_command(const in_flight& command, std::string_view bytes, bool unsent, std::string_view error, cause why);
    void note_error(std::string_view line);
    void end_writes(const in_flight& command);

    upstream_environment& environment_;
    lane lane_;
    bool shared_;
    state state_ = state::closed;
    std::string fault_ = "UPSTREAM down: not connected yet";
    file_descriptor socket_;
    std::uint32_t interest_ = 0;

    buffer output_;
    std::size_t sent_ = 0;  ///< bytes of output_ the kernel has taken
    bool output_listed_ = false;
    bool streaming_ = false;  ///< output_ drops what is sent
    reply_target* stream_target_ = nullptr;
    ring<in_flight> in_flight_;
    written_slots written_;
    std::deque<std::unique_ptr<reply_interpreter>> interpreters_;  ///< of those in flight that have one, in order
    reply_target* owner_ = nullptr;
    std::string push_;  ///< the push, or reply to no command, that is being received
    bool spoiled_ = false;
    std::optional<std::uint64_t> server_id_;

    reply_scanner scanner_;
    std::string unscanned_;                   ///< the beginning of a header line
    std::optional<reply_rewriter> rewriter_;  ///< of the front command's reply
    buffer rewritten_;
    std::string_view run_;  ///< bytes of whole replies in a row to run_target_
    reply_target* run_target_ = nullptr;
    std::size_t run_completed_ = 0;
    std::vector<reply_target*> touched_;  ///< to be told finish_replies()
    bool front_begun_ = false;            ///< a part of the front command's reply was handed out
    bool front_failed_ = false;           ///< its reply says that the server cannot serve
    /// A command has timed out, and nothing was heard since it was sent: who comes now would wait in vain too. Until something
    /// is heard, perhaps on another socket: the kernel of a stopped server goes on taking connections.
    bool stalled_ = false;
    std::vector<const reply_target*> waiting_;  ///< scratch of expire_commands()

    std::optional<greeting> greeting_;  ///< while it is going on
    std::vector<waiter*> waiters_;
    std::uint32_t failures_ = 0;
    std::uint32_t short_lived_ = 0;  ///< connections in a row that broke as soon as they were made
    event_loop::clock::time_point ready_at_;
    bool was_ready_ = false;
    bool select_refused_ = false;             ///< the server refused the database, when it was last asked
    bool lane_refused_ = false;               ///< it serves, but not as this lane is set: no failure of the upstream
    bool resent_ = false;                     ///< what is in flight was sent on an earlier connection already
    event_loop::clock::time_point deadline_;  ///< connecting: give up; closed: try again
    event_loop::clock::time_point last_bytes_;  ///< sent or received
    event_loop::clock::time_point last_heard_;  ///< received, or asked for again after a pause
};

}  // namespace weir
