#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

namespace weir {

/// Tells whether a key was written, through this process, since a copy of its value was taken. Shared by the workers; a
/// write costs two additions, and nothing has to be looked up or told to anybody.
///
///     write   sent: +1 ———————— somewhere in between it is done ———————— answered, or given up: +1
///
/// A table of counters: a key's is chosen by its hash. A copy keeps the counter as it was when the command that showed the
/// value was sent, and is good as long as it stands there: so nothing is that overlapped a write, in whichever order the
/// server did them. A write's own value is good after its second step, if nobody else's stood between the two. Keys that share
/// a counter cost each other copies, never a wrong one.
class write_stamps {
public:
    using stamp = std::uint32_t;

    write_stamps() : counters_(std::make_unique<std::atomic<stamp>[]>(slots)) {}

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
    /// A write is about to be sent. Not one atomic step, for which the processor would have to wait: two workers that begin
    /// at the same moment may count as one, which makes earlier copies void all the same.
    void begin(std::size_t slot) {
        counters_[slot].store(counters_[slot].load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    /// It is answered, or nobody waits for it any more.
    void end(std::size_t slot) { counters_[slot].fetch_add(1, std::memory_order_relaxed); }
    /// A write as a whole.
    void write(std::size_t slot) {
        begin(slot);
        end(slot);
    }
    [[nodiscard]] stamp now(std::size_t slot) const { return counters_[slot].load(std::memory_order_relaxed); }

private:
    static constexpr std::size_t slots = std::size_t{1} << 20;  ///< 4 MiB
    std::unique_ptr<std::atomic<stamp>[]> counters_;
};

}  // namespace weir
