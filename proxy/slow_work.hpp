#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>

namespace weir {

/// A thread beside the workers for what takes milliseconds (a password under scrypt). Any thread may call it.
class slow_work {
public:
    slow_work();
    /// Waits for the task under way; those that wait are dropped.
    ~slow_work();
    slow_work(const slow_work&) = delete;
    slow_work& operator=(const slow_work&) = delete;

    /// False when too many tasks wait already: `task` will not run.
    [[nodiscard]] bool try_post(std::function<void()> task);

private:
    static constexpr std::size_t max_waiting = 256;
    struct impl;
    std::unique_ptr<impl> impl_;
    std::atomic<std::size_t> waiting_{0};
};

}  // namespace weir
