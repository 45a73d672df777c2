#include "proxy/fallback/observation.hpp"

#include <algorithm>
#include <array>

namespace weir {

namespace {

struct teaching {
    std::string_view name;
    std::size_t least_words;
    std::size_t most_words = least_words;
};

constexpr std::size_t any = static_cast<std::size_t>(-1);

/// In the order of their names.
constexpr std::array<teaching, 15> teachings{{
    {"flushall", 1, 2},
    {"flushdb", 1, 2},
    {"get", 2},
    {"getset", 3},
    {"hgetall", 2},
    {"lrange", 4},
    {"mget", 2, any},
    {"mset", 3, any},
    {"msetnx", 3, any},
    {"psetex", 4},
    {"set", 3, any},
    {"setex", 4},
    {"setnx", 3},
    {"smembers", 2},
    {"zrange", 5},
}};
static_assert(std::ranges::is_sorted(teachings, {}, &teaching::name));

}  // namespace

bool teaches(std::string_view name, std::size_t words) {
    const auto* const found = std::ranges::lower_bound(teachings, name, {}, &teaching::name);
    if (found == teachings.end() || found->name != name) return false;
    return words == 0 || (words >= found->least_words && words <= found->most_words);
}

}  // namespace weir
