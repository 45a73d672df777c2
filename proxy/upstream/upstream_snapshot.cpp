#include "proxy/upstream/upstream_snapshot.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include "protocol/ascii.hpp"

namespace weir {
namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), to_lower);
    return out;
}

/// A section of INFO, in the order and under the titles of Redis 7.0.15.
struct shown_section {
    std::string_view title;
    std::string_view name;
    std::string_view alias;  ///< another name that selects it; may be empty
    bool by_default;
};

constexpr std::array shown_sections{
    shown_section{"Server", "server", "", true},
    shown_section{"Clients", "clients", "", true},
    shown_section{"Memory", "memory", "", true},
    shown_section{"Persistence", "persistence", "", true},
    shown_section{"Stats", "stats", "", true},
    shown_section{"Replication", "replication", "", true},
    shown_section{"CPU", "cpu", "", true},
    shown_section{"Modules", "modules", "module_list", true},
    shown_section{"Commandstats", "commandstats", "", false},
    shown_section{"Errorstats", "errorstats", "", true},
    shown_section{"Latencystats", "latencystats", "", false},
    shown_section{"Cluster", "cluster", "", true},
    shown_section{"Keyspace", "keyspace", "", true},
};

enum class field_source : std::uint8_t {
    server,          ///< as the server says; left out when it does not
    server_or_zero,  ///< clients wait for this one, so it is always there
    fixed,           ///< `text`
    tenant,          ///< `own`
    max_clients,
};

/// A field that tenants may see. What is not in this list is what others do, or how the server can be
/// reached.
struct shown_field {
    std::string_view section;
    std::string_view name;
    field_source source = field_source::server;
    std::string_view text = {};
    std::uint64_t tenant_view::*own = nullptr;
};

/// A number of the tenant's own.
constexpr shown_field own(std::string_view section, std::string_view name,
                          std::uint64_t tenant_view::*number) {
    return {section, name, field_source::tenant, {}, number};
}

constexpr std::array shown_fields{
    shown_field{"server", "redis_version"},
    shown_field{"server", "server_name"},
    shown_field{"server", "valkey_version"},
    shown_field{"server", "redis_git_sha1"},
    shown_field{"server", "redis_git_dirty"},
    shown_field{"server", "redis_build_id"},
    shown_field{"server", "redis_mode"},
    shown_field{"server", "server_mode"},  // Valkey's name for it
    shown_field{"server", "os"},
    shown_field{"server", "arch_bits"},
    shown_field{"server", "monotonic_clock"},
    shown_field{"server", "multiplexing_api"},
    shown_field{"server", "atomicvar_api"},
    shown_field{"server", "gcc_version"},
    shown_field{"server", "uptime_in_seconds"},
    shown_field{"server", "uptime_in_days"},
    shown_field{"server", "hz"},
    shown_field{"server", "configured_hz"},
    own("clients", "connected_clients", &tenant_view::connected_clients),
    shown_field{"clients", "cluster_connections", field_source::fixed, "0"},
    shown_field{"clients", "maxclients", field_source::max_clients},
    own("clients", "blocked_clients", &tenant_view::blocked_clients),
    own("clients", "tracking_clients", &tenant_view::tracking_clients),
    own("clients", "pubsub_clients", &tenant_view::pubsub_clients),
    // What a tenant holds is not known, but there are clients that do not do without these two.
    shown_field{"memory", "used_memory", field_source::fixed, "0"},
    shown_field{"memory", "used_memory_human", field_source::fixed, "0B"},
    shown_field{"memory", "maxmemory"},
    shown_field{"memory", "maxmemory_human"},
    shown_field{"memory", "maxmemory_policy"},
    shown_field{"memory", "mem_allocator"},
    shown_field{"persistence", "loading", field_source::server_or_zero},
    shown_field{"persistence", "async_loading"},
    // What is saved when is the server's business; clients wait for the end of what they believe to have
    // begun.
    shown_field{"persistence", "rdb_bgsave_in_progress", field_source::fixed, "0"},
    shown_field{"persistence", "aof_enabled"},
    shown_field{"persistence", "aof_rewrite_in_progress", field_source::fixed, "0"},
    own("stats", "total_connections_received", &tenant_view::connections_total),
    own("stats", "total_commands_processed", &tenant_view::commands_total),
    own("stats", "total_net_input_bytes", &tenant_view::received_bytes),
    own("stats", "total_net_output_bytes", &tenant_view::sent_bytes),
    own("stats", "pubsub_channels", &tenant_view::channels),
    own("stats", "pubsub_patterns", &tenant_view::patterns),
    // The upstream's replicas are not the tenant's: it writes to a master without any.
    shown_field{"replication", "role", field_source::fixed, "master"},
    shown_field{"replication", "connected_slaves", field_source::fixed, "0"},
    shown_field{"replication", "master_failover_state", field_source::fixed, "no-failover"},
    shown_field{"cluster", "cluster_enabled", field_source::server_or_zero},
};

constexpr auto setting_names = std::to_array<std::string_view>({
    "activerehashing",
    "appendfsync",
    "appendonly",
    "busy-reply-threshold",
    "databases",
    "hash-max-listpack-entries",
    "hash-max-listpack-value",
    "hash-max-ziplist-entries",
    "hash-max-ziplist-value",
    "hll-sparse-max-bytes",
    "hz",
    "latency-monitor-threshold",
    "lazyfree-lazy-eviction",
    "lazyfree-lazy-expire",
    "lazyfree-lazy-server-del",
    "lazyfree-lazy-user-del",
    "lazyfree-lazy-user-flush",
    "lfu-decay-time",
    "lfu-log-factor",
    "list-compress-depth",
    "list-max-listpack-size",
    "list-max-ziplist-size",
    "lua-time-limit",
    "maxmemory",
    "maxmemory-policy",
    "maxmemory-samples",
    "notify-keyspace-events",
    "save",
    "set-max-intset-entries",
    "set-max-listpack-entries",
    "set-max-listpack-value",
    "slowlog-log-slower-than",
    "slowlog-max-len",
    "stream-node-max-bytes",
    "stream-node-max-entries",
    "tracking-table-max-keys",
    "zset-max-listpack-entries",
    "zset-max-listpack-value",
    "zset-max-ziplist-entries",
    "zset-max-ziplist-value",
});

bool wanted(const shown_section& section, std::span<const std::string_view> requested) {
    if (requested.empty()) return section.by_default;
    return std::ranges::any_of(requested, [&](std::string_view spelling) {
        const std::string name = lower(spelling);
        if (name == "all" || name == "everything") return true;
        if (name == "default") return section.by_default;
        return name == section.name || (!section.alias.empty() && name == section.alias);
    });
}

std::string shown_value(const shown_field& field, const upstream_snapshot& snapshot,
                        const tenant_view& view) {
    const std::string_view said = snapshot.info_value(field.section, field.name);
    switch (field.source) {
        case field_source::server:
            return std::string(said);
        case field_source::server_or_zero:
            return said.empty() ? "0" : std::string(said);
        case field_source::fixed:
            return std::string(field.text);
        case field_source::tenant:
            return std::to_string(view.*field.own);
        case field_source::max_clients:
            return view.max_clients == 0 ? std::string(said) : std::to_string(view.max_clients);
    }
    return {};
}

}  // namespace

std::optional<socket_address> socket_address::from(const sockaddr* address, std::size_t length) {
    if (address == nullptr || length < sizeof(sa_family_t) || length > sizeof(sockaddr_storage)) return {};
    socket_address out;
    std::memcpy(&out.storage_, address, length);
    out.size_ = static_cast<socklen_t>(length);
    return out;
}

std::optional<socket_address> socket_address::unix_path(std::string_view path) {
    sockaddr_un address{};
    if (path.empty() || path.size() >= sizeof address.sun_path) return {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    socket_address out;
    std::memcpy(&out.storage_, &address, sizeof address);
    out.size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
    return out;
}

const sockaddr* socket_address::data() const {
    return reinterpret_cast<const sockaddr*>(&storage_);  // what sockaddr_storage is for
}

std::string socket_address::to_string() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (family() == AF_INET) {
        sockaddr_in address{};
        std::memcpy(&address, &storage_, sizeof address);
        ::inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size());
        return std::string(text.data()) + ':' + std::to_string(ntohs(address.sin_port));
    }
    if (family() == AF_INET6) {
        sockaddr_in6 address{};
        std::memcpy(&address, &storage_, sizeof address);
        ::inet_ntop(AF_INET6, &address.sin6_addr, text.data(), text.size());
        return '[' + std::string(text.data()) + "]:" + std::to_string(ntohs(address.sin6_port));
    }
    if (family() != AF_UNIX) return "?";
    sockaddr_un address{};
    std::memcpy(&address, &storage_, sizeof address);
    return "unix:" + std::string(address.sun_path, ::strnlen(address.sun_path, sizeof address.sun_path));
}

bool socket_address::operator==(const socket_address& other) const {
    return size_ == other.size_ && std::memcmp(&storage_, &other.storage_, size_) == 0;
}

bool socket_address::operator<(const socket_address& other) const {
    if (size_ != other.size_) return size_ < other.size_;
    return std::memcmp(&storage_, &other.storage_, size_) < 0;
}

server_info parse_info(std::string_view text) {
    server_info info;
    std::vector<info_field>* section = nullptr;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.starts_with("# ")) {
            section = &info[lower(line.substr(2))];
            continue;
        }
        const std::size_t colon = line.find(':');
        if (section == nullptr || colon == std::string_view::npos) continue;
        section->push_back({std::string(line.substr(0, colon)), std::string(line.substr(colon + 1))});
    }
    return info;
}

std::string_view upstream_snapshot::info_value(std::string_view section, std::string_view name) const {
    const auto found = info.find(section);
    if (found == info.end()) return {};
    const auto field = std::ranges::find(found->second, name, &info_field::name);
    return field == found->second.end() ? std::string_view{} : std::string_view(field->value);
}

std::span<const std::string_view> shown_settings() {
    return setting_names;
}

std::string tenant_info(const upstream_snapshot& snapshot, std::span<const std::string_view> sections,
                        const tenant_view& view) {
    std::string out;
    for (const shown_section& section : shown_sections) {
        if (!wanted(section, sections)) continue;
        if (!out.empty()) out += "\r\n";
        out.append("# ").append(section.title).append("\r\n");
        for (const shown_field& field : shown_fields) {
            if (field.section != section.name) continue;
            const std::string value = shown_value(field, snapshot, view);
            if (!value.empty()) out.append(field.name).append(":").append(value).append("\r\n");
        }
    }
    return out;
}

}  // namespace weir
