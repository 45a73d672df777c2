#include "config/endpoint.hpp"

#include <arpa/inet.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <limits>

namespace weir {
namespace {

constexpr std::size_t max_unix_path = sizeof(sockaddr_un::sun_path) - 1;
constexpr std::size_t max_host = 255;

bool is_alphanumeric(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

template <typename Integer>
std::optional<Integer> whole_number(std::string_view text) {
    Integer number{};
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    // from_chars takes a minus sign for signed types.
    if (error != std::errc{} || rest != end || text.starts_with('-')) return std::nullopt;
    return number;
}

bool is_ipv6(std::string_view host) {
    in6_addr ignored{};
    return inet_pton(AF_INET6, std::string(host.substr(0, host.find('%'))).c_str(), &ignored) == 1;
}

bool is_host_name(std::string_view host) {
    const auto fits = [](char c) { return is_alphanumeric(c) || c == '.' || c == '-' || c == '_'; };
    return !host.empty() && host.size() <= max_host && std::ranges::all_of(host, fits);
}

parsed<endpoint> unix_endpoint(std::string_view path) {
    if (!path.starts_with('/')) return fault{"needs an absolute path after 'unix:'"};
    // unix:///run/x, as in a URL, and unix:/run/x are the same.
    path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()) - 1);
    if (path == "/") return fault{"names no socket after 'unix:'"};
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; };
    if (std::ranges::any_of(path, is_control)) return fault{"holds a control character"};
    if (path.size() > max_unix_path)
        return fault{"is longer than the " + std::to_string(max_unix_path) +
                     " bytes a socket's path may have"};
    return endpoint{"", 0, std::string(path)};
}

/// The one socket address text, without brackets, for a literal address; the name itself for a name.
std::string canonical_host(const std::string& host) {
    if (host == "localhost") return "127.0.0.1";
    in6_addr v6{};
    if (inet_pton(AF_INET6, host.c_str(), &v6) != 1) return host;
    std::array<char, INET6_ADDRSTRLEN> text{};
    // ::ffff:127.0.0.1 is 127.0.0.1: the last four bytes of a mapped address are the IPv4 one.
    if (IN6_IS_ADDR_V4MAPPED(&v6)) return inet_ntop(AF_INET, &v6.s6_addr[12], text.data(), text.size());
    return inet_ntop(AF_INET6, &v6, text.data(), text.size());
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

parsed<std::string> percent_decoded(std::string_view text) {
    std::string decoded;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            decoded += text[i];
            continue;
        }
        const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
        const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        if (low < 0) return fault{"has a '%' in the user that two hexadecimal digits do not follow"};
        decoded += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return decoded;
}

bool names_port(std::string_view authority) {
    const auto colon = authority.rfind(':');
    return colon != std::string_view::npos && !authority.substr(colon).ends_with(']') &&
           authority.find(']', colon) == std::string_view::npos;
}

parsed<endpoint> tcp_endpoint(std::string_view text) {
    if (!names_port(text)) return fault{"has no port"};
    const auto colon = text.rfind(':');
    const auto port = whole_number<std::uint16_t>(text.substr(colon + 1));
    if (!port) return fault{"has a port that is not a number from 0 to 65535"};
    auto host = text.substr(0, colon);
    if (host.empty()) return fault{"has no host (0.0.0.0 or [::] is every address)"};
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
        if (!is_ipv6(host)) return fault{"has no IPv6 address between its brackets"};
    } else if (host.find(':') != std::string_view::npos) {
        return fault{"has an IPv6 address that needs brackets, as in [::1]:6379"};
    } else if (!is_host_name(host)) {
        return fault{"has a host that is neither a name nor an address"};
    }
    return endpoint{std::string(host), *port, ""};
}

parsed<upstream_url> redis_url(std::string_view rest) {
    upstream_url url;
    // The last @ of the whole text: a password may hold / and @, and no part of it may be taken for a host.
    if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
        const auto user = rest.substr(0, at);
        if (user.find(':') != std::string_view::npos)
            return fault{"holds a password; put it into upstream.password_file or upstream.password_env"};
        const auto decoded = percent_decoded(user);
        if (!decoded) return fault{decoded.why()};
        url.username = *decoded;
        rest.remove_prefix(at + 1);
    }
    if (rest.find_first_of("?#") != std::string_view::npos) return fault{"may not hold a query or fragment"};
    const auto slash = std::min(rest.find('/'), rest.size());
    if (const auto path = rest.substr(slash); path.size() > 1) {
        const auto database = whole_number<int>(path.substr(1));
        if (!database) return fault{"has a path that is not the number of a database"};
        url.database = *database;
    }
    const auto authority = std::string(rest.substr(0, slash));
    const auto address = tcp_endpoint(names_port(authority) ? authority : authority + ":6379");
    if (!address) return fault{address.why()};
    if (address->port == 0) return fault{"has port 0, which nothing can connect to"};
    url.address = *address;
    return url;
}

}  // namespace

std::string endpoint::to_string() const {
    if (is_unix()) return "unix:" + unix_path;
    const bool v6 = host.find(':') != std::string::npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

parsed<endpoint> parse_endpoint(std::string_view text) {
    constexpr std::string_view unix_scheme = "unix:";
    if (text.starts_with(unix_scheme)) return unix_endpoint(text.substr(unix_scheme.size()));
    return tcp_endpoint(text);
}

std::string canonical(const endpoint& address) {
    if (address.is_unix())
        return "unix:" + std::filesystem::path(address.unix_path).lexically_normal().string();
    return endpoint{canonical_host(address.host), address.port, ""}.to_string();
}

parsed<upstream_url> parse_upstream_url(std::string_view text) {
    constexpr std::string_view tcp = "redis://";
    if (text.starts_with("rediss://"))
        return fault{"asks for TLS, which weir does not speak to its upstream yet"};
    if (text.starts_with(tcp)) return redis_url(text.substr(tcp.size()));
    if (!text.starts_with("unix:")) return fault{"does not begin with redis:// or unix://"};
    const auto address = parse_endpoint(text);
    if (!address) return fault{address.why()};
    return upstream_url{*address, 0, ""};
}

}  // namespace weir
