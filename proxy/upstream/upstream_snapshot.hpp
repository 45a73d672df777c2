#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/command_table.hpp"

namespace weir {

/// An address ready for connect(2): IPv4, IPv6 or unix. `data()` and `size()` as Asio's endpoints have them,
/// without Asio's headers, as the workers do without it.
class socket_address {
public:
    /// nullopt when `length` is not that of an address.
    [[nodiscard]] static std::optional<socket_address> from(const sockaddr* address, std::size_t length);
    /// nullopt when the path is empty or longer than the kernel takes.
    [[nodiscard]] static std::optional<socket_address> unix_path(std::string_view path);

    [[nodiscard]] const sockaddr* data() const;
    [[nodiscard]] socklen_t size() const { return size_; }
    [[nodiscard]] int family() const { return storage_.ss_family; }
    /// `127.0.0.1:6379`, `[::1]:6379` or `unix:/path`.
    [[nodiscard]] std::string to_string() const;

    bool operator==(const socket_address& other) const;
    bool operator<(const socket_address& other) const;

private:
    socket_address() = default;

    sockaddr_storage storage_{};
    socklen_t size_ = 0;
};

struct info_field {
    std::string name;
    std::string value;
    bool operator==(const info_field&) const = default;
};

/// What INFO said: fields in the server's order, by the section's name in lower case.
using server_info = std::map<std::string, std::vector<info_field>, std::less<>>;

/// Lines that are neither a header nor `name:value` are skipped, so are fields before the first header.
[[nodiscard]] server_info parse_info(std::string_view text);

/// What is known of the upstream at one moment. The health probe publishes a new one when something changed;
/// immutable from then on, shared by all threads. While the upstream is away, what it said last stays.
struct upstream_snapshot {
    bool connected = false;                         ///< it answered the last PING
    std::string reason = "not connected yet";       ///< why it is not connected; empty when it is
    server_info info;                               ///< of the last INFO
    std::optional<std::chrono::microseconds> ping;  ///< how long the last PING took; none while it is away
    std::shared_ptr<const command_table> commands = command_table::built_in();  ///< never null
    std::optional<std::size_t> listed_commands;  ///< how many of its commands tenants may use; none when it does not tell
    std::optional<int> databases;  ///< CONFIG GET databases; none when the upstream does not tell
    /// CONFIG GET of shown_settings(), as far as the upstream tells.
    std::map<std::string, std::string> settings;
    /// Where to connect to, the most preferred first. Empty until the host's name was resolved once; then the
    /// last answer that was not a failure.
    std::vector<socket_address> addresses;
    /// How long SET and GET took of a key of weir's own; none, too, where the probe does not ask or is not answered.
    std::optional<std::chrono::microseconds> set;
    std::optional<std::chrono::microseconds> get;
    std::string fault;  ///< it answers, but says to SET or GET that it cannot serve; empty when it can

    /// Empty when the server did not say it.
    [[nodiscard]] std::string_view info_value(std::string_view section, std::string_view name) const;
    [[nodiscard]] std::string_view server_version() const { return info_value("server", "redis_version"); }
};

/// The server's settings that tenants may see: what client libraries ask for, and what says nothing of the
/// machine, of other tenants or of secrets. A name that the server does not know does no harm.
[[nodiscard]] std::span<const std::string_view> shown_settings();

/// What weir itself puts in a tenant's INFO: its own numbers.
struct tenant_view {
    std::uint64_t connected_clients = 0;
    std::uint64_t max_clients = 0;  ///< 0: the server's own number
    std::uint64_t blocked_clients = 0;
    std::uint64_t tracking_clients = 0;
    std::uint64_t pubsub_clients = 0;
    std::uint64_t channels = 0;
    std::uint64_t patterns = 0;
    std::uint64_t connections_total = 0;
    std::uint64_t commands_total = 0;
    std::uint64_t received_bytes = 0;
    std::uint64_t sent_bytes = 0;
};

/// The text of INFO (without the protocol around it) as a tenant may see it. `sections` are INFO's arguments,
/// in any case; none: the default ones. Fails closed: a field that no list here names is not shown.
[[nodiscard]] std::string tenant_info(const upstream_snapshot& snapshot,
                                      std::span<const std::string_view> sections, const tenant_view& view);

}  // namespace weir
