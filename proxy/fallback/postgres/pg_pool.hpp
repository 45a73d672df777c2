#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "policy/breaker.hpp"
#include "proxy/fallback/postgres/pg_connection.hpp"

namespace weir::pg {

class pool;

struct pool_options {
    std::size_t min = 1;
    std::size_t max = 10;
    std::chrono::milliseconds acquire_timeout{1'000};
    std::chrono::milliseconds idle_timeout{60'000};  ///< one above `min` that nobody uses for so long is closed; 0: never
    connection_options connection;
    /// Of the database, as the one of Redis is: it opens when calls fail, and then nobody waits for a connection any more.
    breaker_options breaker = default_breaker();
    bool operator==(const pool_options&) const = default;

    [[nodiscard]] static breaker_options default_breaker();
};

struct pool_numbers {
    std::size_t size = 0;       ///< open connections
    std::size_t available = 0;  ///< of these, those that nobody has
    std::size_t opening = 0;
    std::size_t pending = 0;    ///< who wait for one
    std::uint64_t acquired_total = 0;
    std::chrono::microseconds acquire_time_total{0};
    std::uint64_t acquire_timeouts_total = 0;
    std::uint64_t opened_total = 0;
    std::uint64_t failed_to_open_total = 0;
    std::string last_error;  ///< why the last connection failed; empty since one was opened
};

/// A connection, for as long as somebody has it; one that is still open and idle goes back to the pool.
class [[nodiscard]] lease {
public:
    lease() = default;
    lease(std::shared_ptr<pool> from, std::shared_ptr<connection> held) : from_(std::move(from)), held_(std::move(held)) {}
    lease(lease&&) noexcept = default;
    lease& operator=(lease&& other) noexcept {
        give_back();
        from_ = std::move(other.from_);
        held_ = std::move(other.held_);
        return *this;
    }
    ~lease() { give_back(); }

    explicit operator bool() const { return held_ != nullptr; }
    connection* operator->() const { return held_.get(); }
    connection& operator*() const { return *held_; }

    void give_back();

private:
    std::shared_ptr<pool> from_;
    std::shared_ptr<connection> held_;
};

/// Between `min` and `max` connections to one database, opened when they are wanted, and again after reconnect_delay() when
/// that fails. One thread; held by std::shared_ptr, as leases are. close() comes before the last reference goes.
class pool : public std::enable_shared_from_this<pool> {
public:
    /// What a new connection needs before anybody gets it: the schema, prepared statements.
    using set_up = std::function<void(std::shared_ptr<connection>, std::function<void(std::optional<error>)> done)>;
    using acquired = std::function<void(lease, std::optional<error>)>;

    pool(const boost::asio::any_io_executor& executor, target where, const pool_options& options, set_up prepare);

    void start();
    /// All connections at once; whoever waits fails.
    void close();
    [[nodiscard]] bool is_closed() const { return closed_; }

    /// One that is free now, unless others wait.
    [[nodiscard]] lease try_acquire();
    /// When its turn has come, or fails with `busy` or what keeps connections from being opened. May call back at once.
    void acquire(acquired done);

    /// How a batch ended that ran on one of ours: an error of the server's own is a success.
    void report(const std::optional<error>& failed);

    [[nodiscard]] pool_numbers numbers() const;
    [[nodiscard]] const breaker& circuit() const { return breaker_; }
    [[nodiscard]] const target& where() const { return where_; }

private:
    friend class lease;
    using clock = std::chrono::steady_clock;
    struct waiter {
        acquired done;
        clock::time_point since;
    };
    struct idle_connection {
        std::shared_ptr<connection> held;
        clock::time_point since;
    };

    void take_back(std::shared_ptr<connection> held);
    void serve();
    void open_wanted();
    void open_one();
    void opened(const std::shared_ptr<connection>& made, std::optional<error> failed);
    void forget(const connection* gone);
    void fail_waiters(const error& why);
    void count_wait(clock::time_point since);
    void await_timeouts();
    void tick();
    void probe();
    [[nodiscard]] error unavailable() const;
    void note(const std::optional<error>& failed);

    const target where_;
    const pool_options options_;
    const set_up prepare_;
    boost::asio::any_io_executor executor_;
    boost::asio::steady_timer retry_;
    boost::asio::steady_timer timeouts_;
    boost::asio::steady_timer ticker_;
    breaker breaker_;
    std::set<std::shared_ptr<connection>> all_;  ///< those that are open
    std::vector<idle_connection> idle_;          ///< the last one was used last
    std::deque<waiter> waiters_;
    std::set<std::shared_ptr<connection>> opening_;
    std::uint32_t failures_ = 0;  ///< to open, in a row
    bool delayed_ = false;
    bool closed_ = false;
    bool awaits_timeouts_ = false;
    bool probing_ = false;
    pool_numbers totals_;
    std::minstd_rand random_{std::random_device{}()};
};

}  // namespace weir::pg
