#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <random>
#include <string_view>
#include <vector>

#include "policy/breaker.hpp"
#include "protocol/errors.hpp"
#include "proxy/fallback/engine/commands.hpp"
#include "proxy/fallback/fallback_job.hpp"

namespace weir {

/// What every store does with a job: goes through its commands, runs them with the engine or refuses them. Holds scratch
/// memory only, so one serves the whole thread.
class job_runner {
public:
    /// `circuit` outlives this; refusals name its state. No reply is longer than `max_reply_bytes`.
    job_runner(const breaker& circuit, std::size_t max_reply_bytes) : circuit_(circuit), max_reply_bytes_(max_reply_bytes) {}
    job_runner(const job_runner&) = delete;
    job_runner& operator=(const job_runner&) = delete;

    /// Calls answer(command, row, reply), which writes one reply, for each command of the job; `row` is nullptr when the
    /// engine does not know it. Stops when the replies have become long (a pipeline of a thousand may ask for the same large
    /// value), or the time is up: others wait for the thread. A transaction is not cut: what it has no time for is refused.
    template <class Answer>
    void each(fallback_job& job, Answer answer) {
        reply_writer reply(job.replies, job.version, max_reply_bytes_);
        const auto until = coarse_clock::now() + (job.transaction ? longest_transaction : time_slice);
        bool is_late = false;
        if (job.transaction) reply.array(job.commands.size());
        for (const auto& command : job.commands) {
            if (command.literal) {
                job.replies.append(job.text_of(command.first_word));
            } else if (is_late && job.transaction) {
                refuse(job, command, reply, errors::transaction_takes_too_long);
            } else {
                answer(command, find(command.name), reply);
            }
            ++job.performed;
            job.overflowed = job.replies.size() > max_reply_bytes_;
            if (job.overflowed || is_stopped()) break;
            is_late = coarse_clock::now() >= until;
            if (!job.transaction && (job.replies.size() > long_replies_bytes || is_late)) break;
        }
    }

    /// Any thread. No job goes on behind the command that it is at: nobody waits for it any more.
    void stop() { stopped_.store(true, std::memory_order_relaxed); }
    [[nodiscard]] bool is_stopped() const { return stopped_.load(std::memory_order_relaxed); }

    /// False: it is refused, and nothing was done.
    bool run(fallback_job& job, const fallback_job::command& command, const engine::command_row& row,
             engine::keyspace& keys, reply_writer& reply, std::int64_t now, engine::effects* journal = nullptr);

    /// A -FALLBACK error. Without a reason: that of the breaker.
    void refuse(fallback_job& job, const fallback_job::command& command, reply_writer& reply,
                std::string_view reason = {});
    /// The whole transaction: one error is its reply.
    void refuse_transaction(fallback_job& job, std::string_view reason);

private:
    /// Names of rows are the same bytes each time, so that where they stand is enough to know them again.
    struct known {
        std::string_view name;
        const engine::command_row* row = nullptr;
    };

    [[nodiscard]] const engine::command_row* find(std::string_view name);
    void write_refusal(reply_writer& reply, std::string_view name, std::string_view reason) const;

    static constexpr std::size_t long_replies_bytes = 1 << 20;
    static constexpr std::chrono::milliseconds time_slice{10};
    static constexpr std::chrono::milliseconds longest_transaction{1'000};

    /// Fine enough, and read after each command.
    struct coarse_clock {
        using duration = std::chrono::nanoseconds;
        static duration now() {
            timespec time{};
            ::clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
            return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
        }
    };

    const breaker& circuit_;
    const std::size_t max_reply_bytes_;
    std::atomic<bool> stopped_{false};
    std::array<known, 256> known_{};
    std::vector<std::string_view> words_;
    engine::random_source random_{std::random_device{}()};
};

}  // namespace weir
