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
#include "proxy/fallback/write_stamps.hpp"

namespace weir {

/// What is known of a copy's expiry.
enum class expiry_knowledge : std::uint8_t {
    exact,
    kept,     ///< it is what it was, if that was known
    unknown,  ///< the same, if the value is what it was
};

/// How long a copy is good.
struct copy_standing {
    std::int64_t stale_at = 0;  ///< counts as absent from then on
    std::uint32_t slot = 0;     ///< write_stamps::slot_of() the key: counts as absent when it was written since
    write_stamps::stamp stamp = 0;
};

/// Values of many tenants in memory, bounded by bytes. When there are too many, the tenant that holds the most loses
/// what it has not used for longest: so a tenant with less than an equal share never loses anything to another.
///
///     tenant  bytes, LRU:  newest <-> … <-> oldest         one order over all of a tenant's databases
///       database 0, 1, …:  key -> node                     a node is in its database and in the order
///
/// What commands write (put, altered) is the store's *own*; what remember() is told is a *copy* of what the upstream holds,
/// and counts as absent when it is no good any more. A copy that is written becomes the store's own.
///
/// Belongs to one thread. No step takes longer than the number of things it is told to look at, or to push out.
class memory_store {
public:
    /// `stamps` outlives this; none: nothing is remembered.
    explicit memory_store(std::size_t max_bytes, const write_stamps* stamps = nullptr);
    ~memory_store();
    memory_store(const memory_store&) = delete;
    memory_store& operator=(const memory_store&) = delete;

    /// A tenant's database, made when it is first asked for; databases are 0 to `databases` - 1, of the greatest number that
    /// was said. Lives until expire_some() is called. It may grow beyond all bounds until trim() is called, so that what a command
    /// looks at stays there while it runs.
    [[nodiscard]] engine::keyspace& database(std::string_view tenant, std::int64_t number, std::int64_t databases);

    // Of copies; `where` is one of database()'s.

    /// The upstream holds this. Nothing where the key is the store's own, or the copy is no good.
    /// `before`: the stamp that stood there when the command that tells of it was sent.
    void remember(engine::keyspace& where, std::string_view key, engine::entry what, expiry_knowledge expiry,
                  const copy_standing& standing, write_stamps::stamp before);
    /// Nobody knows what the upstream holds. Nothing where the key is the store's own.
    void forget(engine::keyspace& where, std::string_view key);
    /// Copies, also those still to come, that get stale at this point in time or before: of one database, of all databases
    /// of its tenant.
    void forget_database(engine::keyspace& where, std::int64_t stale_at);
    void forget_tenant(engine::keyspace& where, std::int64_t stale_at);
    /// All copies of all tenants.
    void forget_all();

    // Of what is the store's own.

    [[nodiscard]] std::size_t own() const { return own_; }
    /// The key's value follows from the commands alone, so that the upstream has the same once it has done them; said
    /// behind the command that wrote it. It stays so when the value is altered, as what was a copy stays as good as it was.
    void vouch(engine::keyspace& where, std::string_view key, std::uint32_t slot);
    /// The contrary.
    void distrust(engine::keyspace& where, std::string_view key);
    /// Removes them. Returns how many went.
    std::size_t drop_own();
    /// The upstream has done the same commands: what is vouched for becomes a copy until then, the rest goes.
    void give_up_own(std::int64_t stale_at);

    /// Call behind each command: pushes out until no more than max_bytes are held. Returns how many keys went.
    std::size_t trim();
    /// Looks at about `count` keys, others with each call, and removes those that have expired; and databases that are empty.
    /// Returns how many keys went.
    std::size_t expire_some(std::size_t count, std::int64_t now);

    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    [[nodiscard]] std::size_t bytes(std::string_view tenant) const;
    [[nodiscard]] std::size_t keys() const { return keys_; }
    [[nodiscard]] std::size_t databases() const { return databases_.size(); }

private:
    class tenant_database;
    struct tenant_values;
    struct node;

    void rank();
    [[nodiscard]] tenant_values& largest();
    void drop(std::size_t place);
    void become_own(node& written);
    void leave_own(node& gone);

    [[nodiscard]] bool is_good(const copy_standing& standing, std::int64_t now) const {
        return now < standing.stale_at && (stamps_ == nullptr || stamps_->now(standing.slot) == standing.stamp);
    }

    std::size_t max_bytes_;
    const write_stamps* stamps_;
    std::size_t bytes_ = 0;
    std::size_t keys_ = 0;
    std::size_t own_ = 0;
    node* first_own_ = nullptr;  ///< all of them, in no order
    std::map<std::string, std::unique_ptr<tenant_values>, std::less<>> tenants_;
    std::set<std::pair<std::size_t, tenant_values*>> by_bytes_;  ///< but for those whose bytes have changed since
    std::vector<tenant_values*> rank_changed_;
    std::vector<tenant_database*> databases_;
    std::size_t expiring_ = 0;  ///< the database that expire_some() looks at next
};

}  // namespace weir
