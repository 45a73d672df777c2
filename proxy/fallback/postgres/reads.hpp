#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>

#include "proxy/fallback/postgres/store_core.hpp"

namespace weir::pg {

/// Jobs of reads whose keys are known, answered with one round trip: one statement for each tenant's database, no
/// transaction. Those that come while no connection is free join in, so the more wait, the less each costs.
class read_group {
public:
    static constexpr std::size_t most_jobs = 128;
    static constexpr std::size_t most_keys = 1'024;

    explicit read_group(std::shared_ptr<store_core> core) : core_(std::move(core)) {}

    [[nodiscard]] bool has_room(const pending_job& job) const;
    void add(std::unique_ptr<pending_job> job);
    /// With a connection, once.
    static void run(const std::shared_ptr<read_group>& group, lease on);
    void give_up() { pg::give_up(jobs_); }

private:
    void finish(outcome got);
    [[nodiscard]] tenant_rows& rows_of(const pending_job& job);

    std::shared_ptr<store_core> core_;
    pending_jobs jobs_;
    std::size_t keys_ = 0;
    std::vector<std::unique_ptr<tenant_rows>> rows_;
};

/// A job of reads that one statement is not enough for: SCAN and its kin, SORT with BY or GET, and several of these in
/// MULTI/EXEC. All statements of one attempt see the same state of the database.
[[nodiscard]] boost::asio::awaitable<void> read_snapshot(std::shared_ptr<store_core> core, std::unique_ptr<pending_job> job);

}  // namespace weir::pg
