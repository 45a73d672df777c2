// What comes in: replies in the order of the commands, each for its target, and what nobody asked for.

#include <sys/epoll.h>

#include <algorithm>

#include "protocol/errors.hpp"
#include "proxy/fallback/fallback_port.hpp"
#include "proxy/upstream/upstream_connection.hpp"

namespace weir {

namespace {

/// Reads of one connection in a row, so that one busy upstream cannot keep a worker from its clients.
constexpr int max_reads_per_event = 4;
/// As far as a few dozen nanoseconds each need to outlast a look into memory.
constexpr std::size_t slots_ahead = 8;
/// Memory of the output and of rewritten replies that is kept for the next turn.
constexpr std::size_t kept_buffer_bytes = 256 << 10;
/// A longer push is no invalidation or message that anybody could take in.
constexpr std::size_t max_push_bytes = 512 << 20;

bool names_prefix(std::string_view line, const reply_target& target) {
    return !target.prefix().empty() && line.find(target.prefix()) != std::string_view::npos;
}

}  // namespace

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

/// The oldest command's. Replies come many at a time: what the next ones need is asked for in advance.
void upstream_connection::end_writes(const in_flight& command) {
    if (command.is.written == 0) return;
    written_.pop(command.is.written, [this](std::uint32_t slot) {
        if (written_.size() > slots_ahead) environment_.fallback.expect_end(written_[slots_ahead]);
        environment_.fallback.end(slot);
    });
}

}  // namespace weir
