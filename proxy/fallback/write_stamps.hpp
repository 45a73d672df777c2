#pragma once

#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <string_view>

namespace weir {

/// Tells whether a key was written, through this process, since a copy of its value was taken. Shared by the workers; a
/// write costs one addition, and nothing has to be looked up or told to anybody.
///
/// A table of counters: a key's is chosen by its hash, and each write adds one when it is answered, or when nobody waits for it
/// any more. A copy keeps the counter as it was when the command that showed the value was sent, and is good as long as it
/// stands there: so nothing is that overlapped a write, in whichever order the server did them. A write's own value is good
/// with the counter that it has set itself, if that stood still while the write was under way. Keys that share a counter cost
/// each other copies, never a wrong one.
class write_stamps {
public:
    using stamp = std::uint32_t;

    write_stamps() : memory_(std::aligned_alloc(huge_page, slots * sizeof(std::atomic<stamp>))) {
        if (memory_ == nullptr) throw std::bad_alloc();
        // The slots of a thousand keys lie on a thousand small pages, and their addresses would have to be looked up each time.
        static_cast<void>(::madvise(memory_.get(), slots * sizeof(std::atomic<stamp>), MADV_HUGEPAGE));
        counters_ = static_cast<std::atomic<stamp>*>(memory_.get());
        std::uninitialized_value_construct_n(counters_, slots);
    }

    /// A database of the tenant with that prefix, as a number.
    [[nodiscard]] static std::size_t hash_of(std::string_view prefix, int database) {
        const std::size_t whose = std::hash<std::string_view>{}(prefix) + static_cast<std::size_t>(database);
        return whose * 0x9e3779b97f4a7c15;
    }
    [[nodiscard]] static std::size_t slot_of(std::size_t whose, std::string_view key) {
        return (std::hash<std::string_view>{}(key) ^ whose) % slots;
    }
    [[nodiscard]] static std::size_t slot_of(std::string_view prefix, int database, std::string_view key) {
        return slot_of(hash_of(prefix, database), key);
    }
    /// A write has ended.
    void write(std::size_t slot) { counters_[slot].fetch_add(1, std::memory_order_relaxed); }
    [[nodiscard]] stamp now(std::size_t slot) const { return counters_[slot].load(std::memory_order_relaxed); }

private:
    struct release {
        void operator()(void* memory) const { std::free(memory); }
    };
    static constexpr std::size_t slots = std::size_t{1} << 20;  ///< 4 MiB
    static constexpr std::size_t huge_page = std::size_t{2} << 20;
    std::unique_ptr<void, release> memory_;
    std::atomic<stamp>* counters_ = nullptr;
};

}  // namespace weir
