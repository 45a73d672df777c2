#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "policy/breaker_options.hpp"
#include "policy/tenant.hpp"

namespace weir {

/// Everything that can be configured, as plain values with their defaults. The loader fills these in from
/// YAML; `reference.yaml` is the manual, and a test holds the two together. Sizes are bytes; a duration of
/// zero means "never" where the field says so and is refused where it does not.

/// Where a socket listens or connects: `host:port`, `[v6]:port` or `unix:/path`.
struct endpoint {
    std::string host;  ///< name or literal address; empty for a unix socket
    std::uint16_t port = 0;
    std::string unix_path;  ///< empty for TCP

    [[nodiscard]] bool is_unix() const { return !unix_path.empty(); }
    /// As it is written in the configuration; an IPv6 host gets its brackets back.
    [[nodiscard]] std::string to_string() const;
    bool operator==(const endpoint&) const = default;
};

/// How a listener knows which tenant a client is.
enum class tenant_source : std::uint8_t {
    listener,  ///< all are the one that the listener names
    auth,      ///< by AUTH, or HELLO with AUTH; until then a client gets NOAUTH
    tls,       ///< by the client's certificate
};

struct listener_options {
    endpoint bind;
    std::string tenant;  ///< whose keys clients of this listener see; empty unless `from` is `listener`
    tenant_source from = tenant_source::listener;
    bool operator==(const listener_options&) const = default;
};

struct pool_options {
    std::size_t min = 0;     ///< dedicated connections kept open by each worker
    std::size_t max = 1000;  ///< over all workers
    std::chrono::milliseconds acquire_timeout{3'000};
    std::chrono::milliseconds connect_timeout{10'000};
    std::chrono::milliseconds idle_timeout{60'000};  ///< 0: kept for ever
    bool operator==(const pool_options&) const = default;
};

/// What becomes of a command whose connection broke after it was sent.
enum class retry_mode : std::uint8_t {
    never,
    reads,              ///< sent once more within its time-out
    idempotent_writes,  ///< also writes that do the same when they are repeated: they may undo what others wrote in between
};

struct upstream_options {
    endpoint address{"127.0.0.1", 6379, ""};
    /// The path of redis://host:port/N: a session starts in this one. SELECT counts from 0 all the same: the
    /// URL does not move a tenant's database 0.
    int database = 0;
    std::string username;  ///< empty: password alone
    std::optional<std::string> password;
    std::chrono::milliseconds command_timeout{5'000};
    /// By a word of command_set without sign (`get`, `@slow`): another time-out than command_timeout. The most particular
    /// word counts: a subcommand's before a command's, a command's before a category's; of categories the shortest time.
    std::map<std::string, std::chrono::milliseconds> timeouts;
    retry_mode retry = retry_mode::reads;
    std::size_t shared_connections = 1;  ///< per worker, protocol version and database
    pool_options pool;
    bool operator==(const upstream_options&) const = default;
};

/// What one client connection may cost.
struct client_options {
    /// Over all listeners; one more gets Redis' own error.
    std::size_t max_connections = 10'000;
    std::chrono::milliseconds idle_timeout{0};         ///< 0: never
    std::chrono::milliseconds tcp_keepalive{300'000};  ///< 0: off
    /// Commands sent upstream and not yet answered; then reading stops.
    std::size_t max_in_flight = 1'024;
    /// Replies the client has not taken; then reading stops.
    std::size_t pause_reading_over_bytes = 1 << 20;
    /// Replies the client has not taken; then it is cut off.
    std::size_t max_unsent_bytes = std::size_t{1} << 30;
    /// One argument (proto-max-bulk-len).
    std::size_t max_bulk_bytes = std::size_t{512} << 20;
    /// One whole request held in memory (client-query-buffer-limit).
    std::size_t max_request_bytes = std::size_t{1} << 30;
    /// A longer request is passed on while it arrives, on a connection of its own.
    std::size_t stream_over_bytes = 64 << 10;
    /// A client that has to authenticate and has not is closed after this. 0: never.
    std::chrono::milliseconds unauthenticated_timeout{60'000};
    /// Messages and replies that a subscribed client has not taken; then it is cut off
    /// (client-output-buffer-limit pubsub: hard limit, soft limit, seconds).
    std::size_t subscriber_max_unsent_bytes = 32 << 20;
    /// The same, when there were more than this all through `subscriber_soft_time`.
    std::size_t subscriber_soft_unsent_bytes = 8 << 20;
    std::chrono::milliseconds subscriber_soft_time{60'000};
    bool operator==(const client_options&) const = default;
};

struct admin_options {
    std::optional<endpoint> bind;  ///< none: no admin listener
    bool operator==(const admin_options&) const = default;
};

enum class log_format : std::uint8_t { text, json };
enum class log_level : std::uint8_t { debug, info, warning, error };

struct log_options {
    log_level level = log_level::info;
    log_format format = log_format::text;
    bool operator==(const log_options&) const = default;
};

enum class fallback_store : std::uint8_t { postgres, memory };

/// Of commands that no store answers.
enum class fallback_last_resort : std::uint8_t {
    error,
    empty,  ///< reads are answered as if the tenant had no keys; writes get the error
};

/// Copies of what tenants read and wrote through weir, for an outage to come.
struct remember_options {
    bool reads = false;
    bool writes = false;
    std::vector<std::string> keys{"*"};           ///< glob patterns over the tenants' own names
    std::chrono::milliseconds max_age{300'000};   ///< an older copy counts as absent
    std::size_t max_value_bytes = 64 << 10;
    /// Copies taken at most, over all workers; what is beyond is not remembered (and what was, is forgotten when it changes).
    limit_rate rate{1'000, std::chrono::milliseconds{1'000}};
    bool operator==(const remember_options&) const = default;
};

struct memory_options {
    std::size_t max_bytes = 64 << 20;
    bool replay = false;                        ///< writes accepted while Redis is away go to it when it returns
    std::size_t max_journal_bytes = 16 << 20;   ///< of these; then writes are refused
    bool operator==(const memory_options&) const = default;
};

struct postgres_pool_options {
    std::size_t min = 1;
    std::size_t max = 10;
    std::chrono::milliseconds acquire_timeout{1'000};
    std::chrono::milliseconds connect_timeout{5'000};
    std::chrono::milliseconds idle_timeout{60'000};  ///< 0: kept for ever
    bool operator==(const postgres_pool_options&) const = default;
};

struct postgres_options {
    std::optional<std::string> dsn;  ///< as libpq reads it
    std::string schema = "weir";
    std::chrono::milliseconds statement_timeout{2'000};
    /// Before the first client: how long weir waits to be told whether the journal holds writes that Redis has not got.
    std::chrono::milliseconds start_timeout{5'000};
    std::size_t max_journal_bytes = std::size_t{1} << 30;  ///< then writes are refused
    postgres_pool_options pool;
    bool operator==(const postgres_options&) const = default;
};

/// What answers while the breaker is not closed. Which keys may is in tenant_terms.
struct fallback_options {
    std::vector<fallback_store> order;
    fallback_last_resort last_resort = fallback_last_resort::error;
    postgres_options postgres;
    memory_options memory;
    remember_options remember;
    [[nodiscard]] bool has(fallback_store store) const { return std::ranges::find(order, store) != order.end(); }
    [[nodiscard]] bool exists() const { return !order.empty() || last_resort != fallback_last_resort::error; }
    bool operator==(const fallback_options&) const = default;
};

struct options {
    std::size_t workers = 0;  ///< 0 (`auto`): the cgroup's CPU quota, or the cores of the affinity mask
    std::chrono::milliseconds drain_timeout{10'000};
    std::vector<listener_options> listeners;
    upstream_options upstream;
    std::optional<breaker_options> breaker;  ///< none: there is no breaker, and so no fallback
    fallback_options fallback;
    shared_terms tenant_defaults;
    std::map<std::string, shared_terms> plans;  ///< with the defaults where a plan says nothing
    std::map<std::string, tenant_options> tenants;
    client_options clients;
    admin_options admin;
    log_options log;
    bool operator==(const options&) const = default;
};

}  // namespace weir
