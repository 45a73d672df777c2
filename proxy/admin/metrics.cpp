#include "proxy/admin/metrics.hpp"

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <span>
#include <sstream>
#include <string_view>
#include <utility>

#include "proxy/limits/limit_clock.hpp"

namespace weir {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

/// What one scrape looks at.
struct scrape {
    const admin_state& state;
    std::shared_ptr<const upstream_snapshot> upstream;
    std::vector<std::shared_ptr<tenant_account>> tenants;
    std::optional<breaker_numbers> circuit;
    std::optional<fallback_numbers> fallback;
};

struct metric_row {
    const char* name;
    MetricType type;
    const char* help;
    void (*collect)(const scrape&, MetricFamily&);
};

void add(MetricFamily& family, double value, std::vector<ClientMetric::Label> labels = {}) {
    ClientMetric& metric = family.metric.emplace_back();
    metric.label = std::move(labels);
    (family.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
}

template <counter worker_counters::*Which>
void over_workers(const scrape& s, MetricFamily& family) {
    add(family, static_cast<double>(s.state.total(Which)));
}

template <counter tenant_counters::*Which>
void by_tenant(const scrape& s, MetricFamily& family) {
    for (const auto& tenant : s.tenants) add(family, static_cast<double>(tenant->total(Which)), {{"tenant", tenant->name()}});
}

void commands(const scrape& s, MetricFamily& family) {
    static constexpr std::array<const char*, command_results> results{"ok", "error", "local", "refused",
                                                                      "failed", "fallback"};
    for (const auto& tenant : s.tenants) {
        for (std::size_t result = 0; result < results.size(); ++result) {
            std::uint64_t sum = 0;
            for (std::size_t worker = 0; worker < tenant->workers(); ++worker) {
                sum += tenant->counters(worker).commands[result].get();
            }
            add(family, static_cast<double>(sum), {{"tenant", tenant->name()}, {"result", results[result]}});
        }
    }
}

/// Calls `collect` with each limit of each tenant and their names as labels.
template <typename Collect>
void over_limits(const scrape& s, Collect collect) {
    for (const auto& tenant : s.tenants) {
        const tenant_account::terms terms = tenant->present();
        const auto limits = terms.whose->rules().limits();
        for (std::size_t i = 0; i < limits.size(); ++i) {
            collect(limits[i], *terms.limits[i],
                    std::vector<ClientMetric::Label>{{"tenant", tenant->name()}, {"limit", limits[i].name()}});
        }
    }
}

void limit_commands(const scrape& s, MetricFamily& family) {
    using part = counter limit_counts::*;
    static constexpr std::array<std::pair<const char*, part>, 3> decisions{
        {{"allowed", &limit_counts::allowed}, {"refused", &limit_counts::refused}, {"delayed", &limit_counts::delayed}}};
    over_limits(s, [&](const tenant_limit&, const limit_account& account, const std::vector<ClientMetric::Label>& labels) {
        for (const auto& [decision, which] : decisions) {
            std::uint64_t sum = 0;
            for (const limit_counts& one : account.counts) sum += (one.*which).get();
            auto with_decision = labels;
            with_decision.push_back({"decision", decision});
            add(family, static_cast<double>(sum), std::move(with_decision));
        }
    });
}

void limit_remaining(const scrape& s, MetricFamily& family) {
    over_limits(s, [&](const tenant_limit& limit, const limit_account& account, const std::vector<ClientMetric::Label>& labels) {
        add(family, static_cast<double>(account.counter->standing(limit.rule(), limit_now()).remaining), labels);
    });
}

ClientMetric::Histogram latency(const tenant_account& tenant) {
    ClientMetric::Histogram out;
    for (std::size_t bucket = 0; bucket < latency_histogram::buckets; ++bucket) {
        for (std::size_t worker = 0; worker < tenant.workers(); ++worker) {
            out.sample_count += tenant.counters(worker).latency.count(bucket);
        }
        const bool last = bucket + 1 == latency_histogram::buckets;
        const double bound = std::chrono::duration<double>(latency_histogram::bound(bucket)).count();
        out.bucket.push_back({out.sample_count, last ? std::numeric_limits<double>::infinity() : bound});
    }
    for (std::size_t worker = 0; worker < tenant.workers(); ++worker) {
        out.sample_sum += static_cast<double>(tenant.counters(worker).latency.sum_microseconds()) / 1e6;
    }
    return out;
}

void command_duration(const scrape& s, MetricFamily& family) {
    for (const auto& tenant : s.tenants) {
        ClientMetric& metric = family.metric.emplace_back();
        metric.label = {{"tenant", tenant->name()}};
        metric.histogram = latency(*tenant);
    }
}

global_limits_numbers limit_store(const scrape& s) {
    return s.state.limit_store ? s.state.limit_store() : global_limits_numbers{};
}

void reloads(const scrape& s, MetricFamily& family) {
    add(family, static_cast<double>(s.state.reloads.get()), {{"result", "ok"}});
    add(family, static_cast<double>(s.state.failed_reloads.get()), {{"result", "failed"}});
}

void upstream_ping(const scrape& s, MetricFamily& family) {
    if (s.upstream->ping) add(family, std::chrono::duration<double>(*s.upstream->ping).count());
}

/// The second number of /proc/self/statm: resident pages.
void resident_memory(const scrape&, MetricFamily& family) {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t virtual_pages = 0;
    std::uint64_t resident_pages = 0;
    if (!(statm >> virtual_pages >> resident_pages)) return;
    add(family, static_cast<double>(resident_pages) * static_cast<double>(::sysconf(_SC_PAGESIZE)));
}

void cpu_seconds(const scrape&, MetricFamily& family) {
    rusage usage{};
    if (::getrusage(RUSAGE_SELF, &usage) != 0) return;
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    add(family, seconds(usage.ru_utime) + seconds(usage.ru_stime));
}

void open_fds(const scrape&, MetricFamily& family) {
    std::error_code error;
    double count = 0;
    for (std::filesystem::directory_iterator at("/proc/self/fd", error), end; !error && at != end;
         at.increment(error)) {
        ++count;
    }
    // The listing itself holds one.
    if (!error) add(family, count - 1);
}

void max_fds(const scrape&, MetricFamily& family) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) add(family, static_cast<double>(limit.rlim_cur));
}

void start_time(const scrape& s, MetricFamily& family) {
    add(family, std::chrono::duration<double>(s.state.started.time_since_epoch()).count());
}

constexpr std::array breaker_states{breaker_state::closed, breaker_state::open, breaker_state::half_open,
                                    breaker_state::forced_open, breaker_state::disabled};

void breaker_state_of(const scrape& s, MetricFamily& family) {
    if (!s.circuit) return;
    for (const auto one : breaker_states) add(family, s.circuit->state == one ? 1 : 0, {{"state", std::string(to_string(one))}});
}

void breaker_transitions(const scrape& s, MetricFamily& family) {
    if (!s.circuit) return;
    for (const auto one : breaker_states) {
        add(family, static_cast<double>(s.circuit->transitions_total[static_cast<std::size_t>(one)]), {{"to", std::string(to_string(one))}});
    }
}

void breaker_calls(const scrape& s, MetricFamily& family) {
    if (!s.circuit) return;
    add(family, static_cast<double>(s.circuit->successes_total), {{"result", "success"}});
    for (std::size_t i = 0; i < breaker_failures; ++i) {
        add(family, static_cast<double>(s.circuit->failures_total[i]), {{"result", std::string(to_string(breaker_failure(i)))}});
    }
}

void breaker_dry_run_openings(const scrape& s, MetricFamily& family) {
    if (s.circuit) add(family, static_cast<double>(s.circuit->dry_run_openings_total));
}

void fallback_answers(const scrape& s, MetricFamily& family) {
    using part = counter tenant_counters::*;
    static constexpr std::array<std::pair<const char*, part>, 4> stores{{{"postgres", &tenant_counters::fallback_postgres},
                                                                         {"memory", &tenant_counters::fallback_memory},
                                                                         {"empty", &tenant_counters::fallback_empty},
                                                                         {"refused", &tenant_counters::fallback_refused}}};
    if (!s.circuit) return;
    for (const auto& tenant : s.tenants) {
        for (const auto& [store, which] : stores) {
            add(family, static_cast<double>(tenant->total(which)), {{"tenant", tenant->name()}, {"store", store}});
        }
    }
}

template <auto fallback_numbers::*Which>
void of_fallback(const scrape& s, MetricFamily& family) {
    if (s.fallback) add(family, static_cast<double>((*s.fallback).*Which));
}

template <auto shared_store_numbers::*Which>
void of_postgres(const scrape& s, MetricFamily& family) {
    if (s.fallback && s.fallback->postgres) add(family, static_cast<double>((*s.fallback->postgres).*Which));
}

void postgres_oldest(const scrape& s, MetricFamily& family) {
    if (s.fallback && s.fallback->postgres) add(family, std::chrono::duration<double>(s.fallback->postgres->oldest).count());
}

void postgres_connections(const scrape& s, MetricFamily& family) {
    if (!s.fallback || !s.fallback->postgres) return;
    const pg::pool_numbers& pool = s.fallback->postgres->pool;
    add(family, static_cast<double>(pool.size - pool.available), {{"state", "used"}});
    add(family, static_cast<double>(pool.available), {{"state", "idle"}});
}

template <auto pg::pool_numbers::*Which>
void of_pool(const scrape& s, MetricFamily& family) {
    if (s.fallback && s.fallback->postgres) add(family, static_cast<double>(s.fallback->postgres->pool.*Which));
}

constexpr auto counter_type = MetricType::Counter;
constexpr auto gauge_type = MetricType::Gauge;

/// Every metric, in the order of the page. tests/proxy/metrics.golden has the same list for those who read
/// dashboards.
// clang-format off
constexpr std::array metric_rows{
    metric_row{"weir_build_info", gauge_type, "Always 1; the version is a label.",
        [](const scrape& s, MetricFamily& f) { add(f, 1, {{"version", s.state.version}}); }},
    metric_row{"weir_ready", gauge_type, "1 when clients can be served and weir is not draining.",
        [](const scrape& s, MetricFamily& f) { add(f, s.state.ready && !s.state.draining ? 1 : 0); }},
    metric_row{"weir_draining", gauge_type, "1 while weir finishes what is in flight before it ends.",
        [](const scrape& s, MetricFamily& f) { add(f, s.state.draining ? 1 : 0); }},
    metric_row{"weir_workers", gauge_type, "Worker threads.",
        [](const scrape& s, MetricFamily& f) { add(f, static_cast<double>(s.state.workers.size())); }},

    metric_row{"weir_commands_total", counter_type,
        "Commands by how they ended: ok and error (the upstream's reply), local (answered by weir), refused (not let through), failed (no reply to be had), fallback (answered without the upstream).",
        commands},
    metric_row{"weir_command_duration_seconds", MetricType::Histogram,
        "Time from reading a command to its reply, of commands that the upstream answered.", command_duration},
    metric_row{"weir_client_connections", gauge_type, "Open client connections.", by_tenant<&tenant_counters::connections>},
    metric_row{"weir_client_connections_total", counter_type, "Client connections accepted.",
        by_tenant<&tenant_counters::connections_total>},
    metric_row{"weir_client_received_bytes_total", counter_type, "Bytes read from clients.",
        by_tenant<&tenant_counters::received_bytes>},
    metric_row{"weir_client_sent_bytes_total", counter_type, "Bytes written to clients.",
        by_tenant<&tenant_counters::sent_bytes>},
    metric_row{"weir_client_connections_rejected_total", counter_type, "Client connections turned away over clients.max_connections.",
        over_workers<&worker_counters::rejected_connections>},
    metric_row{"weir_client_protocol_errors_total", counter_type, "Clients cut off for malformed requests.",
        over_workers<&worker_counters::protocol_errors>},
    metric_row{"weir_client_output_limit_disconnects_total", counter_type, "Clients cut off over clients.max_unsent.",
        over_workers<&worker_counters::output_limit_disconnects>},
    metric_row{"weir_blocked_clients", gauge_type, "Clients that wait in a blocking command.",
        by_tenant<&tenant_counters::blocked>},
    metric_row{"weir_tracking_clients", gauge_type, "Clients with CLIENT TRACKING on.",
        by_tenant<&tenant_counters::tracking>},
    metric_row{"weir_subscribers", gauge_type, "Clients with a subscription.", by_tenant<&tenant_counters::subscribers>},
    metric_row{"weir_messages_delivered_total", counter_type, "Messages given to subscribers; one for two of them counts two.",
        by_tenant<&tenant_counters::messages_delivered>},
    metric_row{"weir_subscriber_disconnects_total", counter_type,
        "Subscribers cut off over clients.subscriber_max_unsent or subscriber_soft_unsent.",
        over_workers<&worker_counters::subscriber_disconnects>},
    metric_row{"weir_limit_commands_total", counter_type,
        "Commands that a limit counts, by its decision: allowed, refused, or delayed (and then allowed or refused).", limit_commands},
    metric_row{"weir_limit_remaining", gauge_type, "What of a limit is left now, in units of its cost.", limit_remaining},
    metric_row{"weir_limit_store_up", gauge_type,
        "0 when the upstream does not answer for limits with scope global, which then are open or closed (on_store_down).",
        [](const scrape& s, MetricFamily& f) { add(f, limit_store(s).store_away ? 0 : 1); }},
    metric_row{"weir_limit_store_exchanges_total", counter_type, "Questions to the upstream about limits with scope global.",
        [](const scrape& s, MetricFamily& f) { add(f, static_cast<double>(limit_store(s).exchanges)); }},
    metric_row{"weir_limit_store_failures_total", counter_type, "Of these, those without an answer of any use.",
        [](const scrape& s, MetricFamily& f) { add(f, static_cast<double>(limit_store(s).failures)); }},
    metric_row{"weir_client_connections_refused_total", counter_type, "Client connections turned away over quotas.max_connections.",
        by_tenant<&tenant_counters::refused_connections>},
    metric_row{"weir_quota_pauses_total", counter_type,
        "Times that a client was not read for a while over quotas.max_in_flight, received or sent.",
        by_tenant<&tenant_counters::quota_pauses>},
    metric_row{"weir_config_reloads_total", counter_type, "Times that the configuration was loaded again, by whether it was taken.",
        reloads},
    metric_row{"weir_client_idle_disconnects_total", counter_type, "Clients cut off over clients.idle_timeout.",
        over_workers<&worker_counters::idle_disconnects>},

    metric_row{"weir_upstream_up", gauge_type, "1 when the upstream answered the last health probe.",
        [](const scrape& s, MetricFamily& f) { add(f, s.upstream->connected ? 1 : 0); }},
    metric_row{"weir_upstream_ping_seconds", gauge_type, "How long the upstream took to answer the last PING of the health probe.",
        upstream_ping},
    metric_row{"weir_upstream_shared_connections", gauge_type, "Ready upstream connections that many clients share.",
        over_workers<&worker_counters::shared_connections>},
    metric_row{"weir_upstream_dedicated_connections", gauge_type, "Upstream connections of the pool, idle ones included.",
        over_workers<&worker_counters::dedicated_connections>},
    metric_row{"weir_upstream_dedicated_connections_idle", gauge_type, "Upstream connections of the pool that no client holds.",
        over_workers<&worker_counters::dedicated_idle>},
    metric_row{"weir_upstream_dedicated_connections_max", gauge_type, "Most upstream connections the pool may have (upstream.pool.max).",
        [](const scrape& s, MetricFamily& f) { add(f, static_cast<double>(s.state.dedicated_max)); }},
    metric_row{"weir_upstream_dedicated_waiting", gauge_type, "Clients that wait for an upstream connection of the pool.",
        over_workers<&worker_counters::dedicated_waiting>},
    metric_row{"weir_upstream_subscriptions", gauge_type, "Channels and patterns that the upstream sends messages of.",
        over_workers<&worker_counters::upstream_subscriptions>},
    metric_row{"weir_upstream_in_flight_commands", gauge_type, "Commands sent upstream and not yet answered.",
        over_workers<&worker_counters::in_flight>},
    metric_row{"weir_upstream_connects_total", counter_type, "Upstream connections made.",
        over_workers<&worker_counters::upstream_connects>},
    metric_row{"weir_upstream_connect_failures_total", counter_type, "Upstream connections that could not be made.",
        over_workers<&worker_counters::upstream_connect_failures>},
    metric_row{"weir_upstream_connections_lost_total", counter_type, "Upstream connections that broke after they were ready.",
        over_workers<&worker_counters::upstream_lost>},
    metric_row{"weir_upstream_timeouts_total", counter_type, "Commands that the upstream did not answer within upstream.command_timeout.",
        over_workers<&worker_counters::upstream_timeouts>},
    metric_row{"weir_upstream_sent_bytes_total", counter_type, "Bytes written to the upstream.",
        over_workers<&worker_counters::upstream_sent_bytes>},
    metric_row{"weir_upstream_received_bytes_total", counter_type, "Bytes read from the upstream.",
        over_workers<&worker_counters::upstream_received_bytes>},

    metric_row{"weir_breaker_state", gauge_type, "1 for the state that the circuit breaker is in, 0 for the others; nothing without a breaker.",
        breaker_state_of},
    metric_row{"weir_breaker_transitions_total", counter_type, "Times that the circuit breaker went into a state.", breaker_transitions},
    metric_row{"weir_breaker_calls_total", counter_type,
        "Calls that the circuit breaker was told of: success, or why they failed; probe: looks of the health probe that failed.",
        breaker_calls},
    metric_row{"weir_breaker_dry_run_openings_total", counter_type, "Times that the circuit breaker would have opened, were it not in dry run.",
        breaker_dry_run_openings},
    metric_row{"weir_fallback_answers_total", counter_type,
        "Commands while the breaker kept them from the upstream: answered by postgres or memory, answered as if there were no keys (empty), or refused.",
        fallback_answers},
    metric_row{"weir_fallback_keys", gauge_type, "Keys in the memory store.", of_fallback<&fallback_numbers::memory_keys>},
    metric_row{"weir_fallback_bytes", gauge_type, "What they take (fallback.memory.max_bytes is the most).",
        of_fallback<&fallback_numbers::memory_bytes>},
    metric_row{"weir_fallback_evictions_total", counter_type, "Keys that the memory store dropped to make room.",
        of_fallback<&fallback_numbers::evicted_total>},
    metric_row{"weir_fallback_copies_total", counter_type, "Values remembered from what tenants read and wrote.",
        of_fallback<&fallback_numbers::observed_total>},
    metric_row{"weir_fallback_journal_operations", gauge_type, "Accepted writes that wait to be replayed.",
        of_fallback<&fallback_numbers::journal_operations>},
    metric_row{"weir_fallback_journal_bytes", gauge_type, "What they take (fallback.memory.max_journal is the most).",
        of_fallback<&fallback_numbers::journal_bytes>},
    metric_row{"weir_fallback_replayed_total", counter_type, "Accepted writes replayed when the upstream was back.",
        of_fallback<&fallback_numbers::replayed_total>},
    metric_row{"weir_fallback_replay_refused_total", counter_type, "Of these, those that the upstream answered with an error.",
        of_fallback<&fallback_numbers::refused_by_redis_total>},
    metric_row{"weir_fallback_dropped_total", counter_type, "Keys written without the upstream and given up when it was back.",
        of_fallback<&fallback_numbers::dropped_total>},
    metric_row{"weir_postgres_available", gauge_type, "1 when Postgres could answer, as far as is known; nothing without it.",
        of_postgres<&shared_store_numbers::available>},
    metric_row{"weir_postgres_in_use", gauge_type, "1 while this weir answers from Postgres.", of_postgres<&shared_store_numbers::in_use>},
    metric_row{"weir_postgres_journal_operations", gauge_type, "Accepted writes of all weirs that Redis has not got yet.",
        of_postgres<&shared_store_numbers::journal_rows>},
    metric_row{"weir_postgres_journal_bytes", gauge_type, "What they take.", of_postgres<&shared_store_numbers::journal_bytes>},
    metric_row{"weir_postgres_journal_oldest_seconds", gauge_type, "Age of the first of them.", postgres_oldest},
    metric_row{"weir_postgres_dead_letters", gauge_type, "Accepted writes that Redis refused when they were replayed.",
        of_postgres<&shared_store_numbers::dead_letters>},
    metric_row{"weir_postgres_connections", gauge_type, "Open connections to Postgres.", postgres_connections},
    metric_row{"weir_postgres_waiting", gauge_type, "Commands that wait for one.", of_pool<&pg::pool_numbers::pending>},
    metric_row{"weir_postgres_acquire_timeouts_total", counter_type, "Times that none came free in time.",
        of_pool<&pg::pool_numbers::acquire_timeouts_total>},

    metric_row{"process_resident_memory_bytes", gauge_type, "Resident memory of the process.", resident_memory},
    metric_row{"process_cpu_seconds_total", counter_type, "User and system CPU time of the process.", cpu_seconds},
    metric_row{"process_open_fds", gauge_type, "Open file descriptors.", open_fds},
    metric_row{"process_max_fds", gauge_type, "Most file descriptors the process may open.", max_fds},
    metric_row{"process_start_time_seconds", gauge_type, "When the process started, in seconds since 1970.", start_time},
};
// clang-format on

scrape look(const admin_state& state) {
    scrape out{state, state.upstream(), state.tenants(), std::nullopt, std::nullopt};
    if (state.circuit != nullptr) out.circuit = state.circuit->numbers(std::chrono::steady_clock::now());
    if (state.fallback) out.fallback = state.fallback();
    return out;
}

class weir_metrics : public prometheus::Collectable {
public:
    explicit weir_metrics(const admin_state& state) : state_(state) {}

    [[nodiscard]] std::vector<MetricFamily> Collect() const override {
        const scrape current = look(state_);
        std::vector<MetricFamily> families;
        families.reserve(metric_rows.size());
        for (const metric_row& row : metric_rows) {
            MetricFamily& family = families.emplace_back(MetricFamily{row.name, row.help, row.type, {}});
            row.collect(current, family);
        }
        return families;
    }

private:
    const admin_state& state_;
};

}  // namespace

admin_page metrics_page(const admin_state& state) {
    std::ostringstream out;
    prometheus::TextSerializer{}.Serialize(out, weir_metrics(state).Collect());
    return {200, "text/plain; version=0.0.4; charset=utf-8", std::move(out).str()};
}

}  // namespace weir
