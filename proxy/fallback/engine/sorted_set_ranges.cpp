#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "protocol/errors.hpp"
#include "proxy/fallback/engine/commands.hpp"
#include "proxy/fallback/engine/member_range.hpp"
#include "proxy/fallback/engine/numbers.hpp"
#include "proxy/fallback/engine/storing.hpp"

namespace weir::engine {

namespace {

using held_set = holding<sorted_set_value>;

void write_count(const call& c, std::size_t count) { c.reply().integer(static_cast<std::int64_t>(count)); }

struct told_ranks {
    std::int64_t first;
    std::int64_t last;
};
using any_range = std::variant<told_ranks, score_range, name_range>;

/// Without the first `skipped` of them; from_upper_end: the last.
rank_range ranks_in(const sorted_set_value& set, const any_range& range, bool from_upper_end, std::size_t skipped) {
    if (const auto* names = std::get_if<name_range>(&range)) return ranks_in(set, *names, from_upper_end, skipped);
    rank_range found;
    if (const auto* ranks = std::get_if<told_ranks>(&range)) {
        found = ranks_between(set.size(), ranks->first, ranks->last);
        if (from_upper_end && found.size() > 0) found = {set.size() - found.end, set.size() - found.first};
    } else {
        found = ranks_in(set, std::get<score_range>(range));
    }
    const std::size_t gone = std::min(found.size(), skipped);
    return from_upper_end ? rank_range{found.first, found.end - gone} : rank_range{found.first + gone, found.end};
}

// ZRANGE and its kin.

enum class range_kind : std::uint8_t { to_be_told, rank, score, name };

/// What the command's name says already.
struct range_form {
    std::size_t source = 1;  ///< the argument with the key
    bool stores = false;
    range_kind kind = range_kind::to_be_told;
    std::optional<bool> reversed;  ///< nullopt: to be told
};

struct range_request {
    any_range range;
    bool reversed = false;
    bool with_scores = false;
    std::int64_t offset = 0;
    std::int64_t limit = -1;  ///< negative: all
};

struct range_options {
    range_kind kind;
    std::optional<bool> reversed;
    bool with_scores = false;
    std::int64_t offset = 0;
    std::int64_t limit = -1;
};

/// False: the error is written.
bool take_limit(const call& c, std::size_t& at, range_options& options) {
    const auto offset = c.integer(at + 1);
    if (!offset) return false;
    const auto limit = c.integer(at + 2);
    if (!limit) return false;
    options.offset = *offset;
    options.limit = *limit;
    at += 2;
    return true;
}

bool take_word(const call& c, std::size_t at, const range_form& form, range_options& options) {
    if (!form.stores && c.is(at, "withscores")) return options.with_scores = true;
    if (!options.reversed && c.is(at, "rev")) {
        options.reversed = true;
        return true;
    }
    if (options.kind != range_kind::to_be_told) return false;
    if (c.is(at, "bylex")) options.kind = range_kind::name;
    if (c.is(at, "byscore")) options.kind = range_kind::score;
    return options.kind != range_kind::to_be_told;
}

/// "" when they go together.
std::string_view fault_of(const range_options& options) {
    const bool by_rank = options.kind == range_kind::rank || options.kind == range_kind::to_be_told;
    if (by_rank && options.limit != -1) return texts::limit_with_rank;
    if (options.with_scores && options.kind == range_kind::name) return texts::scores_with_names;
    return {};
}

std::optional<range_options> read_range_options(const call& c, const range_form& form) {
    range_options options{form.kind, form.reversed};
    for (std::size_t at = form.source + 3; at < c.size(); ++at) {
        if (c.size() - at > 2 && c.is(at, "limit")) {
            if (!take_limit(c, at, options)) return std::nullopt;
        } else if (!take_word(c, at, form, options)) {
            c.fail_syntax();
            return std::nullopt;
        }
    }
    if (const auto fault = fault_of(options); !fault.empty()) {
        c.fail(fault);
        return std::nullopt;
    }
    return options;
}

template <typename Range>
std::optional<any_range> any(const std::optional<Range>& range) {
    return range ? std::optional<any_range>(*range) : std::nullopt;
}

std::optional<told_ranks> read_ranks(const call& c, std::size_t first, std::size_t last) {
    const auto from = c.integer(first);
    if (!from) return std::nullopt;
    const auto to = c.integer(last);
    return to ? std::optional(told_ranks{*from, *to}) : std::nullopt;
}

/// A reversed range by score or name begins with the upper bound.
std::optional<any_range> read_range(const call& c, range_kind kind, std::size_t first, bool reversed) {
    const std::size_t least = reversed ? first + 1 : first;
    const std::size_t most = reversed ? first : first + 1;
    switch (kind) {
        case range_kind::score: return any(read_score_range(c, least, most));
        case range_kind::name: return any(read_name_range(c, least, most));
        case range_kind::rank:
        case range_kind::to_be_told: break;
    }
    return any(read_ranks(c, first, first + 1));
}

std::optional<range_request> read_request(const call& c, const range_form& form) {
    const auto options = read_range_options(c, form);
    if (!options) return std::nullopt;
    const bool reversed = options->reversed.value_or(false);
    const auto range = read_range(c, options->kind, form.source + 1, reversed);
    if (!range) return std::nullopt;
    // LIMIT with a count of -1 is let through by rank, and means nothing there.
    if (std::holds_alternative<told_ranks>(*range)) return range_request{*range, reversed, options->with_scores};
    return range_request{*range, reversed, options->with_scores, options->offset, options->limit};
}

/// With LIMIT, which counts in the direction of the request. A negative offset leaves nothing.
rank_range chosen(const sorted_set_value& set, const range_request& request) {
    if (request.offset < 0) return {};
    const rank_range ranks =
        ranks_in(set, request.range, request.reversed, static_cast<std::size_t>(request.offset));
    if (request.limit < 0) return ranks;
    const std::size_t taken = std::min(ranks.size(), static_cast<std::size_t>(request.limit));
    return request.reversed ? rank_range{ranks.end - taken, ranks.end} : rank_range{ranks.first, ranks.first + taken};
}

/// Calls `take(member, score)` in the direction of the request.
template <typename Function>
void for_each(const score_index& order, rank_range ranks, bool reversed, Function take) {
    if (ranks.size() == 0) return;
    auto at = order.at_rank(reversed ? ranks.end - 1 : ranks.first);
    for (std::size_t left = ranks.size();; at = reversed ? order.previous(at) : order.next(at)) {
        take(order[at].member, order[at].score);
        if (--left == 0) return;
    }
}

void write_range(const call& c, const sorted_set_value& set, rank_range ranks, const range_request& request) {
    const bool nested = request.with_scores && c.speaks_resp3();
    c.reply().array(ranks.size() * (request.with_scores && !nested ? 2 : 1));
    for_each(set.order(), ranks, request.reversed, [&](std::string_view member, double score) {
        if (nested) c.reply().array(2);
        c.reply().bulk(member);
        if (request.with_scores) c.reply().number(format_double(score));
    });
}

void range(call& c, const range_form& form) {
    const auto request = read_request(c, form);
    if (!request) return;
    const held_set set = c.find<sorted_set_value>(c[form.source]);
    if (set.refused) return;
    if (!set) return c.reply().array(0);
    write_range(c, *set, chosen(*set, *request), *request);
}

void zrange(call& c) { range(c, {}); }
void zrevrange(call& c) { range(c, {1, false, range_kind::rank, true}); }
void zrangebyscore(call& c) { range(c, {1, false, range_kind::score, false}); }
void zrevrangebyscore(call& c) { range(c, {1, false, range_kind::score, true}); }
void zrangebylex(call& c) { range(c, {1, false, range_kind::name, false}); }
void zrevrangebylex(call& c) { range(c, {1, false, range_kind::name, true}); }

void zrangestore(call& c) {
    const auto request = read_request(c, {2, true, range_kind::to_be_told, std::nullopt});
    if (!request) return;
    const held_set set = c.find<sorted_set_value>(c[2]);
    if (set.refused) return;
    sorted_set_value stored;
    if (set) {
        const rank_range ranks = chosen(*set, *request);
        for_each(set->order(), ranks, request->reversed,
                 [&](std::string_view member, double score) { stored.set(member, score); });
    }
    const std::size_t size = stored.size();
    if (store(c, c.keys(), c[1], {std::move(stored)})) write_count(c, size);
}

// Counting and removing.

void count_in(call& c, range_kind kind) {
    const auto told = read_range(c, kind, 2, false);
    if (!told) return;
    const held_set set = c.find<sorted_set_value>(c[1]);
    if (!set.refused) write_count(c, set ? ranks_in(*set, *told, false, 0).size() : 0);
}

void zcount(call& c) { count_in(c, range_kind::score); }
void zlexcount(call& c) { count_in(c, range_kind::name); }

void remove_in(call& c, range_kind kind) {
    const auto told = read_range(c, kind, 2, false);
    if (!told) return;
    const held_set set = c.find<sorted_set_value>(c[1]);
    if (set.refused) return;
    if (!set) return c.reply().integer(0);
    std::vector<std::string> members;
    for_each(set->order(), ranks_in(*set, *told, false, 0), false,
             [&](std::string_view member, double) { members.emplace_back(member); });
    for (const auto& member : members) set->erase(member);
    if (!members.empty()) {
        c.changed(c[1], set);
        c.did_as_told();
    }
    write_count(c, members.size());
}

void zremrangebyrank(call& c) { remove_in(c, range_kind::rank); }
void zremrangebyscore(call& c) { remove_in(c, range_kind::score); }
void zremrangebylex(call& c) { remove_in(c, range_kind::name); }

constexpr std::array rows{
    command_row{"zcount", zcount},
    command_row{"zlexcount", zlexcount},
    command_row{"zrange", zrange},
    command_row{"zrangebylex", zrangebylex},
    command_row{"zrangebyscore", zrangebyscore},
    command_row{"zrangestore", zrangestore},
    command_row{"zremrangebylex", zremrangebylex},
    command_row{"zremrangebyrank", zremrangebyrank},
    command_row{"zremrangebyscore", zremrangebyscore},
    command_row{"zrevrange", zrevrange},
    command_row{"zrevrangebylex", zrevrangebylex},
    command_row{"zrevrangebyscore", zrevrangebyscore},
};

}  // namespace

std::span<const command_row> sorted_set_range_commands() { return rows; }

}  // namespace weir::engine
