#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "config/options.hpp"
#include "policy/breaker.hpp"
#include "policy/command_timeouts.hpp"
#include "policy/key_rewriter.hpp"
#include "protocol/request_parser.hpp"
#include "proxy/counters.hpp"
#include "proxy/event_loop.hpp"
#include "proxy/fallback/fallback_port.hpp"
#include "proxy/session.hpp"
#include "proxy/slow_work.hpp"
#include "proxy/socket.hpp"
#include "proxy/tenants/tenant_registry.hpp"
#include "proxy/tenants/worker_tenant.hpp"
#include "proxy/upstream/connection_pool.hpp"
#include "proxy/upstream/upstream_connection.hpp"
#include "proxy/upstream/upstream_snapshot.hpp"
#include "proxy/worker_inquiry.hpp"

namespace weir {

class worker;

/// What all workers share. Constant, once they run, but for the atomics and what locks itself; outlives them.
struct process_state {
    const options& settings;  ///< of the process; what tenants have is in `tenants`
    tenant_registry& tenants;
    slow_work& slow;
    std::atomic<std::uint64_t> next_client_id{1};
    std::atomic<std::size_t> clients{0};
    std::atomic<std::size_t> dedicated_connections{0};
    pool_shares dedicated_shares{settings.upstream.pool.max, tenants.configured()->tenants.size() > 1};
    std::vector<worker*> workers = {};  ///< all; complete before the first runs
    command_timeouts timeouts{settings.upstream.command_timeout, settings.upstream.timeouts};
    breaker* circuit = nullptr;            ///< none: commands go to the upstream whatever comes of them
    fallback_service* fallback = nullptr;  ///< none: nothing answers without the upstream
};

/// One thread of the data path: its own loop, listening sockets, sessions and upstream connections. Workers share
/// nothing on the way of a command. Everything but run(), begin_drain(), stop() and what is posted belongs to the
/// worker's thread.
class worker {
public:
    struct listening {
        file_descriptor socket;
        std::string tenant;  ///< empty: clients have to authenticate
    };

    /// `number` is its place among the workers.
    worker(process_state& process, std::size_t number, worker_counters& counters, std::vector<listening> sockets,
           std::shared_ptr<const upstream_snapshot> snapshot);
    ~worker();
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;

    /// Runs the loop until stop(). The thread's function.
    void run();
    void post_snapshot(std::shared_ptr<const upstream_snapshot> snapshot);
    /// The upstream seems to be back: connections that wait before they try again do not wait any longer.
    void post_reconnect();
    /// Tenants are configured anew: looks how, and closes the clients of those that are no more.
    void post_tenants_changed();
    /// Stops accepting; sessions end as soon as nothing is owed to them. `drained` is called once, on this thread, when
    /// none is left.
    void begin_drain(std::function<void()> drained);
    void stop() { loop_.stop(); }

    // What sessions need.
    [[nodiscard]] event_loop& loop() { return loop_; }
    [[nodiscard]] const options& settings() const { return process_.settings; }
    [[nodiscard]] process_state& process() { return process_; }
    [[nodiscard]] worker_counters& counters() { return counters_; }
    [[nodiscard]] std::size_t number() const { return number_; }
    /// Valid as long as somebody has joined it.
    [[nodiscard]] worker_tenant& tenant_of(const std::shared_ptr<tenant_account>& account);
    /// worker_tenant::finish_turn() at the turn's end.
    void want_finish(worker_tenant& whose) { to_finish_.push_back(&whose); }
    [[nodiscard]] const upstream_snapshot& snapshot() const { return *snapshot_; }
    /// For what must outlive the next one.
    [[nodiscard]] std::shared_ptr<const upstream_snapshot> shared_snapshot() const { return snapshot_; }
    [[nodiscard]] const command_table& commands() const { return *snapshot_->commands; }
    /// Zero when the upstream has not told.
    [[nodiscard]] const server_version& upstream_version() const { return upstream_.version; }
    [[nodiscard]] std::span<char> read_buffer() { return read_buffer_; }
    [[nodiscard]] request_parser& parser() { return parser_; }
    [[nodiscard]] key_rewriter& rewriter() { return rewriter_; }
    [[nodiscard]] buffer& scratch() { return scratch_; }
    [[nodiscard]] const request_limits& limits() const { return limits_; }
    /// For clients that have not authenticated.
    [[nodiscard]] const request_limits& strangers_limits() const { return strangers_limits_; }
    /// nullptr: it is not, or no longer, one of this worker's.
    [[nodiscard]] session* find_session(std::uint64_t id);
    [[nodiscard]] upstream_connection& shared_connection(lane wanted);
    [[nodiscard]] connection_pool& pool() { return pool_; }
    [[nodiscard]] const command_timeouts& timeouts() const { return process_.timeouts; }
    [[nodiscard]] call_outcomes& outcomes() { return outcomes_; }
    [[nodiscard]] fallback_port& fallback() { return fallback_; }
    /// Empty; for what fallback_port::watch() gives, until the command is submitted.
    [[nodiscard]] fallback_port::slots& written() { return written_; }
    /// What this worker asks all workers.
    [[nodiscard]] worker_inquiries& inquiries() { return inquiries_; }
    /// Closed ones included. Closing one does not change the list.
    [[nodiscard]] const std::vector<std::unique_ptr<session>>& sessions() const { return sessions_; }
    /// session::flush() at the turn's end.
    void want_flush(session& who) { to_flush_.push_back(&who); }
    /// session::resume() at the turn's end.
    void want_resume(session& who) { to_resume_.push_back(&who); }
    /// session::on_rested() once the time has come.
    using rests = std::multimap<event_loop::clock::time_point, session*>;
    [[nodiscard]] rests::iterator rest(session& who, event_loop::clock::time_point until) { return resting_.emplace(until, &who); }
    void forget_rest(rests::iterator rest) { resting_.erase(rest); }
    /// The session has closed; it is destroyed once it is finished().
    void retire(session& who) { closed_.push_back(&who); }

private:
    class acceptor;

    void accept_from(int listening_socket, const std::string& tenant_name);
    [[nodiscard]] bool admit(const file_descriptor& socket, tenant_account* account);
    void change_tenants();
    void wake_rested();
    void turn_end();
    void tick();
    void tick_lanes();
    void close_unused_lanes();
    void stop_accepting();
    void bury_closed();

    process_state& process_;
    const std::size_t number_;
    worker_counters& counters_;
    event_loop loop_;
    std::vector<char> read_buffer_;
    request_parser parser_;
    request_limits limits_;
    request_limits strangers_limits_;
    key_rewriter rewriter_;
    buffer scratch_;
    std::shared_ptr<const upstream_snapshot> snapshot_;
    call_outcomes outcomes_;
    fallback_port fallback_;
    fallback_port::slots written_;
    upstream_environment upstream_;
    std::map<lane, std::vector<std::unique_ptr<upstream_connection>>> lanes_;
    std::size_t next_shared_ = 0;
    connection_pool pool_;
    std::unordered_map<const tenant_account*, std::unique_ptr<worker_tenant>> tenants_;
    worker_inquiries inquiries_{*this};
    std::vector<std::unique_ptr<acceptor>> acceptors_;
    std::vector<std::unique_ptr<session>> sessions_;
    std::vector<session*> to_flush_;
    std::vector<session*> to_resume_;
    std::vector<session*> closed_;
    std::vector<worker_tenant*> to_finish_;
    rests resting_;
    std::vector<session*> called_sessions_;
    std::vector<upstream_connection*> called_connections_;
    std::vector<worker_tenant*> called_tenants_;
    std::function<void()> drained_;
    event_loop::clock::time_point next_session_tick_;
};

}  // namespace weir
