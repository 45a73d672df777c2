#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>

#include "proxy/fallback/engine/dense_map.hpp"
#include "proxy/fallback/engine/keyspace.hpp"

namespace weir::engine {

/// The plainest keyspace: all in memory, without bounds; what has expired goes when somebody asks for it.
class map_keyspace final : public keyspace {
public:
    explicit map_keyspace(std::int64_t number = 0) : number_(number) {}

    entry* find(std::string_view key, std::int64_t now) override {
        const std::size_t place = entries_.find(key);
        if (place == entries_.none) return nullptr;
        entry* const found = entries_[place].mapped.get();
        if (!found->is_expired(now)) return found;
        entries_.swap_erase(place);
        return nullptr;
    }
    entry& put(std::string_view key, entry what) override {
        if (const std::size_t place = entries_.find(key); place != entries_.none) {
            return *entries_[place].mapped = std::move(what);
        }
        return *entries_.insert(key, std::make_unique<entry>(std::move(what)));
    }
    void altered(std::string_view, entry&) override {}
    bool remove(std::string_view key) override {
        const std::size_t place = entries_.find(key);
        if (place != entries_.none) entries_.swap_erase(place);
        return place != entries_.none;
    }
    void clear() override { entries_.clear(); }

    std::optional<std::string> random_key(random_source& random, std::int64_t now) override {
        while (!entries_.empty()) {
            const std::string key = entries_[random() % entries_.size()].key;
            if (find(key, now) != nullptr) return key;
        }
        return std::nullopt;
    }

    std::uint64_t scan(std::uint64_t cursor, std::uint64_t count, std::int64_t now,
                       const key_visitor& visit) override {
        const std::size_t end =
            cursor == 0 ? entries_.size() : std::min<std::size_t>(cursor, entries_.size());
        const std::size_t begin = end - std::min<std::size_t>(count, end);
        for (std::size_t place = end; place-- > begin;) {
            const auto& each = entries_[place];
            if (!each.mapped->is_expired(now)) visit(each.key, *each.mapped);
        }
        return begin;
    }

    std::int64_t number() const override { return number_; }
    keyspace* sibling(std::int64_t database) override {
        if (database < 0 || database > 15) return nullptr;
        auto& other = others_[database];
        if (!other) other = std::make_unique<map_keyspace>(database);
        return other.get();
    }
    void clear_all() override {
        clear();
        others_.clear();
    }

private:
    std::int64_t number_;
    dense_map<std::unique_ptr<entry>> entries_;
    std::map<std::int64_t, std::unique_ptr<map_keyspace>> others_;
};

}  // namespace weir::engine
