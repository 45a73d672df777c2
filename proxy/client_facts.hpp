#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "protocol/reply_writer.hpp"

namespace weir {

/// What CLIENT LIST tells of one client. Holds no views, so that it may go from one thread to another.
struct client_facts {
    std::uint64_t id = 0;
    std::string address;  ///< as Redis spells it: `127.0.0.1:4711`, `[::1]:4711`, `/path:0`
    std::string local_address;
    int descriptor = -1;
    std::string name;
    std::chrono::seconds age{0};
    std::chrono::seconds idle{0};

    bool subscriber = false;  ///< has channels or patterns
    bool blocked = false;     ///< in a blocking command
    bool tracking = false;
    bool broken_redirection = false;  ///< the client that its invalidations go to is gone
    bool broadcast = false;           ///< tracks by prefixes
    bool watch_failed = false;        ///< EXEC will fail, as a key it watches has changed
    bool closing = false;             ///< closes once its replies are sent
    bool by_unix_socket = false;
    bool no_evict = false;
    bool no_touch = false;

    int database = 0;
    std::size_t channels = 0;
    std::size_t patterns = 0;
    std::size_t shard_channels = 0;
    std::optional<std::size_t> queued_commands;  ///< in a transaction
    std::size_t unread_bytes = 0;                ///< of requests: received, and not performed yet
    std::size_t unread_room_bytes = 0;           ///< memory held for more of them
    std::size_t queued_bytes = 0;                ///< memory of the transaction
    std::size_t unsent_bytes = 0;                ///< memory of replies that its socket has not taken
    std::size_t total_bytes = 0;                 ///< all memory it holds
    bool wants_to_write = false;
    std::string command;  ///< its last one, a subcommand as `container|sub`; empty: none, or unknown
    std::string user = "default";
    std::int64_t redirection = -1;  ///< -1: it does not track; 0: not redirected; else a client's id
    resp_version version = resp_version::resp2;
    std::string library_name;
    std::string library_version;
};

/// As a line of CLIENT LIST in Redis 7.0, and behind it what 7.2 added and client libraries set (lib-name,
/// lib-ver); line end included.
[[nodiscard]] std::string client_line(const client_facts& client);

}  // namespace weir
