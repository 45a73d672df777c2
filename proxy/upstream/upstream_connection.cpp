#include "proxy/upstream/upstream_connection.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <cstring>

#include "policy/reconnect_delay.hpp"
#include "protocol/errors.hpp"
#include "proxy/fallback/fallback_port.hpp"

namespace weir {

namespace {

/// Reads of one connection in a row, so that one busy upstream cannot keep a worker from its clients.
constexpr int max_reads_per_event = 4;
/// As far as a few dozen nanoseconds each need to outlast a look into memory.
constexpr std::size_t slots_ahead = 8;
/// Memory of the output and of rewritten replies that is kept for the next turn.
constexpr std::size_t kept_buffer_bytes = 256 << 10;
/// Streamed pieces below this are copied together into one write.
constexpr std::size_t gathered_piece_bytes = 4 << 10;
/// After so many connections in a row that broke sooner than this, the next one waits.
constexpr std::uint32_t max_short_lived = 10;
constexpr std::chrono::milliseconds lasting_connection{100};
/// A server that tells its version does so as soon as weir has started.
constexpr std::chrono::milliseconds patience_for_version{1'000};
/// A longer push is no invalidation or message that anybody could take in.
constexpr std::size_t max_push_bytes = 512 << 20;

bool names_prefix(std::string_view line, const reply_target& target) {
    return !target.prefix().empty() && line.find(target.prefix()) != std::string_view::npos;
}

}  // namespace

upstream_connection::upstream_connection(upstream_environment& environment, lane set_to, bool shared)
    : environment_(environment), lane_(set_to), shared_(shared) {}

upstream_connection::~upstream_connection() {
    if (socket_) close_socket();
    std::erase(environment_.with_output, this);
}

// ---- connecting
// ----------------------------------------------------------------------------------------------------

void upstream_connection::connect() {
    select_refused_ = lane_refused_ = false;
    if (!environment_.address) return fail_connecting(environment_.address_fault);
    if (must_know_version()) {
        state_ = state::connecting;
        deadline_ = environment_.loop.now() + patience_for_version;
        return;
    }
    open_socket();
}

/// What a tenant's user for scripts may do depends on the server: it is given that once, so it is worth a short wait.
bool upstream_connection::must_know_version() const {
    return lane_.confined_to != nullptr && environment_.version == server_version{};
}

void upstream_connection::open_socket() {
    socket_ = start_connecting(*environment_.address);
    if (!socket_) return fail_connecting(environment_.address->to_string() + ": " + std::strerror(errno));
    state_ = state::connecting;
    deadline_ = environment_.loop.now() + environment_.options.pool.connect_timeout;
    interest_ = EPOLLOUT;
    environment_.loop.add(socket_.get(), interest_, *this);
}

void upstream_connection::on_connected() {
    if (const int error = connect_outcome(socket_.get()); error != 0) {
        return fail_connecting(environment_.address->to_string() + ": " + std::strerror(error));
    }
    tune_connection(socket_.get(), std::chrono::seconds(60));
    state_ = state::greeting;
    greeting_.emplace(environment_.options, lane_, environment_.version);
    send_output();
}

void upstream_connection::change_user(std::shared_ptr<const tenant> confined_to, waiter& who) {
    lane_.confined_to = std::move(confined_to);
    open_connections().sub();
    greeting_ = greeting::change_user(environment_.options, lane_, environment_.version);
    state_ = state::greeting;
    deadline_ = environment_.loop.now() + environment_.options.pool.connect_timeout;
    waiters_.push_back(&who);
    send_output();
}

void upstream_connection::take_greeting(std::string_view& bytes) {
    while (state_ == state::greeting && !bytes.empty()) {
        const auto status = scanner_.scan(bytes);
        const std::string_view piece = bytes.substr(0, scanner_.consumed());
        bytes.remove_prefix(piece.size());
        if (status == scan_status::error) return fail_connecting("it does not speak RESP");
        if (scanner_.is_push()) {
            if (!take_push(piece, status == scan_status::complete)) return fail_connecting("it sent too long a push");
            continue;
        }
        if (status == scan_status::need_more) return;
        switch (greeting_->take(piece, scanner_.is_error())) {
            case greeting::verdict::more: break;
            case greeting::verdict::failed:
                select_refused_ = !was_ready_ && greeting_->database_refused();
                lane_refused_ = select_refused_ || greeting_->protocol_refused() || lane_.confined_to != nullptr;
                return fail_connecting(greeting_->fault());
            case greeting::verdict::done: finish_greeting(); break;
        }
    }
}

void upstream_connection::finish_greeting() {
    if (const auto id = greeting_->client_id()) server_id_ = id;
    greeting_.reset();
    state_ = state::ready;
    if (!std::exchange(was_ready_, true) || shared_) {
        ready_at_ = environment_.loop.now();
        failures_ = 0;
        environment_.counters.upstream_connects.add();
    }
    open_connections().add();
    for (waiter* who : std::exchange(waiters_, {})) who->on_connected(*this);
    send_output();
}

counter& upstream_connection::open_connections() {
    return shared_ ? environment_.counters.shared_connections : environment_.counters.dedicated_connections;
}

void upstream_connection::fail_connecting(std::string what) {
    if (socket_) close_socket();
    state_ = state::closed;
    ++failures_;
    const double randomness =
        static_cast<double>(environment_.random()) / static_cast<double>(std::minstd_rand::max());
    deadline_ = environment_.loop.now() + reconnect_delay(failures_, randomness);
    environment_.counters.upstream_connect_failures.add();
    fault_ = select_refused_ ? std::move(what) : errors::upstream_down(what);
    const cause why = lane_refused_ ? cause() : breaker_failure::connect;
    if (why) environment_.outcomes.fail(*why, environment_.loop.now(), environment_.loop.now());
    fail_all(fault_, fault_, why);
    for (waiter* who : std::exchange(waiters_, {})) who->on_connect_failed(*this, fault_);
}

bool upstream_connection::forget(waiter& who) { return std::erase(waiters_, &who) > 0; }

// ---- sending
// -------------------------------------------------------------------------------------------------------

void upstream_connection::submit(reply_target& target, std::size_t size_before, sent_command what) {
    in_flight_.push_back({&target, static_cast<std::uint32_t>(output_.size() - size_before),
                          environment_.loop.now_microseconds(), 0, what});
    environment_.counters.in_flight.add();
    list_output();
}

void upstream_connection::submit(reply_target& target, std::size_t size_before, submission what) {
    if (what.interpreter) what.is.reply = reply_rule::interpreted;
    submit(target, size_before, what.is);
    in_flight_[in_flight_.size() - 1].leading = what.leading;
    if (what.interpreter) interpreters_.push_back(std::move(what.interpreter));
}

void upstream_connection::will_write(std::vector<std::uint32_t>& slots) {
    in_flight_[in_flight_.size() - 1].is.written = written_.push(slots);
    slots.clear();
}

/// The oldest command's. Replies come many at a time: what the next ones need is asked for in advance.
void upstream_connection::end_writes(const in_flight& command) {
    if (command.is.written == 0) return;
    written_.pop(command.is.written, [this](std::uint32_t slot) {
        if (written_.size() > slots_ahead) environment_.fallback.expect_end(written_[slots_ahead]);
        environment_.fallback.end(slot);
    });
}

void upstream_connection::submit_silently(std::size_t size_before, bool belongs_to_last) {
    in_flight_.push_back({nullptr, static_cast<std::uint32_t>(output_.size() - size_before),
                          environment_.loop.now_microseconds(), 0, {}});
    in_flight_[in_flight_.size() - 1].is.belongs_to_last = belongs_to_last;
    environment_.counters.in_flight.add();
    list_output();
}

void upstream_connection::list_output() {
    if (std::exchange(output_listed_, true)) return;
    environment_.with_output.push_back(this);
}

void upstream_connection::begin_stream(reply_target& target) {
    streaming_ = true;
    stream_target_ = &target;
    last_bytes_ = environment_.loop.now();
}

void upstream_connection::stream(std::string_view piece) {
    // Small pieces gather; a large one goes straight from the reader's buffer to the socket when nothing is before it.
    if (piece.size() >= gathered_piece_bytes && unsent_bytes() > 0 && !(interest_ & EPOLLOUT)) send_output();
    if (piece.size() >= gathered_piece_bytes && unsent_bytes() == 0 && state_ == state::ready) {
        const auto result = send_some(socket_.get(), piece);
        environment_.counters.upstream_sent_bytes.add(result.bytes);
        if (result.bytes > 0) last_bytes_ = environment_.loop.now();
        piece.remove_prefix(result.bytes);
        if (!piece.empty()) set_interest(interest_ | EPOLLOUT);
    }
    output_.append(piece);
}

void upstream_connection::end_stream() {
    in_flight_.push_back({stream_target_, 0, environment_.loop.now_microseconds(), 0, {}});
    environment_.counters.in_flight.add();
    stream_target_ = nullptr;
}

void upstream_connection::pause_reading(bool paused) {
    if (!paused && !(interest_ & EPOLLIN)) last_heard_ = environment_.loop.now();  // until now it could not be heard
    set_interest(paused ? interest_ & ~static_cast<std::uint32_t>(EPOLLIN) : interest_ | EPOLLIN);
}

void upstream_connection::set_interest(std::uint32_t events) {
    if (events == interest_ || !socket_) return;
    interest_ = events;
    environment_.loop.modify(socket_.get(), events, *this);
}

void upstream_connection::flush() {
    output_listed_ = false;
    if (state_ == state::ready && !(interest_ & EPOLLOUT)) send_output();
}

void upstream_connection::send_output() {
    const bool greeting = state_ == state::greeting;
    const std::string_view bytes = greeting ? greeting_->output().view() : output_.view().substr(sent_);
    bool full = false;
    if (!bytes.empty() && (greeting || state_ == state::ready)) {
        const auto result = send_some(socket_.get(), bytes);
        if (result.status == io_status::closed) return lose(errors::upstream_lost_write);
        environment_.counters.upstream_sent_bytes.add(result.bytes);
        if (result.bytes > 0) last_bytes_ = environment_.loop.now();
        full = result.bytes < bytes.size();
        if (greeting) {
            greeting_->output().consume(result.bytes);
        } else if (streaming_ || in_flight_.empty()) {
            output_.consume(result.bytes);
        } else {
            sent_ += result.bytes;
        }
    }
    const std::uint32_t reading =
        state_ == state::greeting ? static_cast<std::uint32_t>(EPOLLIN) : interest_ & EPOLLIN;
    set_interest(reading | (full ? static_cast<std::uint32_t>(EPOLLOUT) : 0));
    if (streaming_ && !full && stream_target_ != nullptr) stream_target_->on_upstream_writable();
}

// ---- receiving
// -----------------------------------------------------------------------------------------------------

void upstream_connection::on_ready(std::uint32_t epoll_events) {
    if (!socket_) return;  // closed earlier in this turn
    if (state_ == state::connecting) return on_connected();
    if (epoll_events & EPOLLOUT) send_output();
    if (socket_ && (epoll_events & (EPOLLIN | EPOLLERR | EPOLLHUP))) read_replies();
}

void upstream_connection::read_replies() {
    const std::span<char> room = environment_.read_buffer;
    for (int reads = 0; reads < max_reads_per_event && socket_; ++reads) {
        std::ranges::copy(unscanned_, room.begin());
        const auto result =
            receive(socket_.get(), room.data() + unscanned_.size(), room.size() - unscanned_.size());
        if (result.status == io_status::would_block) return;
        if (result.status == io_status::closed || result.bytes == 0) return lose(errors::upstream_lost_write);
        environment_.counters.upstream_received_bytes.add(result.bytes);
        last_bytes_ = last_heard_ = environment_.loop.now();
        stalled_ = false;
        const std::size_t size = unscanned_.size() + result.bytes;
        const bool understood = take_bytes({room.data(), size});
        finish_targets();
        if (!understood) return lose(errors::upstream_protocol);
        if (shared_ && front_begun_ && in_flight_.front().target != nullptr) {
            in_flight_.front().target->on_long_reply(*this);
        }
        if (size < room.size()) return;
    }
}

bool upstream_connection::take_bytes(std::string_view bytes) {
    if (state_ == state::greeting) take_greeting(bytes);
    if (state_ != state::ready) {
        // Of a connection that was refused nothing may stay behind: it would answer the next one's greeting.
        if (state_ == state::greeting) unscanned_.assign(bytes);
        return true;
    }
    while (!bytes.empty()) {
        const auto status = scanner_.scan(bytes);
        if (status == scan_status::error) return false;
        const std::string_view piece = bytes.substr(0, scanner_.consumed());
        if (piece.empty()) break;
        bytes.remove_prefix(piece.size());
        const bool complete = status == scan_status::complete;
        if (!(scanner_.is_push() ? take_push(piece, complete) : take_piece(piece, complete))) return false;
        if (!socket_) return true;  // the push's owner has ended it
    }
    unscanned_.assign(bytes);
    return unscanned_.size() < environment_.read_buffer.size() / 2;
}

bool upstream_connection::take_piece(std::string_view piece, bool complete) {
    if (in_flight_.empty()) return take_unasked(piece, complete);
    const in_flight& front = in_flight_.front();
    // An answer to what was not asked yet. A transaction's first commands are answered while its last are being sent.
    if (!streaming_ && front.leading == 0 && sent_ < front.bytes) return false;
    if (front.leading > 0) {
        take_leading(piece, complete);
        return true;
    }
    reply_target* const target = front.target;
    if (scanner_.is_error()) note_error(piece);
    const bool names_keys =
        target != nullptr && (!is_without_names(front.is.reply) ||
                              (scanner_.is_error() && (front.is.reply == reply_rule::script || names_prefix(piece, *target))));
    if (names_keys) {
        hand_out_run();
        rewrite_piece(piece, complete);
    } else if (target != nullptr) {
        if (target != run_target_ || run_.data() + run_.size() != piece.data()) {
            hand_out_run();
            run_target_ = target;
            run_ = {piece.data(), 0};
        }
        run_ = {run_.data(), run_.size() + piece.size()};
        if (complete) ++run_completed_;
        if (target->wants_single_replies()) hand_out_run();
    }
    front_begun_ = !complete;
    if (complete) finish_front();
    return true;
}

void upstream_connection::take_leading(std::string_view piece, bool complete) {
    in_flight& front = in_flight_.front();
    if (scanner_.is_error()) note_error(piece);
    if (scanner_.is_error() && front.is.reply == reply_rule::interpreted) interpreters_.front()->take_leading_error(piece);
    if (complete) --front.leading;
}

bool upstream_connection::take_push(std::string_view piece, bool complete) {
    if (owner_ == nullptr) return true;  // nothing here has asked for it
    push_.append(piece);
    if (push_.size() > max_push_bytes) return false;
    if (!complete) return true;
    hand_out_run();
    const std::string push = std::exchange(push_, {});
    owner_->take_push(push);
    return true;
}

bool upstream_connection::take_unasked(std::string_view piece, bool complete) {
    if (owner_ == nullptr) return false;
    push_.append(piece);
    if (push_.size() > max_push_bytes) return false;
    return !complete || owner_->take_unasked(std::exchange(push_, {}));
}

void upstream_connection::rewrite_piece(std::string_view piece, bool complete) {
    reply_target& target = *in_flight_.front().target;
    const bool interpreted = in_flight_.front().is.reply == reply_rule::interpreted;
    if (!interpreted && !rewriter_) rewriter_.emplace(in_flight_.front().is.reply, target.prefix(), target.scripts());
    rewritten_.clear();
    const bool safe = interpreted ? interpreters_.front()->feed(piece, complete, rewritten_)
                                  : rewriter_->feed(piece, rewritten_);
    if (safe) {
        target.take_replies(rewritten_.view(), complete ? 1 : 0);
        target.keep_replies();
        if (touched_.empty() || touched_.back() != &target) touched_.push_back(&target);
    } else {
        target.take_broken_reply(errors::foreign_name);
        in_flight_.front().target = nullptr;
    }
    if (complete || !safe) rewriter_.reset();
    rewritten_.clear();
    rewritten_.release(kept_buffer_bytes);
}

void upstream_connection::hand_out_run() {
    if (run_target_ == nullptr) return;
    run_target_->take_replies(run_, run_completed_);
    if (touched_.empty() || touched_.back() != run_target_) touched_.push_back(run_target_);
    run_target_ = nullptr;
    run_ = {};
    run_completed_ = 0;
}

void upstream_connection::finish_front() {
    const in_flight& front = in_flight_.front();
    if (front.target != nullptr) {
        const std::uint32_t took = environment_.loop.now_microseconds() - front.started;
        if (front_failed_) {
            note_failure(front, breaker_failure::reply);
        } else if (front.is.trial) {
            environment_.outcomes.tried(true, sent_at(front), environment_.loop.now());
        } else if (front.is.timeout != command_timeouts::never) {
            environment_.outcomes.succeed(took);
        }
        if (front.target->counters() != nullptr) {
            tenant_counters& counters = *front.target->counters();
            counters.result(scanner_.is_error() ? command_result::error : command_result::ok).add();
            counters.latency.record(took);
        }
    }
    front_failed_ = false;
    if (!streaming_) {
        output_.consume(front.bytes);
        sent_ -= front.bytes;
    }
    if (front.is.reply == reply_rule::interpreted) interpreters_.pop_front();
    end_writes(front);
    in_flight_.pop_front();
    environment_.counters.in_flight.sub();
    if (in_flight_.empty()) {
        resent_ = false;
        streaming_ = streaming_ && stream_target_ != nullptr;
        output_.release(kept_buffer_bytes);
    }
}

void upstream_connection::finish_targets() {
    hand_out_run();
    for (reply_target* target : touched_) target->finish_replies();
    touched_.clear();
}

bool upstream_connection::serves_only(const reply_target& target) {
    for (std::size_t i = 0; i < in_flight_.size(); ++i) {
        if (in_flight_[i].target != nullptr && in_flight_[i].target != &target) return false;
    }
    return true;
}

std::unique_ptr<upstream_connection> upstream_connection::split_off() {
    auto taken = std::make_unique<upstream_connection>(environment_, lane_, false);
    taken->state_ = std::exchange(state_, state::closed);
    taken->socket_ = std::move(socket_);
    taken->interest_ = std::exchange(interest_, 0);
    taken->output_ = std::exchange(output_, {});
    taken->sent_ = std::exchange(sent_, 0);
    taken->in_flight_ = std::exchange(in_flight_, {});
    taken->interpreters_ = std::exchange(interpreters_, {});
    taken->written_ = std::exchange(written_, {});
    taken->server_id_ = server_id_;
    taken->scanner_ = std::exchange(scanner_, {});
    taken->unscanned_ = std::exchange(unscanned_, {});
    std::swap(taken->rewriter_, rewriter_);
    taken->front_begun_ = std::exchange(front_begun_, false);
    taken->front_failed_ = std::exchange(front_failed_, false);
    taken->resent_ = std::exchange(resent_, false);
    taken->last_bytes_ = last_bytes_;
    taken->last_heard_ = last_heard_;
    environment_.loop.modify(taken->socket_.get(), taken->interest_, *taken);
    environment_.counters.shared_connections.sub();
    environment_.counters.dedicated_connections.add();
    // What was gathered in this turn went along; the list knows this connection only.
    if (std::exchange(output_listed_, false)) {
        std::erase(environment_.with_output, this);
        taken->output_listed_ = true;
        environment_.with_output.push_back(taken.get());
    }
    connect();
    return taken;
}

// ---- losing
// --------------------------------------------------------------------------------------------------------

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

// ---- time
// ----------------------------------------------------------------------------------------------------------

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
