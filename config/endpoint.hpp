#pragma once

#include <string>
#include <string_view>

#include "config/options.hpp"
#include "config/parsed.hpp"

namespace weir {

/// `host:port`, `[v6]:port` or `unix:/absolute/path`; port 0 is taken. The opposite of endpoint::to_string().
/// Names are not looked up.
[[nodiscard]] parsed<endpoint> parse_endpoint(std::string_view text);

/// The same for two endpoints that are one socket to the kernel though they are written differently:
/// `localhost` and `127.0.0.1`, `[0::1]` and `[::1]`, `/run//x` and `/run/x`. Other names are compared as
/// they stand.
[[nodiscard]] std::string canonical(const endpoint& address);

/// What an upstream URL says.
struct upstream_url {
    endpoint address;
    int database = 0;
    std::string username;
    bool operator==(const upstream_url&) const = default;
};

/// `redis://[user@]host[:port][/database]` or `unix:///path`. A password is refused, and no fault repeats any
/// part of the text: URLs are where passwords turn up in logs.
[[nodiscard]] parsed<upstream_url> parse_upstream_url(std::string_view text);

}  // namespace weir
