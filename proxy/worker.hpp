#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "config/options.hpp"
#include "policy/credentials.hpp"
#include "policy/key_rewriter.hpp"
#include "policy/tenant.hpp"
#include "protocol/request_parser.hpp"
#include "proxy/counters.hpp"
#include "proxy/event_loop.hpp"
#include "proxy/pubsub/subscriber_counts.hpp"
#include "proxy/pubsub/subscription_hub.hpp"
#include "proxy/script_registry.hpp"
#include "proxy/session.hpp"
#include "proxy/slow_work.hpp"
#include "proxy/socket.hpp"
#include "proxy/upstream/connection_pool.hpp"
#include "proxy/upstream/upstream_connection.hpp"
#include "proxy/upstream/upstream_snapshot.hpp"
#include "proxy/worker_inquiry.hpp"

namespace weir {

class worker;

/// What all workers share. Constant, once they run, but for the atomics; outlives them.
struct process_state {
    const options& settings;
    const std::vector<std::unique_ptr<const tenant>>& tenants;  ///< by tenant::index()
    std::vector<std::unique_ptr<worker_counters>>& counters;    ///< one for each worker
    const tenant& nobody;                 ///< who a client is that has not said who it is
    const credential_table& credentials;  ///< for listeners whose clients say it by AUTH
    slow_work& slow;
    /// By tenant::index(); nullptr: its scripts are not rewritten.
    std::vector<std::unique_ptr<script_registry>> scripts{};
    std::atomic<std::uint64_t> next_client_id{1};
    std::atomic<std::size_t> clients{0};
    std::atomic<std::size_t> dedicated_connections{0};
    subscriber_counts subscribers{tenants.size()};
    std::vector<worker*> workers = {};  ///< all; complete before the first runs
};

/// One thread of the data path: its own loop, listening sockets, sessions and upstream connections. Workers share
/// nothing on the way of a command. Everything but start(), post_snapshot(), begin_drain() and stop() belongs to the
/// worker's thread.
class worker {
public:
    struct listening {
        file_descriptor socket;
        const tenant* whose;  ///< process_state::nobody: clients have to authenticate
    };

    worker(process_state& process, worker_counters& counters, std::vector<listening> sockets,
           std::shared_ptr<const upstream_snapshot> snapshot);
    ~worker();
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;

    /// Runs the loop until stop(). The thread's function.
    void run();
    void post_snapshot(std::shared_ptr<const upstream_snapshot> snapshot);
    /// Stops accepting; sessions end as soon as nothing is owed to them. `drained` is called once, on this thread, when
    /// none is left.
    void begin_drain(std::function<void()> drained);
    void stop() { loop_.stop(); }

    // What sessions need.
    [[nodiscard]] event_loop& loop() { return loop_; }
    [[nodiscard]] const options& settings() const { return process_.settings; }
    [[nodiscard]] process_state& process() { return process_; }
    [[nodiscard]] worker_counters& counters() { return counters_; }
    [[nodiscard]] tenant_counters& counters_of(const tenant& whose) { return counters_.tenants[whose.index()]; }
    [[nodiscard]] const upstream_snapshot& snapshot() const { return *snapshot_; }
    /// For what must outlive the next one.
    [[nodiscard]] std::shared_ptr<const upstream_snapshot> shared_snapshot() const { return snapshot_; }
    [[nodiscard]] const command_table& commands() const { return *snapshot_->commands; }
    /// Zero when the upstream has not told.
    [[nodiscard]] const server_version& upstream_version() const { return upstream_.version; }
    [[nodiscard]] std::span<char> read_buffer() { return read_buffer_; }
    [[nodiscard]] request_parser& parser() { return parser_; }
    [[nodiscard]] key_rewriter& rewriter() { return rewriter_; }
    /// nullptr: they pass as they are.
    [[nodiscard]] script_registry* scripts_of(const tenant& whose) { return process_.scripts[whose.index()].get(); }
    [[nodiscard]] buffer& scratch() { return scratch_; }
    [[nodiscard]] const request_limits& limits() const { return limits_; }
    /// For clients that have not authenticated.
    [[nodiscard]] const request_limits& strangers_limits() const { return strangers_limits_; }
    /// nullptr: it is not, or no longer, one of this worker's.
    [[nodiscard]] session* find_session(std::uint64_t id);
    [[nodiscard]] upstream_connection& shared_connection(lane wanted);
    [[nodiscard]] connection_pool& pool() { return pool_; }
    /// Where the tenant's clients have their subscriptions.
    [[nodiscard]] subscription_hub& hub(const tenant& whose);
    /// What this worker asks all workers.
    [[nodiscard]] worker_inquiries& inquiries() { return inquiries_; }
    /// Closed ones included. Closing one does not change the list.
    [[nodiscard]] const std::vector<std::unique_ptr<session>>& sessions() const { return sessions_; }
    /// session::flush() at the turn's end.
    void want_flush(session& who) { to_flush_.push_back(&who); }
    /// session::resume() at the turn's end.
    void want_resume(session& who) { to_resume_.push_back(&who); }
    /// The session has closed; it is destroyed once it is finished().
    void retire(session& who) { closed_.push_back(&who); }

private:
    class acceptor;

    void accept_from(int listening_socket, const tenant& whose);
    void turn_end();
    void tick();
    void tick_lanes();
    void stop_accepting();
    void bury_closed();

    process_state& process_;
    worker_counters& counters_;
    event_loop loop_;
    std::vector<char> read_buffer_;
    request_parser parser_;
    request_limits limits_;
    request_limits strangers_limits_;
    key_rewriter rewriter_;
    buffer scratch_;
    std::shared_ptr<const upstream_snapshot> snapshot_;
    upstream_environment upstream_;
    std::map<lane, std::vector<std::unique_ptr<upstream_connection>>> lanes_;
    std::size_t next_shared_ = 0;
    connection_pool pool_;
    std::vector<std::unique_ptr<subscription_hub>> hubs_;  ///< by tenant::index(); nullptr: never needed
    worker_inquiries inquiries_{*this};
    std::vector<std::unique_ptr<acceptor>> acceptors_;
    std::vector<std::unique_ptr<session>> sessions_;
    std::vector<session*> to_flush_;
    std::vector<session*> to_resume_;
    std::vector<session*> closed_;
    std::vector<session*> called_sessions_;
    std::vector<upstream_connection*> called_connections_;
    std::function<void()> drained_;
    event_loop::clock::time_point next_session_tick_;
};

}  // namespace weir
