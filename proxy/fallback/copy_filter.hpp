#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace weir {

/// Which keys the fallback may hold copies of: says yes for each that it does, and for few others. Shared by the workers,
/// without locks, so that a write to a key that nobody has read costs nothing.
///
/// Two tables of bits, each for `max_age`: one is written, both are looked at, and then the older is cleared. What is noted
/// is found for `max_age` at least, which is how long a copy lives.
class copy_filter {
public:
    copy_filter(std::size_t bits, std::chrono::milliseconds max_age);

    /// `database` of tenant `prefix`.
    [[nodiscard]] static std::uint64_t hash(std::string_view prefix, int database, std::string_view key);
    void note(std::uint64_t hash, std::chrono::steady_clock::time_point now);
    [[nodiscard]] bool may_hold(std::uint64_t hash) const;
    /// Once in a while, from one thread.
    void age(std::chrono::steady_clock::time_point now);
};

}  // namespace weir
