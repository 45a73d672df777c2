#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/fallback/engine/dense_map.hpp"
#include "proxy/fallback/engine/keyspace.hpp"

namespace weir {

/// Values of many tenants in memory, bounded by bytes. When there are too many, the tenant that holds the
/// most loses what it has not used for longest: so a tenant with less than an equal share never loses
/// anything to another.
///
///     tenants, by bytes                                    the last one loses
///     tenant  bytes, LRU:  newest <-> … <-> oldest         one order over all of a tenant's databases
///       database 0, 1, …:  key -> node                     a node is in its database and in the order
///
/// A value is a tenant's own, which a command made, or a copy of what Redis said: one that is used for some
/// time only, and becomes the tenant's own by a command that changes it.
///
/// Belongs to one thread. No step takes longer than the number of things it is told to look at, to remove or
/// to push out. Tenants are few, and never forgotten; what they hold is.
class memory_store {
public:
    explicit memory_store(std::size_t max_bytes);
    ~memory_store();
    memory_store(const memory_store&) = delete;
    memory_store& operator=(const memory_store&) = delete;

    /// A tenant's database, made when it is first asked for; databases are 0 to `databases` - 1. Lives as
    /// long as the store. It may grow beyond all bounds until trim() is called, so that what a command looks
    /// at stays there while it runs.
    [[nodiscard]] engine::keyspace& database(std::string_view tenant, std::int64_t number,
                                             std::int64_t databases);

    /// Holds a copy until `stale_at` has passed, milliseconds since 1970, or until it expires; in place of
    /// another copy, but not of the tenant's own value, which is newer than what Redis said. Pushes out as
    /// trim() does, so not while a command runs.
    void remember(std::string_view tenant, std::int64_t database, std::int64_t databases,
                  std::string_view key, engine::entry what, std::int64_t stale_at);
    /// Removes what is held there, be it a copy or not.
    void forget(std::string_view tenant, std::int64_t database, std::string_view key);
    /// Removes all that the tenant holds; its databases stay valid.
    void clear(std::string_view tenant);

    /// Call behind each command: pushes out until no more than max_bytes are held. Returns how many keys
    /// went.
    std::size_t trim();
    /// Looks at about `count` keys, others with each call, and removes those that have expired or are stale.
    /// Returns how many went.
    std::size_t expire_some(std::size_t count, std::int64_t now);

    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    [[nodiscard]] std::size_t bytes(std::string_view tenant) const;
    /// Those that have expired, or are stale, but are not yet removed count.
    [[nodiscard]] std::size_t keys() const { return keys_; }
    /// Without copies.
    [[nodiscard]] std::size_t own_keys() const { return own_keys_; }
    [[nodiscard]] std::size_t own_keys(std::string_view tenant) const;

private:
    class tenant_database;
    struct tenant_values;
    struct node;

    struct holds_less {
        bool operator()(const tenant_values* one, const tenant_values* other) const;
    };

    [[nodiscard]] tenant_values& made(std::string_view tenant, std::int64_t databases);
    [[nodiscard]] const tenant_values* known(std::string_view tenant) const;

    std::size_t max_bytes_;
    std::size_t bytes_ = 0;
    std::size_t keys_ = 0;
    std::size_t own_keys_ = 0;
    std::map<std::string, std::unique_ptr<tenant_values>, std::less<>> tenants_;
    std::set<tenant_values*, holds_less> by_bytes_;
    std::vector<tenant_database*> databases_;
    std::size_t expiring_ = 0;  ///< the database that expire_some() looks at next
};

}  // namespace weir
