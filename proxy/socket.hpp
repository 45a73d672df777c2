#pragma once

#include <sys/socket.h>

#include <chrono>
#include <optional>
#include <string_view>

#include "config/options.hpp"
#include "proxy/event_loop.hpp"
#include "proxy/upstream/upstream_snapshot.hpp"

namespace weir {

/// A literal IP address, `localhost` or a unix path; none for any other host name, which must be resolved first, or a path too long.
[[nodiscard]] std::optional<socket_address> literal_address(const endpoint& where);

/// A non-blocking socket that listens. TCP sockets share their port (SO_REUSEPORT), one for each worker. Throws
/// std::system_error: this is start-up. An existing unix socket that nobody answers on is replaced.
[[nodiscard]] file_descriptor listen_on(const socket_address& address);
/// The address a socket is bound to, with the port the kernel chose.
[[nodiscard]] std::optional<socket_address> local_address(int descriptor);
/// Who is at the other end; none for a unix socket without a name.
[[nodiscard]] std::optional<socket_address> peer_address(int descriptor);

/// Begins to connect without blocking; errno says why when it returns none. EINPROGRESS is success.
[[nodiscard]] file_descriptor start_connecting(const socket_address& address);
/// The outcome of start_connecting once the socket is writable: 0 or an errno.
[[nodiscard]] int connect_outcome(int descriptor);

/// TCP_NODELAY, and keepalive probes after `keepalive` of silence (0: none). Nothing for unix sockets.
void tune_connection(int descriptor, std::chrono::milliseconds keepalive);

enum class io_status : unsigned char { ok, would_block, closed };
struct io_result {
    io_status status;
    std::size_t bytes = 0;  ///< 0 with ok: the peer has ended its side
    int error = 0;          ///< with closed: errno
};
[[nodiscard]] io_result receive(int descriptor, char* to, std::size_t room);
[[nodiscard]] io_result send_some(int descriptor, std::string_view bytes);

/// Raises the soft limit of open files to the hard one; returns what holds now.
std::size_t raise_descriptor_limit();

}  // namespace weir
