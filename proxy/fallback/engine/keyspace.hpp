#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "proxy/fallback/engine/value.hpp"

namespace weir::engine {

using random_source = std::mt19937_64;

/// One database of one tenant, as the engine sees it: the border to the stores. Keys are without the tenant's prefix.
/// Times are milliseconds since 1970 and always the same `now` during one command. One thread at a time.
///
/// A store that has the values at hand (memory) answers at once. One that has to fetch them (rows of a database)
/// fetches what command_keys finds in the request before it runs the command, on copies; when the command then asks for
/// something that is not there yet (SORT's BY and GET, RANDOMKEY), the store answers "absent", notes what was asked,
/// throws the outcome away, fetches and runs the command anew with the same random source. The engine keeps no state
/// between commands, so it may be run any number of times.
class keyspace {
public:
    virtual ~keyspace() = default;

    /// What the key holds; nullptr when it is absent or expired. It may be altered in place, which altered() must then
    /// tell. Stays valid until this key is put or removed, or all are.
    [[nodiscard]] virtual entry* find(std::string_view key, std::int64_t now) = 0;
    /// Also in place of what is there.
    virtual entry& put(std::string_view key, entry what) = 0;
    virtual void altered(std::string_view key, entry& what) = 0;
    /// False when it is absent.
    virtual bool remove(std::string_view key) = 0;
    virtual void clear() = 0;

    [[nodiscard]] virtual std::optional<std::string> random_key(random_source& random, std::int64_t now) = 0;

    using key_visitor = std::function<void(std::string_view key, const entry& what)>;
    /// Shows about `count` keys that have not expired, and says where to go on; 0 at both ends. Whoever goes on until 0
    /// comes back was shown every key that was there all the time. The visitor must not change the keyspace.
    [[nodiscard]] virtual std::uint64_t scan(std::uint64_t cursor, std::uint64_t count, std::int64_t now,
                                             const key_visitor& visit) = 0;
    /// How many have not expired: one by one, unless a store knows better.
    [[nodiscard]] virtual std::size_t count(std::int64_t now);

    /// Which database this is, and another one of the same tenant; nullptr when there is none with that number.
    [[nodiscard]] virtual std::int64_t number() const = 0;
    [[nodiscard]] virtual keyspace* sibling(std::int64_t database) = 0;
    /// Every database of the tenant, for FLUSHALL.
    virtual void clear_all() = 0;
};

}  // namespace weir::engine
