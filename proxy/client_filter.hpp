#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/arguments.hpp"
#include "proxy/client_facts.hpp"

namespace weir {

/// Redis' classes of clients. A tenant has no master and no replicas among its own.
enum class client_type : std::uint8_t { normal, master, replica, pubsub };

/// Which clients CLIENT LIST and CLIENT KILL mean. What is not set does not matter.
struct client_filter {
    std::optional<std::vector<std::uint64_t>> ids;  ///< ascending
    std::optional<client_type> type;
    std::optional<std::string> address;
    std::optional<std::string> local_address;
    std::optional<std::string> user;
    std::optional<std::uint64_t> but;  ///< the client that asks, when it does not mean itself
    std::chrono::seconds min_age{0};

    /// Whether a client with this id can match at all; cheap, so that not every client need be described.
    [[nodiscard]] bool may_be(std::uint64_t id) const;
    [[nodiscard]] bool matches(const client_facts& client) const;
};

/// A request, read; or what is wrong with it, in Redis' words.
struct client_list_request {
    client_filter filter;
    std::vector<std::uint64_t> order;  ///< the ids in the order they were asked for; empty: by id
    std::string error;
};
struct client_kill_request {
    client_filter filter;
    bool old_form = false;  ///< CLIENT KILL ip:port, which has a reply of its own
    std::string error;
};
struct client_unblock_request {
    std::uint64_t id = 0;
    bool with_error = false;
    std::string error;
};

[[nodiscard]] client_list_request read_client_list(const arguments& request);
/// `asking` is the client that asks; `is_user` whether there is a user of that name. MAXAGE is taken
/// (Redis 7.4, Valkey 8), whatever the upstream's version: who asks for it means it.
[[nodiscard]] client_kill_request read_client_kill(const arguments& request, std::uint64_t asking,
                                                   const std::function<bool(std::string_view)>& is_user);
[[nodiscard]] client_unblock_request read_client_unblock(const arguments& request);

}  // namespace weir
