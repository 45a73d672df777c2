#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>

#include "proxy/fallback/postgres/store_core.hpp"

namespace weir::pg {

/// Jobs with writes of one tenant, in one transaction:
///
///     BEGIN  lock the tenant (shared)  lock the keys in order  identify  fetch     one round trip
///     the commands run
///     upserts, deletions  journal  COMMIT                                           another; then the replies leave
///
/// The locks are advisory, as a row that is not there cannot be locked; the rows are read by a later statement than the one
/// that waited for the locks, so it sees what their last holder committed. Commands on the whole keyspace, and those that
/// name very many keys, lock the tenant alone, exclusively.
///
/// Several jobs may share a transaction: they run one after the other on the same rows, as they would in transactions of
/// their own, and no reply leaves before the commit that makes it true.
class write_transaction : public std::enable_shared_from_this<write_transaction> {
public:
    static constexpr std::size_t most_jobs = 32;
    static constexpr std::size_t most_keys = 256;

    explicit write_transaction(std::shared_ptr<store_core> core) : core_(std::move(core)) {}

    [[nodiscard]] bool has_room(const pending_job& job) const;
    void add(std::unique_ptr<pending_job> job);
    [[nodiscard]] boost::asio::awaitable<void> run(lease on);
    void give_up() { pg::give_up(jobs_); }

private:
    enum class step : unsigned char {
        done,
        again,  ///< with more keys, or because another transaction was in the way
        ended,  ///< the jobs are where they belong
    };
    enum class fate : unsigned char { committed, aborted, unknown };

    [[nodiscard]] static bool is_exclusive(const pending_job& job);
    [[nodiscard]] boost::asio::awaitable<step> attempt(lease& on);
    [[nodiscard]] boost::asio::awaitable<bool> begin(lease& on);
    [[nodiscard]] boost::asio::awaitable<bool> fetch_more(lease& on);
    [[nodiscard]] boost::asio::awaitable<step> commit(lease& on);
    [[nodiscard]] boost::asio::awaitable<void> roll_back(lease& on);
    [[nodiscard]] boost::asio::awaitable<step> after(lease& on, error why);
    [[nodiscard]] boost::asio::awaitable<fate> look_up();
    [[nodiscard]] std::size_t room_beside(std::int64_t journal_bytes) const;
    void run_commands();
    void append_notes(batch& to) const;
    void refuse_all(std::string_view reason);

    std::shared_ptr<store_core> core_;
    pending_jobs jobs_;
    std::size_t keys_ = 0;
    bool exclusive_ = false;
    std::unique_ptr<tenant_rows> rows_;
    std::optional<transaction_notes> notes_;  ///< where there is a journal
    std::string number_;       ///< of the transaction, as Postgres counts them
    std::string incarnation_;  ///< of the server
    std::size_t room_ = 0;     ///< in the journal
    error failed_;             ///< why begin() or fetch_more() said no
    int rounds_ = 0;
    int conflicts_ = 0;
};

}  // namespace weir::pg
