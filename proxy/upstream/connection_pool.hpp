#pragma once

#include <atomic>
#include <cstddef>
#include <list>
#include <memory>
#include <vector>

#include "proxy/upstream/pool_shares.hpp"
#include "proxy/upstream/upstream_connection.hpp"

namespace weir {

/// One worker's dedicated connections: lent to one session at a time, for what cannot share. They come back
/// when nothing is in flight on them, and are kept for the next session until pool.idle_timeout.
class connection_pool {
public:
    using clock = event_loop::clock;

    /// `open_everywhere` counts the dedicated connections of all workers, for pool.max.
    connection_pool(upstream_environment& environment, std::atomic<std::size_t>& open_everywhere, pool_shares& shares)
        : environment_(environment), open_everywhere_(open_everywhere), shares_(shares) {}
    ~connection_pool();

    /// Lends a connection: `who` is told once it is ready, or why there is none, always in a later call from
    /// the loop's tick or events, never from within this one. It counts to the share `of` a tenant (nullptr: to none's)
    /// until it is released; whoever has its share waits, and does not hold up those behind.
    void acquire(lane wanted, upstream_connection::waiter& who, pool_share* of);
    /// Lends an idle connection at once; nullptr when there is none, or others wait already.
    [[nodiscard]] upstream_connection* try_take(lane wanted, pool_share* of);
    /// `who` waits no longer.
    void cancel(upstream_connection::waiter& who);
    /// Whether one more may be lent that comes from elsewhere.
    [[nodiscard]] bool may_adopt(const pool_share* of) const {
        return shares_.allows(of) && open_everywhere_.load() < environment_.options.pool.max;
    }
    /// Counts a connection that came from elsewhere as lent.
    upstream_connection& adopt(std::unique_ptr<upstream_connection> connection, pool_share* of);
    /// Takes back what was lent. Looks at it at the turn's end, as its own call may be what led here; anything but an
    /// idle, ready connection is closed then.
    void release(upstream_connection& connection);

    /// Opens what is needed and ends what is too old or has waited too long.
    void tick();
    /// Hands out to those who wait. Called at the turn's end.
    void serve();

private:
    struct request {
        lane wanted;
        upstream_connection::waiter* who;
        pool_share* of;
        clock::time_point deadline;
    };
    struct idle_connection {
        std::unique_ptr<upstream_connection> connection;
        clock::time_point since;
    };

    struct lent_connection {
        std::unique_ptr<upstream_connection> connection;
        pool_share* of;
    };

    upstream_connection& lend(std::unique_ptr<upstream_connection> connection, pool_share* of);
    [[nodiscard]] std::unique_ptr<upstream_connection> take_idle(lane wanted);
    [[nodiscard]] bool may_open();
    void open(const request& wanted);
    void sort_returned();
    void retire(std::unique_ptr<upstream_connection> connection);

    upstream_environment& environment_;
    std::atomic<std::size_t>& open_everywhere_;
    pool_shares& shares_;
    std::list<request> waiting_;
    std::vector<idle_connection> idle_;
    std::vector<lent_connection> lent_;
    std::vector<std::unique_ptr<upstream_connection>> returned_;  ///< released in this turn
    std::vector<std::unique_ptr<upstream_connection>> retired_;  ///< destroyed at the turn's end
};

}  // namespace weir
