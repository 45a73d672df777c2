#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace weir {

/// A number that one worker writes and the control thread reads: a plain add for the writer, no lock prefix and no
/// contention. Gauges use `sub` as well; a gauge's sum over workers is exact, each worker's own part may lag.
class counter {
public:
    void add(std::uint64_t n = 1) { set(get() + n); }
    void sub(std::uint64_t n = 1) { set(get() - n); }
    void set(std::uint64_t n) { value_.store(n, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

/// Adds one to a gauge, until the last copy of what it returns is gone.
[[nodiscard]] inline std::shared_ptr<const void> count_in(counter& gauge) {
    gauge.add();
    return {&gauge, [&gauge](const void*) { gauge.sub(); }};
}

/// How a command ended, as the `result` label of weir_commands_total shows it.
enum class command_result : std::uint8_t {
    ok,       ///< answered by the upstream
    error,    ///< the upstream answered with an error reply
    local,    ///< answered by weir itself
    refused,  ///< not let through: unknown, unsafe, malformed
    failed,   ///< the upstream was away, timed out or broke the connection
    fallback,  ///< answered without the upstream
};
inline constexpr std::size_t command_results = 6;

/// Time from reading a command to its reply, in buckets of powers of two: bucket i holds durations below 2^(i+5) µs
/// (32 µs, 64 µs, … 8.4 s); the last bucket holds the rest.
class latency_histogram {
public:
    static constexpr std::size_t buckets = 20;
    static constexpr std::chrono::microseconds bound(std::size_t bucket) {
        return std::chrono::microseconds{std::int64_t{32} << bucket};
    }

    void record(std::uint32_t microseconds) {
        const auto width = static_cast<std::size_t>(std::bit_width(microseconds));
        counts_[std::min(width < 5 ? 0 : width - 5, buckets - 1)].add();
        sum_microseconds_.add(microseconds);
    }
    /// Of this bucket alone, not cumulative.
    [[nodiscard]] std::uint64_t count(std::size_t bucket) const { return counts_[bucket].get(); }
    [[nodiscard]] std::uint64_t sum_microseconds() const { return sum_microseconds_.get(); }

private:
    std::array<counter, buckets> counts_;
    counter sum_microseconds_;
};

/// What one worker counts for one limit of a tenant: commands, by what became of them.
struct limit_counts {
    counter allowed;
    counter refused;
    counter delayed;  ///< made to wait; allowed or refused afterwards
};

/// What one worker counts for one tenant.
struct tenant_counters {
    std::array<counter, command_results> commands;
    latency_histogram latency;  ///< of commands with result ok or error
    counter received_bytes;     ///< from clients
    counter sent_bytes;         ///< to clients
    counter connections;        ///< gauge
    counter connections_total;
    counter blocked;             ///< gauge: clients in a blocking command
    counter tracking;            ///< gauge: clients with CLIENT TRACKING on
    counter subscribers;         ///< gauge: clients with a subscription
    counter messages_delivered;  ///< to subscribers; a message for two counts two
    counter refused_connections;  ///< over its quotas.max_connections
    counter quota_pauses;         ///< times that a client was not read because of quotas
    counter fallback_postgres;  ///< commands that Postgres answered while the upstream was away
    counter fallback_memory;   ///< that the memory store answered
    counter fallback_empty;    ///< that were answered as if there were no keys (last_resort: empty)
    counter fallback_refused;  ///< that nothing could answer

    [[nodiscard]] counter& result(command_result r) { return commands[static_cast<std::size_t>(r)]; }
};

/// What one worker counts. Written by its worker alone, read by the control thread at any time; lives as long as
/// the process' app.
struct worker_counters {
    counter rejected_connections;          ///< over clients.max_connections
    counter protocol_errors;               ///< clients cut off for malformed requests
    counter output_limit_disconnects;      ///< clients cut off over clients.max_unsent_bytes
    counter idle_disconnects;
    counter subscriber_disconnects;  ///< subscribers cut off for messages that they did not take

    counter shared_connections;     ///< gauge: ready shared upstream connections
    counter dedicated_connections;  ///< gauge: dedicated upstream connections, idle ones included
    counter dedicated_idle;         ///< gauge
    counter dedicated_waiting;      ///< gauge: sessions that wait for one
    counter upstream_subscriptions;  ///< gauge: channels and patterns that the upstream sends us messages of
    counter in_flight;              ///< gauge: commands sent upstream and not yet answered
    counter upstream_connects;
    counter upstream_connect_failures;
    counter upstream_lost;  ///< connections that broke after they were ready
    counter upstream_timeouts;
    counter upstream_sent_bytes;
    counter upstream_received_bytes;
};

}  // namespace weir
