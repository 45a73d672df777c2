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
/// write costs one store, and nothing has to be looked up or told to anybody.
///
/// A table of stamps: a key's place is chosen by its hash, and each write leaves a stamp there, one that no other write has, when
/// it is answered, or when nobody waits for it any more. A copy keeps the stamp that was there when the command that showed the
/// value was sent, and is good as long as it stands there: so nothing is that overlapped a write, in whichever order the server did
/// them. A write's own value is good with its own stamp, if the one before stood still while the write was under way. Keys that
/// share a place cost each other copies, never a wrong one.
class write_stamps {
public:
    using stamp = std::uint64_t;

    /// Stamps of one thread, which nobody else has.
    class source {
    public:
        source(std::size_t thread, std::size_t threads) : step_(threads), last_(thread) {}
        [[nodiscard]] stamp next() { return last_ += step_; }

    private:
        std::size_t step_;
        stamp last_;
    };

    write_stamps() : memory_(std::aligned_alloc(huge_page, slots * sizeof(place))) {
        if (memory_ == nullptr) throw std::bad_alloc();
        // The slots of a thousand keys lie on a thousand small pages, and their addresses would have to be looked up each time.
        static_cast<void>(::madvise(memory_.get(), slots * sizeof(place), MADV_HUGEPAGE));
        places_ = static_cast<place*>(memory_.get());
        std::uninitialized_value_construct_n(places_, slots);
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
    /// A write ends soon.
    void expect_write(std::size_t slot) const { __builtin_prefetch(&places_[slot], 1); }
    /// A write has ended. A mere store: the thread does not wait until it has the place in its cache.
    void write(std::size_t slot, stamp fresh) { places_[slot].store(fresh, std::memory_order_relaxed); }
    /// The same; returns whether `before` stood there until now, so that the write has overlapped no other. Its keys may share
    /// a place.
    [[nodiscard]] bool write_alone(std::size_t slot, stamp before, stamp fresh) {
        const stamp found = places_[slot].exchange(fresh, std::memory_order_relaxed);
        return found == before || found == fresh;
    }
    [[nodiscard]] stamp now(std::size_t slot) const { return places_[slot].load(std::memory_order_relaxed); }

private:
    struct release {
        void operator()(void* memory) const { std::free(memory); }
    };
    using place = std::atomic<stamp>;
    static constexpr std::size_t slots = std::size_t{1} << 19;  ///< 4 MiB
    static constexpr std::size_t huge_page = std::size_t{2} << 20;
    std::unique_ptr<void, release> memory_;
    place* places_ = nullptr;
};

}  // namespace weir
