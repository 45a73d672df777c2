#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "proxy/fallback/engine/call.hpp"

namespace weir::engine {

/// How many random elements a client asked for: as many different ones, or so many of which each may come again.
struct sample_size {
    std::size_t count = 0;
    bool repeats = false;
};

/// From argument 2 of SRANDMEMBER, HRANDFIELD and ZRANDMEMBER, where less than 0 allows repetition. nullopt: the error
/// is written.
[[nodiscard]] std::optional<sample_size> read_sample_size(const call& c);

/// Redis would write on until its memory is used up.
[[nodiscard]] inline bool is_too_large(const call& c, sample_size wanted) {
    return wanted.repeats && wanted.count > static_cast<std::size_t>(c.limits().max_random_elements);
}

/// Places below `size`, which is not 0. All of them, in order, when as many or more different ones are wanted.
[[nodiscard]] std::vector<std::size_t> random_places(const call& c, std::size_t size, sample_size wanted);

}  // namespace weir::engine
