#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::engine {

/// A redis-server of our own, on a unix socket in a temporary folder, whose wall clock stands still until it is set.
/// Throws std::runtime_error when it does not come up.
class redis_server {
public:
    redis_server();
    ~redis_server();
    redis_server(const redis_server&) = delete;
    redis_server& operator=(const redis_server&) = delete;

    [[nodiscard]] int connect() const;  ///< a socket, the caller's
    void set_clock(std::int64_t milliseconds) { *clock_ = milliseconds * 1000; }

private:
    void start();
    void wait_until_it_listens() const;
    [[nodiscard]] std::string path(std::string_view name) const { return folder_ + "/" + std::string(name); }

    std::string folder_;
    std::int64_t* clock_ = nullptr;
    pid_t process_ = -1;
};

/// One connection, used by batches.
class redis_connection {
public:
    explicit redis_connection(const redis_server& server) : socket_(server.connect()) {}
    ~redis_connection();
    redis_connection(const redis_connection&) = delete;
    redis_connection& operator=(const redis_connection&) = delete;

    void send(std::string_view bytes);
    /// One whole reply; valid until the next call.
    [[nodiscard]] std::string_view receive();

private:
    int socket_;
    std::string received_;
    std::size_t consumed_ = 0;
};

}  // namespace weir::engine
