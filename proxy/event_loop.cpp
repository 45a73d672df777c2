#include "proxy/event_loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace weir {

void file_descriptor::reset(int number) {
    if (number_ >= 0) ::close(number_);
    number_ = number;
}

int file_descriptor::release() { return std::exchange(number_, -1); }

event_loop::event_loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wakeup_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = nullptr;  // no handler: the wake-up itself
    if (!epoll_ || !wakeup_ || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wakeup_.get(), &event) != 0) {
        throw std::system_error(errno, std::generic_category(), "epoll");
    }
    read_clock();
}

void event_loop::add(int descriptor, std::uint32_t epoll_events, handler& target) {
    epoll_event event{};
    event.events = epoll_events;
    event.data.ptr = &target;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) != 0) {
        throw std::system_error(errno, std::generic_category(), "epoll_ctl");
    }
}

void event_loop::modify(int descriptor, std::uint32_t epoll_events, handler& target) {
    epoll_event event{};
    event.events = epoll_events;
    event.data.ptr = &target;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, descriptor, &event);
}

void event_loop::remove(int descriptor) { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, descriptor, nullptr); }

void event_loop::read_clock() {
    now_ = clock::now();
    now_microseconds_ = static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(now_.time_since_epoch()).count());
}

int event_loop::dispatch(int timeout_milliseconds) {
    std::array<epoll_event, 256> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout_milliseconds);
    if (timeout_milliseconds != 0) read_clock();
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        if (event.data.ptr == nullptr) {
            run_posted();
        } else {
            static_cast<handler*>(event.data.ptr)->on_ready(event.events);
        }
    }
    return count;
}

void event_loop::run(const std::function<void()>& turn_end, const std::function<void()>& tick,
                     std::chrono::milliseconds tick_interval) {
    running_ = true;
    clock::time_point next_tick = now_ + tick_interval;
    while (running_) {
        const auto next = std::min(next_tick, std::exchange(wake_by_, clock::time_point::max()));
        const auto until_next = std::chrono::ceil<std::chrono::milliseconds>(next - now_).count();
        if (dispatch(until_next > 0 ? static_cast<int>(until_next) : 1) > 1) dispatch(0);
        if (now_ >= next_tick) {
            tick();
            next_tick = now_ + tick_interval;
        }
        turn_end();
    }
}

void event_loop::run_posted() {
    std::uint64_t wakeups = 0;
    if (::read(wakeup_.get(), &wakeups, sizeof wakeups) < 0) return;
    std::vector<std::function<void()>> tasks;
    {
        const std::lock_guard lock(posted_mutex_);
        tasks.swap(posted_);
    }
    for (const auto& task : tasks) task();
}

void event_loop::post(std::function<void()> task) {
    {
        const std::lock_guard lock(posted_mutex_);
        posted_.push_back(std::move(task));
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wakeup_.get(), &one, sizeof one);
}

void event_loop::stop() {
    post([this] { running_ = false; });
}

}  // namespace weir
