#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/fallback/engine/dense_map.hpp"
#include "proxy/fallback/engine/keyspace.hpp"

namespace weir {

/// What is known of a copy's expiry.
enum class expiry_knowledge : std::uint8_t {
    exact,
    kept,     ///< it is what it was, if that was known
    unknown,  ///< the same, if the value is what it was
};

/// Values of many tenants in memory, bounded by bytes. When there are too many, the tenant that holds the most loses
/// what it has not used for longest: so a tenant with less than an equal share never loses anything to another.
///
///     tenant  bytes, LRU:  newest <-> … <-> oldest         one order over all of a tenant's databases
///       database 0, 1, …:  key -> node                     a node is in its database and in the order
///
/// What commands write (put, altered) is the store's *own*; what remember() is told is a *copy* of what the upstream holds,
/// and counts as absent when it is stale. A copy that is written becomes the store's own.
///
/// Belongs to one thread. No step takes longer than the number of things it is told to look at, or to push out.
class memory_store {
public:
    explicit memory_store(std::size_t max_bytes);
    ~memory_store();
    memory_store(const memory_store&) = delete;
    memory_store& operator=(const memory_store&) = delete;

    /// A tenant's database, made when it is first asked for; databases are 0 to `databases` - 1. Lives as long as the
    /// store. It may grow beyond all bounds until trim() is called, so that what a command looks at stays there while
    /// it runs.
    [[nodiscard]] engine::keyspace& database(std::string_view tenant, std::int64_t number, std::int64_t databases);

    // Of copies; `where` is one of database()'s.

    /// The upstream holds this. Nothing where the key is the store's own.
    void remember(engine::keyspace& where, std::string_view key, engine::entry what, expiry_knowledge expiry,
                  std::int64_t stale_at);
    /// Nobody knows what the upstream holds. Nothing where the key is the store's own.
    void forget(engine::keyspace& where, std::string_view key);
    /// The same for all keys of one database, and for all there are.
    void forget_all(engine::keyspace& where);
    void forget_all();

    // Of what is the store's own.

    [[nodiscard]] std::size_t own() const { return own_; }
    /// Whether this key's value follows from the commands alone and from copies that were right, so that the upstream has
    /// the same once it has done them: said behind the command that wrote the key. It stays so when the value is altered.
    void vouch(engine::keyspace& where, std::string_view key, bool is_whole);
    /// Removes them. Returns how many went.
    std::size_t drop_own();
    /// The upstream has done the same commands: what is vouched for becomes a copy, the rest goes.
    void give_up_own(std::int64_t stale_at);

    /// Call behind each command: pushes out until no more than max_bytes are held. Returns how many keys went.
    std::size_t trim();
    /// Looks at about `count` keys, others with each call, and removes those that have expired. Returns how many went.
    std::size_t expire_some(std::size_t count, std::int64_t now);

    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    [[nodiscard]] std::size_t bytes(std::string_view tenant) const;
    [[nodiscard]] std::size_t keys() const { return keys_; }

private:
    class tenant_database;
    struct tenant_values;
    struct node;

    [[nodiscard]] tenant_values& largest();
    void become_own(node& written);
    void leave_own(node& gone);

    std::size_t max_bytes_;
    std::size_t bytes_ = 0;
    std::size_t keys_ = 0;
    std::size_t own_ = 0;
    node* first_own_ = nullptr;  ///< all of them, in no order
    std::map<std::string, std::unique_ptr<tenant_values>, std::less<>> tenants_;
    std::vector<tenant_database*> databases_;
    std::size_t expiring_ = 0;  ///< the database that expire_some() looks at next
};

}  // namespace weir
