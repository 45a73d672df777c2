#include "proxy/fallback/memory_store.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

namespace weir {

using engine::dense_map;
using engine::entry;

namespace {

/// Of other types nobody knows an expiry.
bool is_same_text(const engine::any_value& one, const engine::any_value& other) {
    const auto* const text = std::get_if<engine::string_value>(&one);
    const auto* const other_text = std::get_if<engine::string_value>(&other);
    return text != nullptr && other_text != nullptr && *text == *other_text;
}

}  // namespace

/// One key. Where it stands in its database is kept up to date, so that it can be removed without looking it up.
struct memory_store::node {
    entry what;
    std::size_t bytes = 0;
    tenant_database* home = nullptr;
    std::size_t place = 0;
    node* newer = nullptr;
    node* older = nullptr;
    copy_standing standing;  ///< of the store's own: of what it was made from
    bool own = false;
    node* next_own = nullptr;
    node* previous_own = nullptr;
};

/// What one tenant holds, and in which order it was used.
struct memory_store::tenant_values {
    memory_store& store;
    std::int64_t databases;
    std::string_view name;
    std::map<std::int64_t, std::unique_ptr<tenant_database>> by_number = {};
    std::size_t bytes = 0;
    std::size_t ranked_bytes = 0;  ///< as memory_store::by_bytes_ has it
    bool rank_changed = false;
    std::int64_t forgotten_until = 0;
    node* newest = nullptr;
    node* oldest = nullptr;

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
        bytes = bytes - changed.bytes + now_bytes;
        store.bytes_ = store.bytes_ - changed.bytes + now_bytes;
        changed.bytes = now_bytes;
        if (!std::exchange(rank_changed, true)) store.rank_changed_.push_back(this);
    }
};

class memory_store::tenant_database final : public engine::keyspace {
public:
    tenant_database(tenant_values& tenant, std::int64_t number) : tenant_(tenant), number_(number) {
        tenant_.store.databases_.push_back(this);
    }

    entry* find(std::string_view key, std::int64_t now) override {
        const std::size_t place = nodes_.find(key);
        if (place == nodes_.none) return nullptr;
        node& found = *nodes_[place].mapped;
        if (is_gone(found, now)) {
            erase(found);
            return nullptr;
        }
        tenant_.use(found);
        return &found.what;
    }

    entry& put(std::string_view key, entry what) override {
        node& held = add(key, std::move(what));
        tenant_.store.become_own(held);
        return held.what;
    }

    node* look_up(std::string_view key) {
        const std::size_t place = nodes_.find(key);
        return place == nodes_.none ? nullptr : nodes_[place].mapped.get();
    }

    /// Not yet the store's own, and stale.
    node& add(std::string_view key, entry what) {
        // A key that is there keeps its place, or a SCAN on its way could miss it.
        if (node* const known = look_up(key)) {
            known->what = std::move(what);
            known->standing = {};
            tenant_.store.leave_own(*known);
            tenant_.use(*known);
            tenant_.count(*known, bytes_of(*known));
            return *known;
        }
        auto made = std::make_unique<node>();
        made->what = std::move(what);
        made->home = this;
        made->place = nodes_.size();
        node& held = *nodes_.insert(key, std::move(made));
        tenant_.link(held);
        ++tenant_.store.keys_;
        tenant_.count(held, bytes_of(held));
        return held;
    }

    void altered(std::string_view key, entry&) override {
        node& held = *nodes_[nodes_.find(key)].mapped;
        tenant_.count(held, bytes_of(held));
        tenant_.store.become_own(held);
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

    void forget_copies() {
        for (std::size_t place = nodes_.size(); place-- > 0;) {
            node& each = *nodes_[place].mapped;
            if (!each.own) erase(each);
        }
    }

    /// Of a copy.
    [[nodiscard]] bool is_forgotten(const node& held) const {
        return held.standing.stale_at <= std::max(forgotten_until, tenant_.forgotten_until);
    }

    std::optional<std::string> random_key(engine::random_source& random, std::int64_t now) override {
        while (!nodes_.empty()) {
            const auto& chosen = nodes_[random() % nodes_.size()];
            if (!is_gone(*chosen.mapped, now)) return chosen.key;
            erase(*chosen.mapped);
        }
        return std::nullopt;
    }

    std::uint64_t scan(std::uint64_t cursor, std::uint64_t count, std::int64_t now, const key_visitor& visit) override {
        const std::size_t end =
            cursor == 0 ? nodes_.size() : static_cast<std::size_t>(std::min<std::uint64_t>(cursor, nodes_.size()));
        const std::size_t begin = end - static_cast<std::size_t>(std::min<std::uint64_t>(count, end));
        for (std::size_t place = end; place-- > begin;) {
            const auto& each = nodes_[place];
            if (!is_gone(*each.mapped, now)) visit(each.key, each.mapped->what);
        }
        return begin;
    }

    std::int64_t number() const override { return number_; }

    keyspace* sibling(std::int64_t database) override {
        if (database < 0 || database >= tenant_.databases) return nullptr;
        auto& other = tenant_.by_number[database];
        if (!other) other = std::make_unique<tenant_database>(tenant_, database);
        return other.get();
    }

    void clear_all() override {
        for (const auto& [number, each] : tenant_.by_number) each->clear();
    }

    void erase(node& gone) {
        const std::size_t place = gone.place;
        tenant_.unlink(gone);
        tenant_.count(gone, 0);
        tenant_.store.leave_own(gone);
        --tenant_.store.keys_;
        nodes_.swap_erase(place);
        if (place < nodes_.size()) nodes_[place].mapped->place = place;
    }

    /// Looks at up to `count` keys, from where it stopped last, downwards. Returns how many it looked at; the first key
    /// has been reached when is_passed().
    std::size_t expire_some(std::size_t count, std::int64_t now, std::size_t& gone) {
        if (expiring_ == 0) expiring_ = nodes_.size();
        expiring_ = std::min(expiring_, nodes_.size());
        std::size_t looked = 0;
        for (; looked < count && expiring_ > 0; ++looked) {
            node& each = *nodes_[--expiring_].mapped;
            if (!is_gone(each, now)) continue;
            erase(each);
            ++gone;
        }
        return looked;
    }
    [[nodiscard]] bool is_passed() const { return expiring_ == 0; }
    /// Nothing would be missed; what was forgotten is remembered until no older copy can come any more.
    [[nodiscard]] bool is_useless(std::int64_t now) const {
        return nodes_.empty() && std::max(forgotten_until, tenant_.forgotten_until) <= now;
    }
    [[nodiscard]] tenant_values& whose() { return tenant_; }
    std::int64_t forgotten_until = 0;

private:
    /// The node, its places in the order and in the database, and the allocations' own bytes, about.
    static constexpr std::size_t node_bytes = sizeof(node) + sizeof(dense_map<std::unique_ptr<node>>::item) + 32;

    [[nodiscard]] bool is_gone(const node& held, std::int64_t now) const {
        return held.what.is_expired(now) || (!held.own && (is_forgotten(held) || !tenant_.store.is_good(held.standing, now)));
    }
    [[nodiscard]] std::size_t bytes_of(const node& held) const {
        return node_bytes + nodes_[held.place].key.size() + memory_bytes(held.what.held);
    }

    tenant_values& tenant_;
    std::int64_t number_;
    dense_map<std::unique_ptr<node>> nodes_;
    std::size_t expiring_ = 0;
};

memory_store::memory_store(std::size_t max_bytes, const write_stamps* stamps)
    : max_bytes_(max_bytes), stamps_(stamps) {}

memory_store::~memory_store() = default;

engine::keyspace& memory_store::database(std::string_view tenant, std::int64_t number, std::int64_t databases) {
    auto found = tenants_.find(tenant);
    if (found == tenants_.end()) {
        found = tenants_.emplace(std::string(tenant), nullptr).first;
        found->second = std::make_unique<tenant_values>(*this, databases, found->first);
    }
    auto& values = *found->second;
    values.databases = std::max(values.databases, databases);
    auto& made = values.by_number[number];
    if (!made) made = std::make_unique<tenant_database>(values, number);
    return *made;
}

void memory_store::become_own(node& written) {
    if (std::exchange(written.own, true)) return;
    ++own_;
    written.next_own = std::exchange(first_own_, &written);
    if (written.next_own != nullptr) written.next_own->previous_own = &written;
}

void memory_store::leave_own(node& gone) {
    if (!std::exchange(gone.own, false)) return;
    --own_;
    (gone.previous_own != nullptr ? gone.previous_own->next_own : first_own_) = gone.next_own;
    if (gone.next_own != nullptr) gone.next_own->previous_own = gone.previous_own;
    gone.next_own = gone.previous_own = nullptr;
}

void memory_store::remember(engine::keyspace& where, std::string_view key, entry what, expiry_knowledge expiry,
                            const copy_standing& standing, write_stamps::stamp before) {
    auto& database = static_cast<tenant_database&>(where);
    if (standing.stale_at <= std::max(database.forgotten_until, database.whose().forgotten_until)) return;
    // Who saw the key before it was written may tell of it after who wrote it.
    if (stamps_ != nullptr && stamps_->now(standing.slot) != standing.stamp) return;
    const node* const known = database.look_up(key);
    if (known != nullptr && known->own) return;
    if (expiry != expiry_knowledge::exact) {
        const bool keeps = known != nullptr && !database.is_forgotten(*known) && known->standing.stamp == before &&
                           (expiry == expiry_knowledge::kept || is_same_text(known->what.held, what.held));
        what.expires_at = keeps ? known->what.expires_at : engine::unknown_expiry;
    }
    database.add(key, std::move(what)).standing = standing;
}

void memory_store::forget(engine::keyspace& where, std::string_view key) {
    auto& database = static_cast<tenant_database&>(where);
    node* const known = database.look_up(key);
    if (known != nullptr && !known->own) database.erase(*known);
}

void memory_store::forget_database(engine::keyspace& where, std::int64_t stale_at) {
    auto& database = static_cast<tenant_database&>(where);
    database.forgotten_until = std::max(database.forgotten_until, stale_at);
}

void memory_store::forget_tenant(engine::keyspace& where, std::int64_t stale_at) {
    tenant_values& whose = static_cast<tenant_database&>(where).whose();
    whose.forgotten_until = std::max(whose.forgotten_until, stale_at);
}

void memory_store::forget_all() {
    for (tenant_database* const each : databases_) each->forget_copies();
}

void memory_store::vouch(engine::keyspace& where, std::string_view key, std::uint32_t slot) {
    node* const held = static_cast<tenant_database&>(where).look_up(key);
    if (held == nullptr || !held->own || stamps_ == nullptr) return;
    held->standing = {std::numeric_limits<std::int64_t>::max(), slot, stamps_->now(slot)};
}

void memory_store::distrust(engine::keyspace& where, std::string_view key) {
    node* const held = static_cast<tenant_database&>(where).look_up(key);
    if (held != nullptr) held->standing = {};
}

std::size_t memory_store::drop_own() {
    const std::size_t count = own_;
    while (first_own_ != nullptr) first_own_->home->erase(*first_own_);
    return count;
}

void memory_store::give_up_own(std::int64_t stale_at) {
    while (first_own_ != nullptr) {
        node& each = *first_own_;
        leave_own(each);
        each.standing.stale_at = std::min(each.standing.stale_at, stale_at);
        if (each.standing.stale_at == 0) each.home->erase(each);
    }
}

void memory_store::rank() {
    for (tenant_values* const each : rank_changed_) {
        by_bytes_.erase({each->ranked_bytes, each});
        each->ranked_bytes = each->bytes;
        by_bytes_.emplace(each->bytes, each);
        each->rank_changed = false;
    }
    rank_changed_.clear();
}

memory_store::tenant_values& memory_store::largest() {
    rank();
    return *by_bytes_.rbegin()->second;
}

std::size_t memory_store::trim() {
    std::size_t gone = 0;
    for (; bytes_ > max_bytes_; ++gone) {
        const tenant_values& most = largest();
        // What is too large for the whole store would take everything along before it went itself.
        node& leaves = most.newest->bytes > max_bytes_ ? *most.newest : *most.oldest;
        leaves.home->erase(leaves);
    }
    return gone;
}

std::size_t memory_store::expire_some(std::size_t count, std::int64_t now) {
    std::size_t gone = 0;
    // Each database once at most, so that a call with nothing to do ends.
    for (std::size_t visited = 0; visited < databases_.size() && count > 0; ++visited) {
        const std::size_t place = expiring_ % databases_.size();
        tenant_database& each = *databases_[place];
        // An empty one is looked at, too.
        count -= std::max<std::size_t>(each.expire_some(count, now, gone), 1);
        if (!each.is_passed()) continue;
        each.is_useless(now) ? drop(place) : static_cast<void>(++expiring_);
    }
    return gone;
}

void memory_store::drop(std::size_t place) {
    tenant_database& useless = *databases_[place];
    tenant_values& whose = useless.whose();
    databases_[place] = databases_.back();
    databases_.pop_back();
    whose.by_number.erase(useless.number());
    if (!whose.by_number.empty()) return;
    rank();
    by_bytes_.erase({whose.ranked_bytes, &whose});
    tenants_.erase(tenants_.find(whose.name));
}

std::size_t memory_store::bytes(std::string_view tenant) const {
    const auto found = tenants_.find(tenant);
    return found == tenants_.end() ? 0 : found->second->bytes;
}

}  // namespace weir
