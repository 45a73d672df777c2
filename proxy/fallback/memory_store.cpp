#include "proxy/fallback/memory_store.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace weir {

using engine::dense_map;
using engine::entry;

/// One key. Where it stands in its database is kept up to date, so that it can be removed without looking it
/// up.
struct memory_store::node {
    entry what;
    std::int64_t stale_at = engine::never;  ///< of a copy; never: the tenant's own
    std::size_t bytes = 0;
    tenant_database* home = nullptr;
    std::size_t place = 0;
    node* newer = nullptr;
    node* older = nullptr;

    [[nodiscard]] bool is_copy() const { return stale_at != engine::never; }
    [[nodiscard]] bool is_gone(std::int64_t now) const {
        return what.is_expired(now) || (is_copy() && now > stale_at);
    }
};

/// What one tenant holds, and in which order it was used.
struct memory_store::tenant_values {
    memory_store& store;
    std::string name;
    std::int64_t databases;
    std::map<std::int64_t, std::unique_ptr<tenant_database>> by_number = {};
    std::size_t bytes = 0;
    std::size_t own_keys = 0;
    node* newest = nullptr;
    node* oldest = nullptr;

    tenant_database& database(std::int64_t number);

    void link(node& used) {
        used.older = newest;
        used.newer = nullptr;
        (newest != nullptr ? newest->newer : oldest) = &used;
        newest = &used;
    }
    void unlink(node& gone) {
        (gone.newer != nullptr ? gone.newer->older : newest) = gone.older;
        (gone.older != nullptr ? gone.older->newer : oldest) = gone.newer;
    }
    void use(node& used) {
        if (&used == newest) return;
        unlink(used);
        link(used);
    }
    void count(node& changed, std::size_t now_bytes) {
        if (now_bytes == changed.bytes) return;
        auto standing = store.by_bytes_.extract(this);
        bytes = bytes - changed.bytes + now_bytes;
        store.by_bytes_.insert(std::move(standing));
        store.bytes_ = store.bytes_ - changed.bytes + now_bytes;
        changed.bytes = now_bytes;
    }
    void count_own(bool more) {
        own_keys = more ? own_keys + 1 : own_keys - 1;
        store.own_keys_ = more ? store.own_keys_ + 1 : store.own_keys_ - 1;
    }
    /// Whose it is: a copy until `stale_at`, or the tenant's own.
    void mark(node& changed, std::int64_t stale_at) {
        const bool was_copy = changed.is_copy();
        changed.stale_at = stale_at;
        if (changed.is_copy() != was_copy) count_own(was_copy);
    }
};

bool memory_store::holds_less::operator()(const tenant_values* one, const tenant_values* other) const {
    return one->bytes != other->bytes ? one->bytes < other->bytes : one->name < other->name;
}

class memory_store::tenant_database final : public engine::keyspace {
public:
    tenant_database(tenant_values& tenant, std::int64_t number) : tenant_(tenant), number_(number) {
        tenant_.store.databases_.push_back(this);
    }

    entry* find(std::string_view key, std::int64_t now) override {
        const std::size_t place = nodes_.find(key);
        if (place == nodes_.none) return nullptr;
        node& found = *nodes_[place].mapped;
        if (found.is_gone(now)) {
            erase(found);
            return nullptr;
        }
        tenant_.use(found);
        return &found.what;
    }

    entry& put(std::string_view key, entry what) override {
        return hold(key, std::move(what), engine::never).what;
    }

    void altered(std::string_view key, entry&) override {
        node& held = *nodes_[nodes_.find(key)].mapped;
        tenant_.mark(held, engine::never);
        tenant_.count(held, bytes_of(held));
    }

    bool remove(std::string_view key) override {
        const std::size_t place = nodes_.find(key);
        if (place == nodes_.none) return false;
        erase(*nodes_[place].mapped);
        return true;
    }

    void clear() override {
        while (!nodes_.empty()) erase(*nodes_[nodes_.size() - 1].mapped);
    }

    std::size_t size() override { return nodes_.size(); }

    std::optional<std::string> random_key(engine::random_source& random, std::int64_t now) override {
        while (!nodes_.empty()) {
            const auto& chosen = nodes_[random() % nodes_.size()];
            if (!chosen.mapped->is_gone(now)) return chosen.key;
            erase(*chosen.mapped);
        }
        return std::nullopt;
    }

    std::uint64_t scan(std::uint64_t cursor, std::uint64_t count, std::int64_t now,
                       const key_visitor& visit) override {
        const std::size_t end =
            cursor == 0 ? nodes_.size()
                        : static_cast<std::size_t>(std::min<std::uint64_t>(cursor, nodes_.size()));
        const std::size_t begin = end - static_cast<std::size_t>(std::min<std::uint64_t>(count, end));
        for (std::size_t place = end; place-- > begin;) {
            const auto& each = nodes_[place];
            if (!each.mapped->is_gone(now)) visit(each.key, each.mapped->what);
        }
        return begin;
    }

    std::int64_t number() const override { return number_; }

    keyspace* sibling(std::int64_t database) override {
        if (database < 0 || database >= tenant_.databases) return nullptr;
        return &tenant_.database(database);
    }

    void clear_all() override {
        for (const auto& [number, each] : tenant_.by_number) each->clear();
    }

    /// Where the key is already, it keeps its place: a SCAN that is on its way must not miss it.
    node& hold(std::string_view key, entry what, std::int64_t stale_at) {
        const std::size_t place = nodes_.find(key);
        node& held = place == nodes_.none ? add(key) : *nodes_[place].mapped;
        held.what = std::move(what);
        tenant_.use(held);
        tenant_.mark(held, stale_at);
        tenant_.count(held, bytes_of(held));
        return held;
    }
    [[nodiscard]] bool holds_own(std::string_view key) const {
        const std::size_t place = nodes_.find(key);
        return place != nodes_.none && !nodes_[place].mapped->is_copy();
    }

    void erase(node& gone) {
        const std::size_t place = gone.place;
        tenant_.unlink(gone);
        tenant_.count(gone, 0);
        if (!gone.is_copy()) tenant_.count_own(false);
        --tenant_.store.keys_;
        nodes_.swap_erase(place);
        if (place < nodes_.size()) nodes_[place].mapped->place = place;
    }

    /// Looks at up to `count` keys, from where it stopped last, downwards. Returns how many it looked at; the
    /// first key has been reached when is_passed().
    std::size_t expire_some(std::size_t count, std::int64_t now, std::size_t& gone) {
        if (expiring_ == 0) expiring_ = nodes_.size();
        expiring_ = std::min(expiring_, nodes_.size());
        std::size_t looked = 0;
        for (; looked < count && expiring_ > 0; ++looked) {
            node& each = *nodes_[--expiring_].mapped;
            if (!each.is_gone(now)) continue;
            erase(each);
            ++gone;
        }
        return looked;
    }
    [[nodiscard]] bool is_passed() const { return expiring_ == 0; }

private:
    /// The node, its places in the order and in the database, and the allocations' own bytes, about.
    static constexpr std::size_t node_bytes =
        sizeof(node) + sizeof(dense_map<std::unique_ptr<node>>::item) + 32;

    node& add(std::string_view key) {
        auto made = std::make_unique<node>();
        made->home = this;
        made->place = nodes_.size();
        node& held = *nodes_.insert(key, std::move(made));
        tenant_.link(held);
        tenant_.count_own(true);
        ++tenant_.store.keys_;
        return held;
    }

    [[nodiscard]] std::size_t bytes_of(const node& held) const {
        return node_bytes + nodes_[held.place].key.size() + memory_bytes(held.what.held);
    }

    tenant_values& tenant_;
    std::int64_t number_;
    dense_map<std::unique_ptr<node>> nodes_;
    std::size_t expiring_ = 0;
};

memory_store::tenant_database& memory_store::tenant_values::database(std::int64_t number) {
    auto& found = by_number[number];
    if (!found) found = std::make_unique<tenant_database>(*this, number);
    return *found;
}

memory_store::memory_store(std::size_t max_bytes) : max_bytes_(max_bytes) {}

memory_store::~memory_store() = default;

memory_store::tenant_values& memory_store::made(std::string_view tenant, std::int64_t databases) {
    auto found = tenants_.find(tenant);
    if (found == tenants_.end()) {
        auto values = std::make_unique<tenant_values>(*this, std::string(tenant), databases);
        by_bytes_.insert(values.get());
        found = tenants_.emplace(values->name, std::move(values)).first;
    }
    found->second->databases = databases;
    return *found->second;
}

const memory_store::tenant_values* memory_store::known(std::string_view tenant) const {
    const auto found = tenants_.find(tenant);
    return found == tenants_.end() ? nullptr : found->second.get();
}

engine::keyspace& memory_store::database(std::string_view tenant, std::int64_t number,
                                         std::int64_t databases) {
    return made(tenant, databases).database(number);
}

void memory_store::remember(std::string_view tenant, std::int64_t database, std::int64_t databases,
                            std::string_view key, entry what, std::int64_t stale_at) {
    tenant_database& into = made(tenant, databases).database(database);
    if (into.holds_own(key)) return;
    into.hold(key, std::move(what), stale_at);
    trim();
}

void memory_store::forget(std::string_view tenant, std::int64_t database, std::string_view key) {
    const auto* const values = known(tenant);
    if (values == nullptr) return;
    const auto found = values->by_number.find(database);
    if (found != values->by_number.end()) found->second->remove(key);
}

void memory_store::clear(std::string_view tenant) {
    const auto* const values = known(tenant);
    if (values == nullptr) return;
    for (const auto& [number, each] : values->by_number) each->clear();
}

std::size_t memory_store::trim() {
    std::size_t gone = 0;
    for (; bytes_ > max_bytes_; ++gone) {
        node& last = *(*by_bytes_.rbegin())->oldest;
        last.home->erase(last);
    }
    return gone;
}

std::size_t memory_store::expire_some(std::size_t count, std::int64_t now) {
    std::size_t gone = 0;
    // Each database once at most, and none for nothing, so that a call with little to do ends soon.
    for (std::size_t visited = 0; visited < databases_.size() && count > 0; ++visited) {
        tenant_database& each = *databases_[expiring_ % databases_.size()];
        const std::size_t looked = each.expire_some(count, now, gone);
        count -= std::max<std::size_t>(looked, 1);
        if (each.is_passed()) ++expiring_;
    }
    return gone;
}

std::size_t memory_store::bytes(std::string_view tenant) const {
    const auto* const values = known(tenant);
    return values == nullptr ? 0 : values->bytes;
}

std::size_t memory_store::own_keys(std::string_view tenant) const {
    const auto* const values = known(tenant);
    return values == nullptr ? 0 : values->own_keys;
}

}  // namespace weir
