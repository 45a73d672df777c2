#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/options.hpp"
#include "proxy/upstream/upstream_snapshot.hpp"

namespace weir {

/// A reply (RESP2) as a value.
struct control_reply {
    enum class kind : std::uint8_t { nil, status, error, string, integer, array };

    kind type = kind::nil;
    std::string text;       ///< of a status, error or string
    long long integer = 0;  ///< of an integer
    std::vector<control_reply> elements;

    [[nodiscard]] bool is_error() const { return type == kind::error; }
    [[nodiscard]] bool is_array() const { return type == kind::array; }
    /// A status or a string.
    [[nodiscard]] bool is_text() const { return type == kind::status || type == kind::string; }
};

/// What resolving gave, or why it gave nothing.
struct resolved_addresses {
    std::vector<socket_address> addresses;
    std::string failure;  ///< empty when there are addresses
};

/// A literal address or unix path is answered at once; only a name goes to the resolver. Returns by the
/// deadline, also when the resolver (which runs on a thread of Asio's) does not.
[[nodiscard]] boost::asio::awaitable<resolved_addresses> resolve(
    endpoint address, std::chrono::steady_clock::time_point deadline);

/// One connection to the upstream for everything that is not a tenant's command: hiredis as the codec, over
/// our own stream. One command at a time: connect, then command after command, each awaited before the next.
/// After a failure it is closed, `failure()` says why, and it may connect again. Lives on the control thread;
/// destroy or close it at any time but not while one of its coroutines still runs.
class control_client {
public:
    using clock = std::chrono::steady_clock;

    explicit control_client(boost::asio::any_io_executor executor);
    ~control_client();
    control_client(const control_client&) = delete;
    control_client& operator=(const control_client&) = delete;

    /// Tries the addresses in their order until one takes the connection, then logs in with the credentials
    /// of `upstream`; all of it within the deadline. False: see `failure()`. `addresses` and `upstream` stay
    /// valid until it is done.
    [[nodiscard]] boost::asio::awaitable<bool> connect(std::span<const socket_address> addresses,
                                                       const upstream_options& upstream,
                                                       clock::time_point deadline);

    /// An error reply is a reply. nullopt when there is none: see `failure()`.
    [[nodiscard]] boost::asio::awaitable<std::optional<control_reply>> command(
        std::vector<std::string> arguments, clock::time_point deadline);

    /// Several at once, already in RESP; there are `count` replies. `what` is for failure().
    [[nodiscard]] boost::asio::awaitable<std::optional<std::vector<control_reply>>> pipeline(
        std::string requests, std::size_t count, std::string what, clock::time_point deadline);

    /// What waits on it ends with a failure.
    void close();
    [[nodiscard]] bool is_open() const;
    [[nodiscard]] const std::string& failure() const { return failure_; }
    /// The last failure was that a deadline passed.
    [[nodiscard]] bool has_timed_out() const;
    /// That `connect` chose.
    [[nodiscard]] const std::optional<socket_address>& peer() const { return peer_; }

private:
    class connection;

    boost::asio::awaitable<bool> open(socket_address address, clock::time_point deadline);
    boost::asio::awaitable<bool> authenticate(const upstream_options& upstream, clock::time_point deadline);
    void fail(std::string reason);

    boost::asio::any_io_executor executor_;
    std::shared_ptr<connection> connection_;  ///< shared with its timer's handler, which may come late
    std::optional<socket_address> peer_;
    std::string failure_;
};

}  // namespace weir
