#include "proxy/upstream/upstream_connection.hpp"

#include <sys/epoll.h>

#include <algorithm>

#include "policy/reconnect_delay.hpp"
#include "protocol/errors.hpp"

namespace weir {

namespace {

/// Streamed pieces below this are copied together into one write.
constexpr std::size_t gathered_piece_bytes = 4 << 10;
/// A server that tells its version does so as soon as weir has started.
constexpr std::chrono::milliseconds patience_for_version{1'000};

}  // namespace

upstream_connection::upstream_connection(upstream_environment& environment, lane set_to, bool shared)
    : environment_(environment), lane_(set_to), shared_(shared) {}

upstream_connection::~upstream_connection() {
    if (socket_) close_socket();
    std::erase(environment_.with_output, this);
}

// ---- connecting -----------------------------------------------------------------------------------------------------

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

// ---- sending --------------------------------------------------------------------------------------------------------

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

}  // namespace weir
