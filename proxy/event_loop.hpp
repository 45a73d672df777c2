#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace weir {

/// Owns one file descriptor; closes it.
class file_descriptor {
public:
    file_descriptor() = default;
    explicit file_descriptor(int number) : number_(number) {}
    ~file_descriptor() { reset(); }
    file_descriptor(file_descriptor&& other) noexcept : number_(other.release()) {}
    file_descriptor& operator=(file_descriptor&& other) noexcept {
        reset(other.release());
        return *this;
    }

    [[nodiscard]] int get() const { return number_; }
    [[nodiscard]] explicit operator bool() const { return number_ >= 0; }
    void reset(int number = -1);
    int release();

private:
    int number_ = -1;
};

/// What a worker does in one turn, each in this order, for all that is ready at once:
/// 1. on_ready() of every ready socket: commands are read and rewritten, replies read and handed out;
/// 2. once more, when a turn brought more than one, so that what has arrived meanwhile leaves in the same write;
/// 3. the turn's end: everything gathered is sent, one write a connection.
///
/// Why not Asio here, as on the control thread: its reactor arms a descriptor anew (epoll_ctl) for every wait for
/// readiness, a twelfth of all that a command may cost; this loop registers a socket once.
///
/// Everything but post() and stop() belongs to the thread that runs the loop.
class event_loop {
public:
    using clock = std::chrono::steady_clock;

    /// Something that owns a registered descriptor. It must be removed, or its descriptor closed, before it dies,
    /// and must not die while on_ready() of any handler of the turn may still come: see worker::retire().
    class handler {
    public:
        virtual void on_ready(std::uint32_t epoll_events) = 0;

    protected:
        ~handler() = default;
    };

    event_loop();

    void add(int descriptor, std::uint32_t epoll_events, handler& target);
    void modify(int descriptor, std::uint32_t epoll_events, handler& target);
    void remove(int descriptor);

    /// Turns until stop(). `turn_end` is called at the end of each turn, `tick` at least every `tick_interval`.
    void run(const std::function<void()>& turn_end, const std::function<void()>& tick,
             std::chrono::milliseconds tick_interval);

    /// Runs `task` on the loop's thread, in a later turn. From any thread.
    void post(std::function<void()> task);
    /// A turn begins at `moment` at the latest, if nothing else begins one. To be said again in each turn.
    void wake_by(clock::time_point moment) { wake_by_ = std::min(wake_by_, moment); }
    /// Ends run() after the turn. From any thread.
    void stop();

    /// When this turn began: one clock read a turn serves all its commands.
    [[nodiscard]] clock::time_point now() const { return now_; }
    /// The same in microseconds; wraps after 71 minutes, so only differences below that mean something.
    [[nodiscard]] std::uint32_t now_microseconds() const { return now_microseconds_; }

private:
    int dispatch(int timeout_milliseconds);
    void run_posted();
    void read_clock();

    file_descriptor epoll_;
    file_descriptor wakeup_;
    clock::time_point now_;
    std::uint32_t now_microseconds_ = 0;
    clock::time_point wake_by_ = clock::time_point::max();
    bool running_ = false;
    std::mutex posted_mutex_;
    std::vector<std::function<void()>> posted_;
};

}  // namespace weir
