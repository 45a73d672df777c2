// What becomes of commands whose connection breaks, or whose time is up.

#include <sys/epoll.h>

#include <algorithm>

#include "protocol/errors.hpp"
#include "proxy/upstream/upstream_connection.hpp"

namespace weir {

namespace {

/// After so many connections in a row that broke sooner than this, the next one waits.
constexpr std::uint32_t max_short_lived = 10;
constexpr std::chrono::milliseconds lasting_connection{100};

}  // namespace

void upstream_connection::close_socket() {
    if (state_ == state::ready) open_connections().sub();
    environment_.loop.remove(socket_.get());
    socket_.reset();
    state_ = state::closed;
    interest_ = 0;
    greeting_.reset();
    push_.clear();
    unscanned_.clear();
    scanner_ = {};
    rewriter_.reset();
    front_failed_ = false;
}

void upstream_connection::lose(std::string_view error) {
    if (state_ != state::ready) return fail_connecting("the connection was closed while it was being set up");
    environment_.counters.upstream_lost.add();
    close_socket();
    if (!shared_) {
        fault_ = errors::upstream_lost_unsent;
        fail_all(error, errors::upstream_lost_unsent, breaker_failure::lost);
        if (owner_ != nullptr) owner_->on_connection_lost();
        return;
    }
    keep_repeatable(error);
    // A server that hangs up on all comers is not to be stormed.
    short_lived_ = environment_.loop.now() - ready_at_ < lasting_connection ? short_lived_ + 1 : 0;
    if (short_lived_ > max_short_lived) return fail_connecting("it closes its connections as soon as they are made");
    connect();
}

void upstream_connection::abandon(std::string_view error) {
    if (socket_) close_socket();
    fail_all(error, error, std::nullopt);
}

void upstream_connection::keep_repeatable(std::string_view error) {
    // A target fails as a whole, so that its replies stay in order.
    std::vector<reply_target*> failing;
    std::size_t offset = 0;
    for (std::size_t i = 0; i < in_flight_.size(); ++i) {
        const in_flight& command = in_flight_[i];
        // Of several commands that count as one some may have been answered.
        const bool begun = (i == 0 && front_begun_) || (command.leading > 0 && offset < sent_);
        const bool unsent = offset + command.bytes > sent_;
        offset += command.bytes;
        if (command.target != nullptr && (begun || resent_ || !(unsent || command.is.repeatable))) {
            failing.push_back(command.target);
        }
    }
    buffer output;
    ring<in_flight> kept;
    std::deque<std::unique_ptr<reply_interpreter>> kept_interpreters;
    written_slots kept_written;
    std::vector<std::uint32_t> slots;
    bool last_kept = false;
    offset = 0;
    for (std::size_t i = 0; i < in_flight_.size(); ++i) {
        const in_flight command = in_flight_[i];
        const std::string_view bytes = output_.view().substr(offset, command.bytes);
        offset += command.bytes;
        std::unique_ptr<reply_interpreter> interpreter;
        if (command.is.reply == reply_rule::interpreted) {
            interpreter = std::move(interpreters_.front());
            interpreters_.pop_front();
        }
        last_kept = command.target == nullptr
                        ? command.is.belongs_to_last && last_kept
                        : std::ranges::find(failing, command.target) == failing.end();
        if (last_kept) {
            output.append(bytes);
            kept.push_back(command);
            slots.clear();
            written_.pop(command.is.written, [&](std::uint32_t slot) { slots.push_back(slot); });
            static_cast<void>(kept_written.push(slots));
            if (interpreter) kept_interpreters.push_back(std::move(interpreter));
            continue;
        }
        environment_.counters.in_flight.sub();
        end_writes(command);
        if (command.target == nullptr) continue;
        if (i == 0 && front_begun_) {
            note_failure(command, breaker_failure::lost);
            command.target->take_broken_reply(error);
        } else {
            const bool unsent = offset > sent_;
            fail_command(command, bytes, unsent, unsent ? errors::upstream_lost_unsent : error, breaker_failure::lost);
        }
    }
    output_ = std::move(output);
    in_flight_ = std::move(kept);
    interpreters_ = std::move(kept_interpreters);
    written_ = std::move(kept_written);
    sent_ = 0;
    front_begun_ = false;
    resent_ = !in_flight_.empty();
}

void upstream_connection::fail_all(std::string_view sent_error, std::string_view unsent_error, cause why) {
    ring<in_flight> failed;
    std::swap(failed, in_flight_);
    interpreters_.clear();
    const buffer output = std::exchange(output_, {});
    std::size_t sent = std::exchange(sent_, 0);
    bool begun = std::exchange(front_begun_, false);
    if (stream_target_ != nullptr) {
        if (why) environment_.outcomes.fail(*why, environment_.loop.now(), environment_.loop.now());
        std::exchange(stream_target_, nullptr)->take_failure(unsent_error);
    }
    // What is streamed was not kept.
    std::string_view rest = streaming_ ? std::string_view{} : output.view();
    streaming_ = false;
    for (; !failed.empty(); failed.pop_front()) {
        const in_flight& command = failed.front();
        environment_.counters.in_flight.sub();
        end_writes(command);
        const std::string_view bytes = rest.substr(0, command.bytes);
        rest.remove_prefix(bytes.size());
        const bool unsent = command.bytes > sent;
        sent -= std::min<std::size_t>(sent, command.bytes);
        if (command.target == nullptr) continue;
        if (std::exchange(begun, false)) {
            note_failure(command, why);
            command.target->take_broken_reply(sent_error);
        } else {
            fail_command(command, bytes, unsent, unsent ? unsent_error : sent_error, why);
        }
    }
}

void upstream_connection::note_failure(const in_flight& command, cause why) {
    if (!why) {
        if (command.is.trial) environment_.outcomes.untried();
        return;
    }
    const auto now = environment_.loop.now();
    if (command.is.trial) environment_.outcomes.tried(false, sent_at(command), now);
    environment_.outcomes.fail(*why, sent_at(command), now);
}

/// Where the breaker has opened, what was not executed, or may be once more, is the target's again.
void upstream_connection::fail_command(const in_flight& command, std::string_view bytes, bool unsent, std::string_view error,
                                       cause why) {
    note_failure(command, why);
    const bool harmless = unsent || (command.is.repeatable && !resent_);
    const bool whole = !bytes.empty() && command.leading == 0 && command.is.timeout != command_timeouts::never;
    if (why && !environment_.outcomes.passes() && harmless && whole && command.target->take_back(bytes)) return;
    command.target->take_failure(error);
}

/// A script's error is in its author's words, and says nothing of the server.
void upstream_connection::note_error(std::string_view line) {
    if (in_flight_.front().is.reply == reply_rule::script) return;
    front_failed_ = front_failed_ || environment_.outcomes.is_failure(line, in_flight_.front().is.writes);
}

// ---- time -----------------------------------------------------------------------------------------------------------

void upstream_connection::tick() {
    const auto now = environment_.loop.now();
    switch (state_) {
        case state::connecting:
            if (!socket_) {
                if (!must_know_version() || now >= deadline_) open_socket();
                return;
            }
            [[fallthrough]];
        case state::greeting:
            if (now >= deadline_) {
                fail_connecting("no connection within pool.connect_timeout");
            } else if (any_has_expired()) {
                fail_connecting("no connection within a command's time-out");
            }
            return;
        case state::closed:
            if (shared_ && now >= deadline_) connect();
            return;
        case state::ready:
            break;
    }
    expire_commands();
    const auto timeout = environment_.options.command_timeout;
    const auto silence = now - last_heard_;
    const bool stuck_stream = streaming_ && unsent_bytes() > 0 && now - last_bytes_ > timeout;
    // A reply that stopped in the middle, or a server that has not said a word for twice the time: start
    // afresh.
    const bool stuck_reply = front_begun_ && (interest_ & EPOLLIN) && silence > timeout;
    const bool dead = !in_flight_.empty() && in_flight_.front().target == nullptr &&
                      age_of(in_flight_.front()) > 2 * timeout && silence > 2 * timeout;
    if (stuck_stream || stuck_reply || dead) lose(errors::upstream_timeout);
}

std::chrono::microseconds upstream_connection::age_of(const in_flight& command) const {
    return std::chrono::microseconds(environment_.loop.now_microseconds() - command.started);
}

event_loop::clock::time_point upstream_connection::sent_at(const in_flight& command) const {
    return environment_.loop.now() - age_of(command);
}

bool upstream_connection::has_expired(const in_flight& command) const {
    const auto which = command.is.timeout;
    return which != command_timeouts::never && age_of(command) > environment_.timeouts.of(which);
}

bool upstream_connection::any_has_expired() {
    const std::size_t looked_at = environment_.timeouts.uniform() ? std::min<std::size_t>(in_flight_.size(), 1) : in_flight_.size();
    for (std::size_t i = 0; i < looked_at; ++i) {
        if (has_expired(in_flight_[i])) return true;
    }
    return false;
}

/// A target gets its failures in its commands' order: one that has expired behind another that has not waits for that.
void upstream_connection::expire_commands() {
    if (front_begun_) return;
    // Where a slow client holds up its own replies, time runs only while the server says nothing.
    const bool paused = !(interest_ & EPOLLIN);
    if (!shared_ && (paused || environment_.loop.now() - last_heard_ < environment_.timeouts.shortest())) return;
    // What it does after all would stay on the connection (a database, tracking), where its user does not know of it.
    if (owner_ != nullptr && any_has_expired()) {
        environment_.counters.upstream_timeouts.add();
        return lose(errors::upstream_timeout);
    }
    waiting_.clear();
    for (std::size_t i = 0; i < in_flight_.size(); ++i) {
        in_flight& command = in_flight_[i];
        if (!has_expired(command)) {
            if (environment_.timeouts.uniform()) return;
            if (command.target != nullptr) waiting_.push_back(command.target);
        } else if (command.target != nullptr && std::ranges::find(waiting_, command.target) == waiting_.end()) {
            expire(command);
        }
    }
}

/// The record stays, to swallow the late reply: the next command must not get it.
void upstream_connection::expire(in_flight& command) {
    environment_.counters.upstream_timeouts.add();
    const bool silent = environment_.outcomes.counts() && last_heard_ < sent_at(command);
    if (silent && !stalled_) environment_.outcomes.fall_silent(environment_.loop.now());
    stalled_ = stalled_ || (silent && shared_);
    note_failure(command, breaker_failure::timeout);
    std::exchange(command.target, nullptr)->take_failure(errors::upstream_timeout);
}

}  // namespace weir
