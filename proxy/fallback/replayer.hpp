#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/options.hpp"
#include "policy/breaker.hpp"
#include "proxy/fallback/batch_size.hpp"
#include "proxy/fallback/circuit_hold.hpp"
#include "proxy/fallback/replay_batch.hpp"
#include "proxy/fallback/replay_source.hpp"
#include "proxy/fallback/write_journal.hpp"
#include "proxy/logging.hpp"
#include "proxy/upstream/control_client.hpp"

namespace weir {

/// Gives journals' operations to the upstream while the breaker is half-open, in their order and each once, and then ends
/// the hold. Whatever fails, it goes on there when the breaker is half-open again.
///
///     half-open -> connect, read the marker -> batch, batch, … -> nothing left, and only held -> release: closed
///                   ^                            | connection lost: again, some times; the marker tells what was done
///                   '----------------------------'
///
/// All of a journal comes before anything of the next one.
///
/// Belongs to the fallback's thread, and ends with it: its coroutine must not run when this is destroyed.
class replayer {
public:
    struct events {
        /// The upstream has refused an operation.
        std::function<void(const write_journal::operation&)> refused;
        /// Some have left the journal, or it has stopped.
        std::function<void()> progress;
    };

    /// All of it outlives this. `journals` in the order in which they are replayed.
    replayer(boost::asio::io_context& context, const upstream_options& upstream, breaker& circuit, circuit_hold& hold,
             std::vector<replay_source*> journals, events told);

    /// When the breaker is half-open and held. Nothing when it runs.
    void start();
    /// The same while the breaker is closed, of what other processes have left. Ends with the first trouble.
    void start_for_others();
    /// Nothing but the journal keeps the breaker from closing, and little is left, or more than one has come for two that have
    /// left: no more should be written for the moment. events::progress tells.
    [[nodiscard]] bool wants_quiet() const {
        const std::size_t waiting = size();
        const bool comes_too_fast = waiting + left_ / 2 > began_with_;
        return running_ && !flushing_ && !waits_ && circuit_.is_only_held() && (waiting <= most_in_quiet || comes_too_fast);
    }
    [[nodiscard]] bool is_running() const { return running_; }
    [[nodiscard]] std::uint64_t replayed_total() const { return replayed_total_; }
    [[nodiscard]] std::uint64_t refused_total() const { return refused_total_; }

private:
    static constexpr std::size_t most_in_quiet = 5'000;
    /// Redis takes anything that is shorter: proto-max-bulk-len and client-query-buffer-limit are 1 MiB at least.
    static constexpr std::size_t least_to_blame = 512 << 10;

    using clock = control_client::clock;
    enum class progress : std::uint8_t {
        made,
        lost,    ///< the connection
        unable,  ///< the server cannot serve
        waiting, ///< for the journal
    };

    [[nodiscard]] boost::asio::awaitable<void> run();
    [[nodiscard]] boost::asio::awaitable<progress> step();
    [[nodiscard]] boost::asio::awaitable<progress> make_ready();
    [[nodiscard]] boost::asio::awaitable<progress> connect();
    [[nodiscard]] boost::asio::awaitable<progress> take_over();
    [[nodiscard]] boost::asio::awaitable<progress> replay(std::size_t count);
    [[nodiscard]] boost::asio::awaitable<progress> replay_last();
    [[nodiscard]] boost::asio::awaitable<progress> prove(int database);
    [[nodiscard]] boost::asio::awaitable<progress> flush();
    [[nodiscard]] boost::asio::awaitable<progress> flush_database(const tenant& whose, int database);
    [[nodiscard]] boost::asio::awaitable<void> wait(clock::duration duration);

    [[nodiscard]] boost::asio::awaitable<progress> learn_outcome(std::string marker);
    [[nodiscard]] boost::asio::awaitable<progress> settle(replay_attempt sent, std::string marker);
    [[nodiscard]] boost::asio::awaitable<progress> leave(std::size_t operations);
    [[nodiscard]] bool goes_on() const;
    [[nodiscard]] bool is_for_others() const { return circuit_.state() == breaker_state::closed; }
    [[nodiscard]] std::size_t size() const;
    [[nodiscard]] bool choose_source();
    [[nodiscard]] write_journal& journal() const { return source_->front(); }
    [[nodiscard]] std::size_t next_batch() const;
    void launch();
    void refuse(std::size_t place, const std::string& code);
    void give_up(std::string_view reason);
    void finish();
    [[nodiscard]] clock::time_point deadline() const { return clock::now() + upstream_.command_timeout; }
    [[nodiscard]] clock::time_point deadline_of_batch() const;

    const upstream_options& upstream_;
    breaker& circuit_;
    circuit_hold& hold_;
    const std::vector<replay_source*> sources_;
    replay_source* source_ = nullptr;  ///< of these, the one that is replayed
    const events told_;
    boost::asio::io_context& context_;
    boost::asio::steady_timer timer_;
    control_client client_;
    std::vector<socket_address> addresses_;
    replay_batch batch_;
    bool running_ = false;
    bool for_others_ = false;  ///< somebody has asked for it
    bool anew_ = false;        ///< the source does not know yet what the upstream has
    bool waits_ = false;       ///< for a journal that is not to be had
    bool flushing_ = false;  ///< which may take as long as the server is large
    std::size_t began_with_ = 0;  ///< operations, when it began to run
    std::size_t left_ = 0;        ///< the journals, since then
    unsigned forbidden_ = 0;  ///< times in a row that the replay stopped as Redis takes no writes
    unsigned losses_ = 0;     ///< of connections, in a row
    batch_size size_;
    std::string server_;      ///< whom this connection leads to, see replay_attempt
    std::optional<replay_attempt> uncertain_;
    std::set<int> proven_;        ///< databases that this connection can select
    std::string trouble_;
    log_limiter limiter_;
    std::uint64_t replayed_ = 0;  ///< since the last finish()
    std::uint64_t refused_ = 0;
    std::uint64_t replayed_total_ = 0;
    std::uint64_t refused_total_ = 0;
};

}  // namespace weir
