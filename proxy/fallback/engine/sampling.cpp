#include "proxy/fallback/engine/sampling.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace weir::engine {

std::optional<sample_size> read_sample_size(const call& c) {
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    const auto told = c.integer_between(2, -most, most);
    if (!told) return std::nullopt;
    return sample_size{static_cast<std::size_t>(*told < 0 ? -*told : *told), *told < 0};
}

std::vector<std::size_t> random_places(const call& c, std::size_t size, sample_size wanted) {
    std::vector<std::size_t> places;
    if (wanted.repeats) {
        places.reserve(wanted.count);
        while (places.size() < wanted.count) places.push_back(c.random_below(size));
        return places;
    }
    places.resize(size);
    std::iota(places.begin(), places.end(), std::size_t{0});
    if (wanted.count >= size) return places;
    // The first steps of a shuffle.
    for (std::size_t i = 0; i < wanted.count; ++i) std::swap(places[i], places[i + c.random_below(size - i)]);
    places.resize(wanted.count);
    return places;
}

}  // namespace weir::engine
