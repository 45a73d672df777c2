#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "proxy/fallback/postgres/pg_pool.hpp"
#include "proxy/fallback/postgres/reads.hpp"
#include "proxy/fallback/postgres/store_core.hpp"
#include "proxy/fallback/postgres/write_transaction.hpp"

namespace weir {

/// The store `postgres`: see the README beside this file. One thread, and never blocks it. What is under way when this goes is
/// given up.
class postgres_answers {
public:
    /// The runner outlives the executor's context.
    postgres_answers(const boost::asio::any_io_executor& executor, pg::target where, const pg::store_options& options,
                     job_runner& runner);
    ~postgres_answers();
    postgres_answers(const postgres_answers&) = delete;
    postgres_answers& operator=(const postgres_answers&) = delete;

    /// Calls back with the job, mostly later: `answered`, or `unable`, and then nothing was done. A client's next job must not
    /// come before that. Jobs that come in one turn share their round trips.
    void answer(fallback_job job, std::int64_t now, pg::pending_job::done done);

    /// Removes at most so many keys that have expired; says how many went, or nothing where that failed.
    void expire_some(std::size_t count, std::int64_t now, std::function<void(std::optional<std::size_t>)> done);

    [[nodiscard]] pg::pool_numbers pool() const { return core_->pool->numbers(); }
    [[nodiscard]] const breaker& circuit() const { return core_->pool->circuit(); }
    [[nodiscard]] const pg::store_counters& counters() const { return core_->counters; }

private:
    void take(std::unique_ptr<pg::pending_job> job);
    template <class Group>
    void join(std::shared_ptr<Group>& gathering, std::unique_ptr<pg::pending_job> job);
    template <class Group>
    void start(const std::shared_ptr<Group>& group);

    std::shared_ptr<pg::store_core> core_;
    std::shared_ptr<pg::read_group> reads_;         ///< waits for a connection; others may join
    std::shared_ptr<pg::write_transaction> writes_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace weir
