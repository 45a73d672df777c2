#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/tenant.hpp"

namespace weir {

/// How a tenant's channels are named on the server, and back.
///
///     the tenant says           the server knows                        it is
///     news                      {prefix}news                            a channel
///     __keyspace@0__:key        __keyspace@0__:{prefix}key              what happened to a key
///     __keyevent@0__:expired    __keyevent@0__:expired                  which keys it happened to: a message is
///                                                                       {prefix}key, so that it says whose it is
///
/// Prefixes do not begin as the last two do (prefix_fault), and none begins with another: so a name on the server
/// belongs to one tenant, or is a key event's.

/// The two kinds of subscriptions that the server keeps by name, and the one by pattern.
enum class subscription_kind : std::uint8_t { channel, pattern, shard };
inline constexpr std::size_t subscription_kinds = 3;

/// `__keyevent@…__:…`: shared by all tenants, and its payload is a key.
[[nodiscard]] bool is_key_event(std::string_view channel);

/// Where pushes of RESP2 tracking are delivered. The server sends them to a connection and not to a channel; so does
/// weir, and this name stays within it.
inline constexpr std::string_view invalidation_channel = "__redis__:invalidate";

[[nodiscard]] std::string upstream_channel(std::string_view channel, const tenant& owner);
/// What is published to it: a key event's has the prefix.
[[nodiscard]] std::string upstream_payload(std::string_view channel, std::string_view payload, const tenant& owner);

/// Patterns that together match on the server whatever `pattern` matches for the tenant, and more: what comes by them
/// must be held against visible_channel() and glob_match(). The last is the one that stands for it, the others bring
/// key space and key event messages to a pattern that matches them by the way (`*`, `__key*__:*`).
[[nodiscard]] std::vector<std::string> upstream_patterns(std::string_view pattern, const tenant& owner);

/// Whether all that matches upstream_patterns() matches the tenant's pattern, so that nothing needs to be held against
/// it once more.
[[nodiscard]] bool is_exact_upstream(std::string_view pattern);

/// The channel as the tenant sees it; none when it is not the tenant's.
[[nodiscard]] std::optional<std::string> visible_channel(std::string_view upstream_name, const tenant& owner);
/// The payload as the tenant sees it; none when it names somebody else's key.
[[nodiscard]] std::optional<std::string_view> visible_payload(std::string_view upstream_name, std::string_view payload,
                                                              const tenant& owner);

}  // namespace weir
