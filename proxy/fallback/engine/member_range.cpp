#include "proxy/fallback/engine/member_range.hpp"

#include <algorithm>

#include "proxy/fallback/engine/numbers.hpp"

namespace weir::engine {

namespace {

using kind = name_bound::kind;

struct score_bound {
    double score;
    bool excluded;
};

std::optional<score_bound> read_score_bound(std::string_view text) {
    const bool excluded = text.starts_with('(');
    const auto score = parse_c_double(text.substr(excluded ? 1 : 0));
    return score ? std::optional(score_bound{*score, excluded}) : std::nullopt;
}

std::optional<name_bound> read_name_bound(std::string_view text) {
    if (text.empty()) return std::nullopt;
    const std::string_view rest = text.substr(1);
    const bool ends_here = rest.empty() || rest.front() == '\0';
    switch (text.front()) {
        case '-': return ends_here ? std::optional(name_bound{kind::lowest, {}}) : std::nullopt;
        case '+': return ends_here ? std::optional(name_bound{kind::highest, {}}) : std::nullopt;
        case '(': return name_bound{kind::excluding, rest};
        case '[': return name_bound{kind::including, rest};
        default: return std::nullopt;
    }
}

bool is_above(std::string_view member, const name_bound& least) {
    if (least.is == kind::lowest || least.is == kind::highest) return least.is == kind::lowest;
    return least.is == kind::excluding ? member > least.member : member >= least.member;
}

bool is_below(std::string_view member, const name_bound& most) {
    if (most.is == kind::lowest || most.is == kind::highest) return most.is == kind::highest;
    return most.is == kind::excluding ? member < most.member : member <= most.member;
}

/// Whatever the members are.
bool is_empty(const name_range& range) {
    const auto& [least, most] = range;
    if (least.is == kind::highest || most.is == kind::lowest) return true;
    if (least.is == kind::lowest || most.is == kind::highest) return false;
    if (least.member != most.member) return least.member > most.member;
    return least.is == kind::excluding || most.is == kind::excluding;
}

/// Step by step, as Redis does: the one where it begins must be in the range, what is skipped is not looked at.
rank_range ranks_in_small(const score_index& order, const name_range& range, bool from_upper_end,
                          std::size_t skipped) {
    const auto member = [&](std::size_t rank) { return std::string_view(order[order.at_rank(rank)].member); };
    if (!is_above(member(order.size() - 1), range.least) || !is_below(member(0), range.most)) return {};
    if (from_upper_end) {
        std::size_t end = order.size();
        while (end > 0 && !is_below(member(end - 1), range.most)) --end;
        if (end == 0 || !is_above(member(end - 1), range.least)) return {};
        end -= std::min(end, skipped);
        std::size_t first = end;
        while (first > 0 && is_above(member(first - 1), range.least)) --first;
        return {first, end};
    }
    std::size_t first = 0;
    while (first < order.size() && !is_above(member(first), range.least)) ++first;
    if (first == order.size() || !is_below(member(first), range.most)) return {};
    first += std::min(order.size() - first, skipped);
    std::size_t end = first;
    while (end < order.size() && is_below(member(end), range.most)) ++end;
    return {first, end};
}

}  // namespace

std::optional<score_range> read_score_range(const call& c, std::size_t least, std::size_t most) {
    const auto low = read_score_bound(c[least]);
    const auto high = read_score_bound(c[most]);
    if (low && high) return score_range{low->score, high->score, low->excluded, high->excluded};
    c.fail(texts::range_no_float);
    return std::nullopt;
}

std::optional<name_range> read_name_range(const call& c, std::size_t least, std::size_t most) {
    const auto low = read_name_bound(c[least]);
    const auto high = read_name_bound(c[most]);
    if (low && high) return name_range{*low, *high};
    c.fail(texts::range_no_string);
    return std::nullopt;
}

rank_range ranks_between(std::size_t size, std::int64_t first, std::int64_t last) {
    const auto count = static_cast<std::int64_t>(size);
    first = std::max<std::int64_t>(first < 0 ? first + count : first, 0);
    last = std::min(last < 0 ? last + count : last, count - 1);
    if (first > last) return {};
    return {static_cast<std::size_t>(first), static_cast<std::size_t>(last) + 1};
}

rank_range ranks_in(const sorted_set_value& set, const score_range& range) {
    const auto& order = set.order();
    const std::size_t first = order.rank(order.partition_point([&](const scored_member& each) {
        return range.without_least ? each.score <= range.least : each.score < range.least;
    }));
    const std::size_t end = order.rank(order.partition_point([&](const scored_member& each) {
        return range.without_most ? each.score < range.most : each.score <= range.most;
    }));
    return first < end ? rank_range{first, end} : rank_range{};
}

rank_range ranks_in(const sorted_set_value& set, const name_range& range, bool from_upper_end, std::size_t skipped) {
    const auto& order = set.order();
    if (is_empty(range) || order.size() == 0) return {};
    if (set.is_small()) return ranks_in_small(order, range, from_upper_end, skipped);
    const std::size_t first = order.rank(
        order.partition_point([&](const scored_member& each) { return !is_above(each.member, range.least); }));
    const std::size_t end = order.rank(
        order.partition_point([&](const scored_member& each) { return is_below(each.member, range.most); }));
    if (first >= end) return {};
    const std::size_t gone = std::min(skipped, end - first);
    return from_upper_end ? rank_range{first, end - gone} : rank_range{first + gone, end};
}

}  // namespace weir::engine
