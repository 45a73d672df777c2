#include "proxy/socket.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace weir {

namespace {

constexpr int listen_backlog = 511;

void set_option(int descriptor, int level, int name, int value) {
    ::setsockopt(descriptor, level, name, &value, sizeof value);
}

[[noreturn]] void fail(const char* what, const socket_address& address) {
    throw std::system_error(errno, std::generic_category(), std::string(what) + " " + address.to_string());
}

/// A socket file left behind by a process that is gone keeps bind() from working; one that is alive must be kept.
void remove_stale_socket(const socket_address& address) {
    const auto* path = reinterpret_cast<const sockaddr_un*>(address.data())->sun_path;
    struct stat status {};
    if (::lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode)) return;
    const file_descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(probe.get(), address.data(), address.size()) != 0 &&
        errno == ECONNREFUSED) {
        ::unlink(path);
    }
}

io_result outcome(ssize_t result) {
    if (result >= 0) return {io_status::ok, static_cast<std::size_t>(result)};
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {io_status::would_block};
    return {io_status::closed, 0, errno};
}

}  // namespace

std::optional<socket_address> literal_address(const endpoint& where) {
    if (where.is_unix()) return socket_address::unix_path(where.unix_path);
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(where.port);
    const std::string host = where.host == "localhost" ? "127.0.0.1" : where.host;
    if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
        return socket_address::from(reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
    }
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(where.port);
    if (::inet_pton(AF_INET6, where.host.c_str(), &v6.sin6_addr) == 1) {
        return socket_address::from(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
    }
    return std::nullopt;
}

file_descriptor listen_on(const socket_address& address) {
    if (address.family() == AF_UNIX) remove_stale_socket(address);
    file_descriptor listening(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!listening) fail("socket", address);
    if (address.family() != AF_UNIX) {
        set_option(listening.get(), SOL_SOCKET, SO_REUSEADDR, 1);
        set_option(listening.get(), SOL_SOCKET, SO_REUSEPORT, 1);
    }
    if (::bind(listening.get(), address.data(), address.size()) != 0) {
        fail("cannot bind", address);
    }
    if (::listen(listening.get(), listen_backlog) != 0) fail("cannot listen on", address);
    return listening;
}

std::optional<socket_address> local_address(int descriptor) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return std::nullopt;
    return socket_address::from(reinterpret_cast<const sockaddr*>(&address), size);
}

std::optional<socket_address> peer_address(int descriptor) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getpeername(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return std::nullopt;
    return socket_address::from(reinterpret_cast<const sockaddr*>(&address), size);
}

file_descriptor start_connecting(const socket_address& address) {
    file_descriptor connecting(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!connecting) return {};
    if (::connect(connecting.get(), address.data(), address.size()) != 0 &&
        errno != EINPROGRESS) {
        const int error = errno;
        connecting.reset();
        errno = error;
    }
    return connecting;
}

int connect_outcome(int descriptor) {
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
    return error;
}

void tune_connection(int descriptor, std::chrono::milliseconds keepalive) {
    set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
    if (keepalive <= std::chrono::milliseconds::zero()) return;
    const int idle_seconds = static_cast<int>(std::max<std::int64_t>(1, keepalive.count() / 1000));
    // As Redis does (anet.c, anetKeepAlive): three probes within one more such time.
    set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, idle_seconds);
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, std::max(1, idle_seconds / 3));
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

io_result receive(int descriptor, char* to, std::size_t room) { return outcome(::recv(descriptor, to, room, 0)); }

io_result send_some(int descriptor, std::string_view bytes) {
    return outcome(::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL));
}

std::size_t raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

}  // namespace weir
