#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "config/options.hpp"
#include "proxy/admin/admin_state.hpp"

namespace boost::asio {
class io_context;
}

namespace weir {

struct admin_limits {
    std::size_t max_connections = 64;  ///< one more is closed at once
    std::size_t max_header_bytes = 8 * 1'024;
    std::chrono::milliseconds timeout{30'000};  ///< for a whole request, its answer, and idle between two
};

/// The admin listener: HTTP/1.1 with keep-alive, GET and HEAD of /livez, /readyz, /health, /metrics and
/// /breaker, which change nothing, and POST of /breaker/force-open, disable, dry-run and reset, which do. Everything runs on the control thread, which runs `context`.
class admin_server {
public:
    /// Binds and listens. Throws std::runtime_error with a text for the user when it cannot. `state` and
    /// `context` outlive the server.
    admin_server(boost::asio::io_context& context, const endpoint& bind, const admin_state& state,
                 admin_limits limits = {});
    ~admin_server();
    admin_server(const admin_server&) = delete;
    admin_server& operator=(const admin_server&) = delete;

    /// Accepts from now on, and logs `admin listening`. Once.
    void start();
    /// Closes the listener and every connection.
    void stop();
    /// Where it really listens: `127.0.0.1:9121` also when the configuration says port 0.
    [[nodiscard]] std::string address() const;

private:
    class listener;
    std::shared_ptr<listener> listener_;
};

}  // namespace weir
