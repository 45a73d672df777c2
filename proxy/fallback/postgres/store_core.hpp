#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <functional>
#include <memory>

#include "proxy/fallback/postgres/pending_job.hpp"
#include "proxy/fallback/postgres/pg_pool.hpp"
#include "proxy/fallback/postgres/statements.hpp"
#include "proxy/logging.hpp"

namespace weir::pg {

struct store_options {
    std::string schema = "weir";
    bool journal = true;  ///< what writes do is noted, in the same transaction
    /// Of the journal of all weirs; 0: no bound. Writes that it has no room for are refused. Transactions under way at the same
    /// time do not see each other's, and may exceed it by as much.
    std::size_t max_journal_bytes = std::size_t{1} << 30;
    pool_options pool;
    bool operator==(const store_options&) const = default;
};

struct store_counters {
    std::uint64_t read_jobs_total = 0;
    std::uint64_t read_trips_total = 0;   ///< batches of reads that were sent
    std::uint64_t write_jobs_total = 0;
    std::uint64_t transactions_total = 0;  ///< that were committed
    std::uint64_t conflicts_total = 0;     ///< transactions run anew because of another one
    std::uint64_t unknown_total = 0;       ///< jobs whose writes nobody knows the outcome of
};

/// What the store's parts share. Kept alive by whatever is under way.
struct store_core : std::enable_shared_from_this<store_core> {
    store_core(const boost::asio::any_io_executor& on, const store_options& wanted, job_runner& running)
        : executor(on), options(wanted), tables(wanted.schema), sql(tables), runner(running) {}

    boost::asio::any_io_executor executor;
    const store_options options;
    const schema tables;
    const statements sql;
    job_runner& runner;
    std::shared_ptr<pg::pool> pool;
    store_counters counters;
    log_limiter logs;
    /// Another attempt.
    std::function<void(std::unique_ptr<pending_job>)> again;

    /// The server has refused what these share: each is tried alone, and who is already is given up.
    void isolate(pending_jobs jobs, const error& why);
    /// The connection broke before anything was done: a second attempt.
    void retry(pending_jobs jobs);
    void log_refused(const error& why);
};

void give_up(pending_jobs& jobs);

}  // namespace weir::pg
