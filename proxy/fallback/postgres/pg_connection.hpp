#pragma once

#include <libpq-fe.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "proxy/fallback/postgres/pg_batch.hpp"
#include "proxy/fallback/postgres/pg_target.hpp"

namespace weir::pg {

struct connection_options {
    std::chrono::milliseconds connect_timeout{5'000};
    /// The server gives up a statement that takes longer. The connection is given up when a whole batch takes a second more, so that
    /// who waits for a lock hears it from the server, and the connection stays good.
    std::chrono::milliseconds statement_timeout{5'000};
    bool operator==(const connection_options&) const = default;
};

/// One connection in libpq's pipeline mode, driven by Asio: no call blocks. Batches are answered in their order.
///
///     open() -> look-up -> PQconnectPoll … -> session settings -> opened        run() -> sent at once -> answered
///                                                                close(), broken, too slow -> all that is under way fails
///
/// One thread. Callbacks come from the executor, but for close(): it calls them before it returns. They may call anything here,
/// and let go of the last reference.
class connection : public std::enable_shared_from_this<connection> {
public:
    using opened = std::function<void(std::optional<error>)>;
    using answered = std::function<void(outcome)>;
    using closed = std::function<void(const error&)>;

    connection(const boost::asio::any_io_executor& executor, const connection_options& options);
    ~connection();
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    /// Once.
    void open(const target& where, opened done);
    [[nodiscard]] bool is_open() const { return open_; }
    /// Called once when an open connection is no more, whoever ended it, after everything under way has failed.
    void on_close(closed told) { closed_ = std::move(told); }

    /// Only while it is open; fails at once otherwise, before it returns.
    void run(const batch& steps, answered done);
    [[nodiscard]] bool is_idle() const { return waiting_.empty(); }

    /// Whatever it was asked fails, to be opened as well.
    void close();

private:
    static constexpr std::chrono::milliseconds answer_time{1'000};

    struct expected {
        std::size_t steps = 0;
        std::chrono::steady_clock::time_point deadline;
        answered done;
        outcome got;
    };
    struct finish {
        void operator()(PGconn* owned) const { PQfinish(owned); }
    };

    void start(const std::map<std::string, std::string>& options);
    void poll();
    void prepare_session();
    void fail_to_open(std::string text, std::string sqlstate = {});
    [[nodiscard]] bool send(const batch::step& each);
    void watch();
    void await_input();
    void flush();
    void receive();
    void take(result got);
    void guard_deadline();
    void end(error why);
    [[nodiscard]] std::string libpq_says() const;

    const connection_options options_;
    boost::asio::posix::stream_descriptor socket_;  ///< libpq's own: released, never closed
    boost::asio::steady_timer deadline_;
    std::unique_ptr<PGconn, finish> libpq_;
    opened opened_;
    closed closed_;
    bool open_ = false;
    bool writing_ = false;  ///< a wait for room is under way
    bool guarded_ = false;  ///< the timer is
    std::deque<expected> waiting_;
};

}  // namespace weir::pg
