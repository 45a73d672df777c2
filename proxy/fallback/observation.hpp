#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "policy/tenant.hpp"
#include "protocol/reply_writer.hpp"
#include "proxy/fallback/write_stamps.hpp"

namespace weir {

/// A command that the upstream has answered, and its reply: what the fallback may learn from.
struct observation {
    std::shared_ptr<const tenant> whose;
    int database = 0;
    resp_version version = resp_version::resp2;
    std::string_view name;           ///< of its row in the built-in command table
    std::vector<std::string> words;  ///< as the client sent them; keys without the prefix
    struct key_stamps {
        write_stamps::stamp before = 0;  ///< when the command was sent
        write_stamps::stamp after = 0;   ///< the same, unless it wrote
    };
    std::vector<key_stamps> stamps;  ///< of its keys, in their order
    std::string reply;               ///< as the server sent it; empty for FLUSHDB and FLUSHALL, which were done
    std::int64_t at = 0;             ///< milliseconds since 1970: when the command was sent
};

/// Whether something may be learnt from the reply to such a command: one that shows or sets whole values, or empties the
/// keyspace. GET, MGET, HGETALL, SMEMBERS, LRANGE 0 -1, ZRANGE 0 -1 WITHSCORES; SET, SETEX, PSETEX, SETNX, MSET, MSETNX,
/// GETSET. `words`: how many there are, as in observation; 0: whether any such command does.
[[nodiscard]] bool teaches(std::string_view name, std::size_t words);

}  // namespace weir
