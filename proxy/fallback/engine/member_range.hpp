#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "proxy/fallback/engine/call.hpp"

namespace weir::engine {

/// Bounds on scores, as ZRANGEBYSCORE takes them: `(` in front excludes the bound itself.
struct score_range {
    double least = 0;
    double most = 0;
    bool without_least = false;
    bool without_most = false;
};

/// One bound on members, as ZRANGEBYLEX takes it: `-`, `+`, `[member` or `(member`.
struct name_bound {
    enum class kind : std::uint8_t { lowest, highest, including, excluding };
    kind is = kind::lowest;
    std::string_view member;
};
struct name_range {
    name_bound least;
    name_bound most;
};

/// nullopt: the error is written. Arguments hold the lower and the upper bound.
[[nodiscard]] std::optional<score_range> read_score_range(const call& c, std::size_t least, std::size_t most);
[[nodiscard]] std::optional<name_range> read_name_range(const call& c, std::size_t least, std::size_t most);

/// Members by their ranks: from `first` up to, but not, `end`.
struct rank_range {
    std::size_t first = 0;
    std::size_t end = 0;

    [[nodiscard]] std::size_t size() const { return end - first; }
};

/// Of ranks as clients tell them, where negative ones count from the end.
[[nodiscard]] rank_range ranks_between(std::size_t size, std::int64_t first, std::int64_t last);
[[nodiscard]] rank_range ranks_in(const sorted_set_value& set, const score_range& range);
/// Without the first `skipped` of them, from the lower end or from the upper. Where the scores are not all equal, a range
/// by name is not defined; then this is what Redis makes of it in a small set.
[[nodiscard]] rank_range ranks_in(const sorted_set_value& set, const name_range& range, bool from_upper_end,
                                  std::size_t skipped);

}  // namespace weir::engine
