#include "proxy/app.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <csignal>
#include <exception>
#include <fstream>
#include <memory>
#include <openssl/rand.h>
#include <thread>
#include <vector>

#include "config/loader.hpp"
#include "config/reload.hpp"
#include "proxy/admin/admin_state.hpp"
#include "proxy/admin/server.hpp"
#include "proxy/fallback/fallback_service.hpp"
#include "proxy/limits/global_limits.hpp"
#include "proxy/limits/limit_clock.hpp"
#include "proxy/logging.hpp"
#include "proxy/socket.hpp"
#include "proxy/tenants/tenant_registry.hpp"
#include "proxy/upstream/health_probe.hpp"
#include "proxy/worker.hpp"

namespace weir {

namespace {

/// A unix socket's file goes when we go.
class unix_socket_files {
public:
    ~unix_socket_files() {
        for (const auto& path : paths_) ::unlink(path.c_str());
    }
    void add(std::string path) { paths_.push_back(std::move(path)); }

private:
    std::vector<std::string> paths_;
};

/// A file may have 100,000 tenants: they are held once.
options without_tenants(const options& all) {
    options rest;
    rest.workers = all.workers;
    rest.drain_timeout = all.drain_timeout;
    rest.listeners = all.listeners;
    rest.upstream = all.upstream;
    rest.breaker = all.breaker;
    rest.fallback = all.fallback;
    rest.clients = all.clients;
    rest.admin = all.admin;
    rest.log = all.log;
    return rest;
}

void log_transition(const breaker_transition& change) {
    const log_field reason{"reason", change.reason};
    const log_field away{"open_ms", change.was_away.count()};
    if (change.dry_run) return log_warning("breaker would open (dry run)", {reason});
    switch (change.to) {
        case breaker_state::closed: return log_info("breaker closed", {reason, away});
        case breaker_state::open: return log_warning("breaker opened", {reason, {"open_for_ms", change.open_for.count()}});
        case breaker_state::half_open: return log_info("breaker half-open", {reason});
        case breaker_state::forced_open: return log_warning("breaker forced open", {reason});
        case breaker_state::disabled: return log_warning("breaker disabled", {reason});
    }
}

class app {
public:
    app(std::shared_ptr<const options> settings, std::string file)
        : settings_(without_tenants(*settings)),
          file_(std::move(file)),
          worker_count_(settings_.workers == 0 ? automatic_workers() : settings_.workers),
          tenants_(settings, worker_count_, random_secret(),
                   [this](const std::string& tenant_name, const tenant_limit& limit) {
                       return make_limit_counter(tenant_name, limit);
                   }),
          process_{settings_, tenants_, slow_work_} {
        open_breaker();
        auto sockets = bind_listeners(worker_count_);
        for (std::size_t i = 0; i < worker_count_; ++i) {
            counters_.push_back(std::make_unique<worker_counters>());
            workers_.push_back(std::make_unique<worker>(process_, i, *counters_[i], std::move(sockets[i]), snapshot_));
            process_.workers.push_back(workers_.back().get());
        }
        fill_admin_state();
        if (settings_.admin.bind) admin_.emplace(control_, *settings_.admin.bind, admin_state_);
    }

    void run() {
        if (fallback_ && !fallback_->await_journal()) {
            log_warning("postgres does not say whether writes wait to be replayed; what does wait is replayed behind others'");
        }
        for (auto& one : workers_) threads_.emplace_back([&one] { one->run(); });
        await_signal();
        sweep();
        probe_.start();
        if (admin_) admin_->start();
        warn_of_trust();
        admin_state_.ready = true;
        log_info("ready", {{"workers", workers_.size()}});
        std::exception_ptr fault;
        try {
            control_.run();
        } catch (...) {
            fault = std::current_exception();
        }
        for (auto& one : workers_) one->stop();
        for (auto& thread : threads_) thread.join();
        if (fallback_) fallback_->stop();
        if (fault) std::rethrow_exception(fault);
        log_info("stopped");
    }

private:
    static std::string random_secret() {
        std::array<unsigned char, 32> bytes{};
        if (::RAND_bytes(bytes.data(), bytes.size()) != 1) throw std::runtime_error("no random numbers to be had");
        return {bytes.begin(), bytes.end()};
    }

    void open_breaker() {
        if (!settings_.breaker) return;
        circuit_.emplace(*settings_.breaker, [this](const breaker_transition& change) {
            log_transition(change);
            if (change.to == breaker_state::half_open || change.to == breaker_state::closed) {
                for (auto& one : workers_) one->post_reconnect();
            }
            if (fallback_) fallback_->on_transition(change);
        });
        process_.circuit = &*circuit_;
        probe_.report_to(*circuit_);
        const fallback_options& fallback = settings_.fallback;
        if (fallback.order.empty() && fallback.last_resort == fallback_last_resort::error) return;
        fallback_.emplace(settings_, *circuit_, worker_count_, [this](std::size_t number, std::vector<fallback_job> done) {
            give_back(*workers_[number], std::move(done));
        }, [this](std::string_view name) {
            const auto account = tenants_.find(name);
            return account ? account->present().whose : nullptr;
        });
        process_.fallback = &*fallback_;
    }

    static void give_back(worker& owner, std::vector<fallback_job> done) {
        // What is posted has to be copyable.
        auto jobs = std::make_shared<std::vector<fallback_job>>(std::move(done));
        owner.loop().post([jobs] {
            for (fallback_job& job : *jobs) job.from->take_fallback(job);
        });
    }

    std::shared_ptr<limit_counter> make_limit_counter(const std::string& tenant_name, const tenant_limit& limit) {
        if (limit.rule().scope == limit_scope::local) return make_local_counter(limit.rule());
        return global_limits_.counter(tenant_name, limit.name(), limit.rule(), limit.largest_cost());
    }

    /// One set of listening sockets for each worker.
    std::vector<std::vector<worker::listening>> bind_listeners(std::size_t count) {
        std::vector<std::vector<worker::listening>> sockets(count);
        for (const listener_options& listener : settings_.listeners) {
            auto address = literal_address(listener.bind);
            if (!address) throw std::runtime_error("cannot listen on " + listener.bind.to_string() + ": not an IP address or usable path");
            const bool given = listener.from == tenant_source::listener;
            // So that monitoring shows it from the beginning.
            if (given) static_cast<void>(tenants_.find(listener.tenant));
            file_descriptor first = listen_on(*address);
            if (listener.bind.is_unix()) socket_files_.add(listener.bind.unix_path);
            address = local_address(first.get());  // now with the port that 0 became
            for (std::size_t i = 1; i < count; ++i) {
                // Connections to a unix socket cannot be spread by the kernel: the workers share its one queue.
                sockets[i].push_back({listener.bind.is_unix() ? file_descriptor(::dup(first.get())) : listen_on(*address), listener.tenant});
            }
            sockets[0].push_back({std::move(first), listener.tenant});
            log_info("listening", {{"address", address->to_string()},
                                   given ? log_field("tenant", listener.tenant) : log_field("tenant_from", "auth")});
        }
        return sockets;
    }

    void warn_of_trust() const {
        for (const auto& [name, declared] : tenants_.configured()->tenants) {
            const script_options& scripts = declared.scripts;
            if (scripts.mode == script_mode::trust) {
                log_warning("scripts of this tenant may read and change every tenant's keys (scripts.mode: trust)",
                            {{"tenant", name}});
            } else if (scripts.mode == script_mode::acl && scripts.accepts_shared_interpreter) {
                log_warning("scripts of this tenant run also where they can meddle with others' "
                            "(scripts.shared_interpreter: accept)",
                            {{"tenant", name}});
            }
        }
    }

    void fill_admin_state() {
        admin_state_.version = WEIR_VERSION;
        for (const auto& counters : counters_) admin_state_.workers.push_back(counters.get());
        admin_state_.accounts = [this] { return tenants_.accounts(); };
        admin_state_.limit_store = [this] { return global_limits_.numbers(); };
        admin_state_.dedicated_max = settings_.upstream.pool.max;
        admin_state_.circuit = process_.circuit;
        if (fallback_) admin_state_.fallback = [this] { return fallback_->numbers(); };
        admin_state_.snapshot = [this] { return snapshot_; };
    }

    void publish(std::shared_ptr<const upstream_snapshot> snapshot) {
        snapshot_ = std::move(snapshot);
        for (auto& one : workers_) one->post_snapshot(snapshot_);
    }

    void await_signal() {
        signals_.async_wait([this](const boost::system::error_code& error, int signal) {
            if (error) return;
            if (signal == SIGHUP) {
                reload();
                return await_signal();
            }
            drain(signal);
        });
    }

    /// Reads the file on a thread of its own, as one with many tenants takes seconds; what came meanwhile is read after it.
    void reload() {
        if (std::exchange(reload_, reload_state::reading) != reload_state::idle) {
            reload_ = reload_state::again;
            return;
        }
        boost::asio::post(reader_, [this, running = tenants_.configured()] {
            auto fresh = std::make_shared<load_result>(load_config(file_));
            std::shared_ptr<reload_plan> plan;
            if (*fresh) plan = std::make_shared<reload_plan>(plan_reload(*running, std::move(*fresh->loaded)));
            boost::asio::post(control_, [this, fresh, plan] {
                take(fresh->errors, plan.get());
                if (std::exchange(reload_, reload_state::idle) == reload_state::again) reload();
            });
        });
    }

    /// All of the file is taken, or nothing of it; what cannot change while weir runs is said.
    void take(const std::vector<config_error>& errors, reload_plan* plan) {
        for (const auto& error : errors) log_error("configuration not taken", {{"error", error.to_string()}});
        if (plan == nullptr) return admin_state_.failed_reloads.add();
        for (const auto& reason : plan->contradictions) log_error("configuration not taken", {{"error", reason}});
        if (!plan->contradictions.empty()) return admin_state_.failed_reloads.add();
        for (const auto& option : plan->needs_restart) {
            log_warning("a change of this option needs a restart; it stays as it was", {{"option", option}});
        }
        if (plan->breaker_changed) circuit_->configure(*plan->next.breaker, std::chrono::steady_clock::now());
        tenants_.load(std::make_shared<const options>(std::move(plan->next)), limit_now());
        for (auto& one : workers_) one->post_tenants_changed();
        admin_state_.reloads.add();
        log_info("configuration loaded", {{"file", file_},
                                          {"tenants_added", plan->added.size()},
                                          {"tenants_removed", plan->removed.size()},
                                          {"tenants_changed", plan->changed.size()}});
    }

    void sweep() {
        sweeping_.expires_after(sweep_interval);
        sweeping_.async_wait([this](const boost::system::error_code& error) {
            if (error) return;
            tenants_.sweep(limit_now());
            sweep();
        });
    }

    void drain(int signal) {
        log_info("draining", {{"signal", signal}, {"clients", process_.clients.load()}});
        admin_state_.draining = true;
        draining_ = workers_.size();
        for (auto& one : workers_) {
            one->begin_drain([this] {
                boost::asio::post(control_, [this] {
                    if (--draining_ == 0) finish();
                });
            });
        }
        deadline_.expires_after(settings_.drain_timeout);
        deadline_.async_wait([this](const boost::system::error_code& error) {
            if (error) return;
            log_warning("drain_timeout passed, closing what is left", {{"clients", process_.clients.load()}});
            finish();
        });
    }

    void finish() {
        deadline_.cancel();
        sweeping_.cancel();
        probe_.stop();
        if (admin_) admin_->stop();
        global_limits_.stop([this] { control_.stop(); });
    }

    static constexpr std::chrono::seconds sweep_interval{1};

    const options settings_;  ///< of the process: all but tenants, whom tenants_ has
    const std::string file_;
    const std::size_t worker_count_;
    std::vector<std::unique_ptr<worker_counters>> counters_;
    tenant_registry tenants_;
    process_state process_;
    unix_socket_files socket_files_;
    std::shared_ptr<const upstream_snapshot> snapshot_ = std::make_shared<const upstream_snapshot>();
    boost::asio::io_context control_{1};
    boost::asio::signal_set signals_{control_, SIGTERM, SIGINT, SIGHUP};
    boost::asio::steady_timer deadline_{control_};
    boost::asio::steady_timer sweeping_{control_};
    enum class reload_state { idle, reading, again } reload_ = reload_state::idle;
    boost::asio::thread_pool reader_{1};
    health_probe probe_{control_, settings_.upstream,
                        [this](std::shared_ptr<const upstream_snapshot> fresh) { publish(std::move(fresh)); }};
    global_limits global_limits_{control_, settings_.upstream};
    admin_state admin_state_;
    std::optional<admin_server> admin_;
    std::size_t draining_ = 0;
    std::optional<breaker> circuit_;
    std::optional<fallback_service> fallback_;  ///< stopped before the workers end, to whom its answers go
    std::vector<std::unique_ptr<worker>> workers_;
    std::vector<std::thread> threads_;
    slow_work slow_work_;  ///< ends before the workers, whom its tasks answer
};

}  // namespace

std::size_t automatic_workers() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    std::size_t cores = 1;
    if (::sched_getaffinity(0, sizeof allowed, &allowed) == 0) cores = static_cast<std::size_t>(CPU_COUNT(&allowed));
    // cgroup v2, as seen from inside a container: "max 100000" or "quota period" in microseconds.
    std::ifstream file("/sys/fs/cgroup/cpu.max");
    double quota = 0;
    double period = 0;
    if (file >> quota >> period && period > 0) {
        cores = std::min(cores, static_cast<std::size_t>(quota / period + 0.999));
    }
    return std::max<std::size_t>(cores, 1);
}

exit_code run_app(options loaded, const std::string& file) {
    const auto settings = std::make_shared<const options>(std::move(loaded));
    init_logging(settings->log);
    std::signal(SIGPIPE, SIG_IGN);
    const std::size_t descriptors = raise_descriptor_limit();
    if (descriptors < settings->clients.max_connections + 100) {
        log_warning("the limit of open files is below clients.max_connections", {{"limit", descriptors}});
    }
    try {
        app{settings, file}.run();
    } catch (const std::exception& fault) {
        log_error("cannot start", {{"reason", fault.what()}});
        return exit_code::cannot_start;
    }
    return exit_code::ok;
}

}  // namespace weir
