#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/fallback/engine/keyed_hash.hpp"

namespace weir::engine {

/// A map from text whose items lie densely in one array, so that a random one, and a place to go on from
/// (SCAN), cost nothing.
///
///     items_  [ key mapped | key mapped | key mapped ]     in order of insertion until swap_erase() is used
///     slots_  [ 0 | 2 | 0 | 1 | 0 | 3 | 0 | 0 ]             1 + place in items_, linear probing; none for a
///     few items
///
/// Its hash is keyed: keys are chosen by clients, who must not be able to make it slow.
///
/// An index is valid until the next erase, a reference until the next insertion or erase.
template <typename Mapped>
class dense_map {
public:
    struct item {
        std::string key;
        [[no_unique_address]] Mapped mapped;
    };
    static constexpr std::size_t none = static_cast<std::size_t>(-1);

    [[nodiscard]] std::size_t size() const { return items_.size(); }
    [[nodiscard]] bool empty() const { return items_.empty(); }
    [[nodiscard]] const std::vector<item>& items() const { return items_; }
    [[nodiscard]] const item& operator[](std::size_t index) const { return items_[index]; }
    [[nodiscard]] Mapped& mapped(std::size_t index) { return items_[index].mapped; }

    [[nodiscard]] std::size_t find(std::string_view key) const {
        if (slots_.empty()) return find_among_few(key);
        for (std::size_t slot = home(key);; slot = next(slot)) {
            if (slots_[slot] == 0) return none;
            if (items_[slots_[slot] - 1].key == key) return slots_[slot] - 1;
        }
    }

    /// `key` must not be there. It becomes the last.
    Mapped& insert(std::string_view key, Mapped mapped) {
        items_.push_back({std::string(key), std::move(mapped)});
        if (items_.size() > few && items_.size() * 2 > slots_.size()) {
            rebuild(items_.size() * 4);
        } else if (!slots_.empty()) {
            occupy(items_.size() - 1);
        }
        return items_.back().mapped;
    }

    /// The last item takes the place of the erased one. Whoever walks from the last to the first, and goes on
    /// below the index where it stopped, meets every item that was there all the time.
    void swap_erase(std::size_t index) {
        const std::size_t last = items_.size() - 1;
        if (!slots_.empty()) {
            vacate(slot_of(index));
            if (index != last) slots_[slot_of(last)] = static_cast<std::uint32_t>(index + 1);
        }
        if (index != last) items_[index] = std::move(items_[last]);
        items_.pop_back();
        if (items_.capacity() > 4 * few && items_.size() < items_.capacity() / 4) shrink();
    }

    /// Keeps the order; costs as many steps as there are items.
    void ordered_erase(std::size_t index) {
        items_.erase(items_.begin() + static_cast<std::ptrdiff_t>(index));
        if (!slots_.empty()) rebuild(slots_.size());
    }

    void clear() { *this = {}; }

    void reserve(std::size_t count) {
        items_.reserve(count);
        if (count > few && count * 2 > slots_.size()) rebuild(count * 2);
    }

private:
    static constexpr std::size_t few = 16;

    [[nodiscard]] std::size_t home(std::string_view key) const {
        return keyed_hash(key) & (slots_.size() - 1);
    }
    [[nodiscard]] std::size_t next(std::size_t slot) const { return (slot + 1) & (slots_.size() - 1); }

    [[nodiscard]] std::size_t find_among_few(std::string_view key) const {
        for (std::size_t i = 0; i < items_.size(); ++i) {
            if (items_[i].key == key) return i;
        }
        return none;
    }

    [[nodiscard]] std::size_t slot_of(std::size_t index) const {
        std::size_t slot = home(items_[index].key);
        while (slots_[slot] != index + 1) slot = next(slot);
        return slot;
    }

    void occupy(std::size_t index) {
        std::size_t slot = home(items_[index].key);
        while (slots_[slot] != 0) slot = next(slot);
        slots_[slot] = static_cast<std::uint32_t>(index + 1);
    }

    /// Pulls those behind `hole` forward that would not be found across it.
    void vacate(std::size_t hole) {
        for (std::size_t slot = next(hole); slots_[slot] != 0; slot = next(slot)) {
            const std::size_t wanted = home(items_[slots_[slot] - 1].key);
            const std::size_t mask = slots_.size() - 1;
            if (((slot - wanted) & mask) < ((slot - hole) & mask)) continue;
            slots_[hole] = slots_[slot];
            hole = slot;
        }
        slots_[hole] = 0;
    }

    void rebuild(std::size_t at_least) {
        std::size_t count = 4 * few;
        while (count < at_least) count *= 2;
        slots_.assign(count, 0);
        for (std::size_t i = 0; i < items_.size(); ++i) occupy(i);
    }

    /// What was large once must not hold that memory for ever: nobody counts it any more.
    void shrink() {
        std::vector<item> moved;
        moved.reserve(items_.size() * 2);
        std::ranges::move(items_, std::back_inserter(moved));
        items_ = std::move(moved);
        slots_ = {};
        if (items_.size() > few) rebuild(items_.size() * 4);
    }

    std::vector<item> items_;
    std::vector<std::uint32_t> slots_;
};

}  // namespace weir::engine
