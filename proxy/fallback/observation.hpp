#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "policy/tenant.hpp"
#include "protocol/reply_writer.hpp"

namespace weir {

/// A command that the upstream has answered, and its reply: what the fallback may learn from. Also one that may have
/// changed keys in a way that is not looked at (`reply` is empty then): what was known of them is forgotten.
struct observation {
    std::shared_ptr<const tenant> whose;
    int database = 0;
    resp_version version = resp_version::resp2;
    std::string_view name;           ///< of its row in the built-in command table; empty: the words are keys to forget
    std::vector<std::string> words;  ///< as the client sent them; keys without the prefix
    std::string reply;               ///< as the server sent it
    std::int64_t at = 0;             ///< milliseconds since 1970: when the command was sent
};

/// Whether fallback_service learns values from replies to this command (`remember: reads` or `writes`): one that shows or
/// sets whole values. GET, MGET, HGETALL, SMEMBERS, LRANGE 0 -1, ZRANGE 0 -1 WITHSCORES; SET, SETEX, PSETEX, SETNX, MSET,
/// MSETNX, GETSET, GETDEL, DEL, UNLINK. `words` as in observation.
[[nodiscard]] bool teaches(std::string_view name, std::size_t words);

}  // namespace weir
