#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "config/options.hpp"
#include "policy/breaker.hpp"
#include "proxy/fallback/circuit_hold.hpp"
#include "proxy/fallback/job_runner.hpp"
#include "proxy/fallback/postgres/postgres_answers.hpp"
#include "proxy/fallback/postgres_replay_source.hpp"

namespace weir {

struct shared_store_numbers {
    bool in_use = false;     ///< this weir answers from it
    bool available = false;  ///< as far as is known
    std::string trouble;     ///< why it is not
    std::uint64_t journal_rows = 0;      ///< of all weirs
    std::uint64_t journal_bytes = 0;
    std::chrono::milliseconds oldest{0};
    std::uint64_t dead_letters = 0;
    pg::pool_numbers pool;
};

/// The store `postgres`, which this weir shares with others: when it may answer from it, and what it may then.
///
///     breaker passes ── opens ── enter() ── in use: jobs are answered ── passes again ── leave()
///
/// What an outage that is over has left is gone before the first answer: enter() deletes it unless another weir is in use of it
/// still. Jobs that come meanwhile wait, for acquire_timeout at most. Belongs to the fallback's thread.
class shared_store {
public:
    struct events {
        std::function<void()> looked;  ///< numbers() are new
    };

    /// What is not a copy outlives this. The DSN has been checked.
    shared_store(boost::asio::io_context& context, const postgres_options& options, const breaker& circuit, circuit_hold& hold,
                 job_runner& runner, tenant_finder find, events told);
    ~shared_store();
    shared_store(const shared_store&) = delete;
    shared_store& operator=(const shared_store&) = delete;

    /// Looks into the journal, until it is told what is in it; then calls back with how many rows, once.
    void start(std::function<void(std::size_t)> known);
    /// The breaker's state is another one.
    void follow_breaker();

    /// As postgres_answers has it; `returned` where the breaker has closed meanwhile.
    void answer(fallback_job job, std::int64_t now, pg::pending_job::done done);

    [[nodiscard]] postgres_replay_source& journal() { return source_; }
    [[nodiscard]] shared_store_numbers numbers() const;

private:
    using clock = std::chrono::steady_clock;
    struct waiting_job {
        fallback_job job;
        std::int64_t now;
        pg::pending_job::done done;
        clock::time_point until;
    };

    [[nodiscard]] boost::asio::awaitable<void> change();
    [[nodiscard]] boost::asio::awaitable<std::optional<pg::error>> enter();
    [[nodiscard]] boost::asio::awaitable<void> wait(clock::duration duration);
    [[nodiscard]] boost::asio::awaitable<void> look();
    void hand_over(fallback_job job, std::int64_t now, pg::pending_job::done done);
    void release_waiting(bool entered);
    void await_timeouts();
    void schedule_look();
    void schedule_expiry();
    void note(const std::optional<pg::error>& failed);

    const postgres_options options_;
    const breaker& circuit_;
    circuit_hold& hold_;
    const events told_;
    boost::asio::io_context& context_;
    boost::asio::steady_timer retry_{context_};
    boost::asio::steady_timer looks_{context_};
    boost::asio::steady_timer expiry_{context_};
    boost::asio::steady_timer timeouts_{context_};
    std::shared_ptr<pg::shared_journal> membership_;
    postgres_replay_source source_;
    postgres_answers answers_;
    std::function<void(std::size_t)> known_;
    std::deque<waiting_job> waiting_;
    std::size_t under_way_ = 0;  ///< jobs
    bool changing_ = false;
    bool looking_ = false;
    bool awaits_timeouts_ = false;
    pg::journal_state seen_;
    std::string trouble_;
    log_limiter limiter_;
};

}  // namespace weir
