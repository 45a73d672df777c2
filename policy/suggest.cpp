#include "policy/suggest.hpp"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace weir {
namespace {

constexpr std::size_t longest_compared = 64;

/// Levenshtein's distance, one row of the table at a time.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            const auto replaced = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

bool is_near(std::string_view written, std::string_view candidate, std::size_t apart) {
    const auto shorter = std::min(written.size(), candidate.size());
    if (shorter >= 3 && (written.starts_with(candidate) || candidate.starts_with(written))) return true;
    return apart <= std::max<std::size_t>(1, shorter / 3);
}

}  // namespace

std::string_view nearest(std::string_view written, std::span<const std::string_view> candidates) {
    std::string_view best;
    std::size_t least = longest_compared;
    if (written.size() > longest_compared) return best;
    for (const auto candidate : candidates) {
        const auto apart = distance(written, candidate);
        if (apart >= least || !is_near(written, candidate, apart)) continue;
        least = apart;
        best = candidate;
    }
    return best;
}

std::string join(std::span<const std::string_view> words) {
    std::string list;
    for (const auto word : words) list.append(list.empty() ? "" : ", ").append(word);
    return list;
}

}  // namespace weir
