#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "protocol/errors.hpp"
#include "proxy/fallback/engine/commands.hpp"
#include "proxy/fallback/engine/numbers.hpp"
#include "proxy/fallback/engine/sampling.hpp"
#include "proxy/fallback/engine/scanning.hpp"

namespace weir::engine {

namespace {

using held_set = holding<sorted_set_value>;

void write_count(const call& c, std::size_t count) { c.reply().integer(static_cast<std::int64_t>(count)); }

void write_score(const call& c, std::optional<double> score) {
    if (!score) return c.reply().null();
    c.reply().number(format_double(*score));
}

// ZADD and ZINCRBY.

struct add_options {
    bool only_new = false;
    bool only_existing = false;
    bool only_greater = false;
    bool only_less = false;
    bool count_changed = false;
    bool increment = false;
    std::size_t first_score = 2;
};

struct add_word {
    std::string_view text;
    bool add_options::* member;
};
constexpr std::array add_words{
    add_word{"nx", &add_options::only_new},      add_word{"xx", &add_options::only_existing},
    add_word{"ch", &add_options::count_changed}, add_word{"incr", &add_options::increment},
    add_word{"gt", &add_options::only_greater},  add_word{"lt", &add_options::only_less},
};

/// "" when they go together.
std::string_view fault_of(const add_options& options, std::size_t pairs) {
    if (options.only_new && options.only_existing) return texts::xx_with_nx;
    if (options.only_greater + options.only_less + options.only_new > 1) return texts::gt_lt_nx;
    return options.increment && pairs > 1 ? texts::one_increment : std::string_view{};
}

/// nullopt: the error is written.
std::optional<add_options> read_add_options(const call& c) {
    add_options options;
    for (; options.first_score < c.size(); ++options.first_score) {
        const auto* const known = std::ranges::find_if(
            add_words, [&](const add_word& each) { return c.is(options.first_score, each.text); });
        if (known == add_words.end()) break;
        options.*(known->member) = true;
    }
    const std::size_t left = c.size() - options.first_score;
    if (left == 0 || left % 2 != 0) {
        c.fail_syntax();
        return std::nullopt;
    }
    if (const auto fault = fault_of(options, left / 2); !fault.empty()) {
        c.fail(fault);
        return std::nullopt;
    }
    return options;
}

std::optional<std::vector<double>> read_scores(const call& c, std::size_t first) {
    std::vector<double> scores;
    for (std::size_t i = first; i < c.size(); i += 2) {
        const auto score = c.number(i);
        if (!score) return std::nullopt;
        scores.push_back(*score);
    }
    return scores;
}

enum class adding : std::uint8_t { added, updated, same, skipped, no_number };

/// `score` is what it comes to when it was an increment.
adding add_one(sorted_set_value& set, std::string_view member, double& score, const add_options& options) {
    const auto before = set.score(member);
    if (!before) {
        if (options.only_existing) return adding::skipped;
        set.set(member, score);
        return adding::added;
    }
    if (options.only_new) return adding::skipped;
    if (options.increment) score += *before;
    if (std::isnan(score)) return adding::no_number;
    if ((options.only_less && score >= *before) || (options.only_greater && score <= *before)) return adding::skipped;
    if (score == *before) return adding::same;
    set.set(member, score);
    return adding::updated;
}

struct add_counts {
    std::size_t added = 0;
    std::size_t updated = 0;
    std::size_t skipped = 0;
};

/// nullopt: a sum is no number, which can be of a single pair only; the error is written.
std::optional<add_counts> add_all(const call& c, sorted_set_value& set, std::vector<double>& scores,
                                  const add_options& options) {
    add_counts counts;
    for (std::size_t i = 0; i < scores.size(); ++i) {
        const adding outcome = add_one(set, c[options.first_score + 2 * i + 1], scores[i], options);
        if (outcome == adding::no_number) {
            c.fail(texts::score_no_number);
            return std::nullopt;
        }
        counts.added += outcome == adding::added;
        counts.updated += outcome == adding::updated;
        counts.skipped += outcome == adding::skipped;
    }
    return counts;
}

void add(const call& c, const add_options& options) {
    auto scores = read_scores(c, options.first_score);
    if (!scores) return;
    held_set set = c.find<sorted_set_value>(c[1]);
    if (set.refused) return;
    if (!set && options.only_existing) return options.increment ? c.reply().null() : c.reply().integer(0);
    if (!set) set = c.find_or_put<sorted_set_value>(c[1]);
    const auto counts = add_all(c, *set, *scores, options);
    if (!counts) return;
    c.changed(c[1], set);
    if (counts->added + counts->updated > 0) c.did_as_told();
    if (!options.increment) return write_count(c, counts->added + (options.count_changed ? counts->updated : 0));
    write_score(c, counts->skipped > 0 ? std::nullopt : std::optional(scores->front()));
}

void zadd(call& c) {
    if (const auto options = read_add_options(c)) add(c, *options);
}

void zincrby(call& c) {
    add_options options;
    options.increment = true;
    add(c, options);
}

void zrem(call& c) {
    const held_set set = c.find<sorted_set_value>(c[1]);
    if (set.refused) return;
    std::size_t erased = 0;
    for (std::size_t i = 2; set && i < c.size(); ++i) erased += set->erase(c[i]);
    if (erased > 0) {
        c.changed(c[1], set);
        c.did_as_told();
    }
    write_count(c, erased);
}

// Reading.

void zcard(call& c) {
    const held_set set = c.find<sorted_set_value>(c[1]);
    if (!set.refused) write_count(c, set ? set->size() : 0);
}

void zscore(call& c) {
    const held_set set = c.find<sorted_set_value>(c[1]);
    if (!set.refused) write_score(c, set ? set->score(c[2]) : std::nullopt);
}

void zmscore(call& c) {
    const held_set set = c.find<sorted_set_value>(c[1]);
    if (set.refused) return;
    c.reply().array(c.size() - 2);
    for (std::size_t i = 2; i < c.size(); ++i) write_score(c, set ? set->score(c[i]) : std::nullopt);
}

void write_rank(const call& c, bool from_end) {
    if (c.size() > 3) return c.fail_arity();  // the command table knows the WITHSCORE of later servers
    const held_set set = c.find<sorted_set_value>(c[1]);
    if (set.refused) return;
    const auto rank = set ? set->rank(c[2]) : std::nullopt;
    if (!rank) return c.reply().null();
    write_count(c, from_end ? set->size() - 1 - *rank : *rank);
}

void zrank(call& c) { write_rank(c, false); }
void zrevrank(call& c) { write_rank(c, true); }

/// A small set keeps whole scores as integers (t_zset.c, zzlInsertAt), and ZSCAN shows it as it is kept.
std::string kept_score(double score, bool small) {
    constexpr double safe = 4'611'686'018'427'387'904.0;  // 2^62
    if (!small || score < -safe || score > safe) return format_double(score);
    const auto whole = static_cast<std::int64_t>(score);
    return static_cast<double>(whole) == score ? std::to_string(whole) : format_double(score);
}

void zscan(call& c) {
    const auto cursor = read_cursor(c, 2);
    if (!cursor) return;
    const held_set set = c.find<sorted_set_value>(c[1]);
    if (set.refused) return;
    if (!set) return write_page(c, 0, {});
    const auto options = read_scan_options(c, 3, false);
    if (!options) return;
    const place_page page = page_of(set->size(), set->is_small(), *cursor, options->count);
    std::vector<std::string> found;
    const auto take = [&](const std::string& member, double score) {
        if (!options->matches(member)) return;
        found.push_back(member);
        found.push_back(kept_score(score, set->is_small()));
    };
    if (set->is_small()) {
        const auto& order = set->order();
        for (std::size_t rank = 0; rank < set->size(); ++rank) {
            const auto& each = order[order.at_rank(rank)];
            take(each.member, each.score);
        }
    } else {
        for (std::size_t place = page.begin; place < page.end; ++place) take((*set)[place].key, (*set)[place].mapped);
    }
    write_page(c, page.next, found);
}

// Popping.

enum class score_end : bool { lowest, highest };

/// Out of a set that is not empty. Each is a member and its score, in an array of its own when `nested`.
void write_popped(const call& c, std::string_view key, const held_set& set, score_end end, std::size_t count,
                  bool nested) {
    count = std::min(count, set->size());
    c.reply().array(nested ? count : count * 2);
    for (std::size_t i = 0; i < count; ++i) {
        const auto& order = set->order();
        const auto each = order[order.at_rank(end == score_end::lowest ? 0 : order.size() - 1)];
        if (nested) c.reply().array(2);
        c.reply().bulk(each.member);
        write_score(c, each.score);
        set->erase(each.member);
    }
    c.changed(key, set);
    if (c.is_journaled()) c.did({end == score_end::lowest ? "ZPOPMIN" : "ZPOPMAX", key, std::to_string(count)});
}

void pop(call& c, score_end end) {
    if (c.size() > 3) return c.fail_syntax();
    const bool counted = c.size() == 3;
    const auto count = counted ? c.integer_from(2, 0, texts::must_be_positive) : 1;
    if (!count) return;
    const held_set set = c.find<sorted_set_value>(c[1]);
    if (set.refused) return;
    if (!set || *count == 0) return c.reply().array(0);
    write_popped(c, c[1], set, end, static_cast<std::size_t>(*count), counted && c.speaks_resp3());
}

void zpopmin(call& c) { pop(c, score_end::lowest); }
void zpopmax(call& c) { pop(c, score_end::highest); }

struct pop_options {
    score_end end = score_end::lowest;
    std::int64_t count = 1;
};

/// MIN or MAX, and COUNT; nullopt: the error is written.
std::optional<pop_options> read_pop_options(const call& c, std::size_t first) {
    pop_options options;
    if (c.is(first, "max")) {
        options.end = score_end::highest;
    } else if (!c.is(first, "min")) {
        c.fail_syntax();
        return std::nullopt;
    }
    for (std::size_t i = first + 1; i < c.size(); i += 2) {
        if (i > first + 1 || !c.is(i, "count") || i + 1 == c.size()) {
            c.fail_syntax();
            return std::nullopt;
        }
        const auto count = c.integer_from(i + 1, 1, texts::count_not_positive);
        if (!count) return std::nullopt;
        options.count = *count;
    }
    return options;
}

void zmpop(call& c) {
    const auto keys = c.integer_from(1, 1, texts::key_count_not_positive);
    if (!keys) return;
    if (*keys >= static_cast<std::int64_t>(c.size()) - 2) return c.fail_syntax();
    const auto behind_keys = static_cast<std::size_t>(*keys) + 2;
    const auto options = read_pop_options(c, behind_keys);
    if (!options) return;
    for (std::size_t i = 2; i < behind_keys; ++i) {
        const held_set set = c.find<sorted_set_value>(c[i]);
        if (set.refused) return;
        if (!set) continue;
        c.reply().array(2);
        c.reply().bulk(c[i]);
        return write_popped(c, c[i], set, options->end, static_cast<std::size_t>(options->count), true);
    }
    c.reply().null_array();
}

// Random members.

void write_one_random(const call& c) {
    const held_set set = c.find<sorted_set_value>(c[1]);
    if (set.refused) return;
    if (!set) return c.reply().null();
    c.reply().bulk((*set)[c.random_below(set->size())].key);
}

void write_random(const call& c, const sorted_set_value& set, sample_size wanted, bool with_scores) {
    const auto places = random_places(c, set.size(), wanted);
    const bool nested = with_scores && c.speaks_resp3();
    c.reply().array(places.size() * (with_scores && !nested ? 2 : 1));
    for (const auto place : places) {
        if (nested) c.reply().array(2);
        c.reply().bulk(set[place].key);
        if (with_scores) write_score(c, set[place].mapped);
    }
}

void zrandmember(call& c) {
    if (c.size() == 2) return write_one_random(c);
    const auto wanted = read_sample_size(c);
    if (!wanted) return;
    const bool with_scores = c.size() == 4 && c.is(3, "withscores");
    if (c.size() > 4 || (c.size() == 4 && !with_scores)) return c.fail_syntax();
    if (with_scores && wanted->count > std::numeric_limits<std::int64_t>::max() / 2) return c.fail(texts::out_of_range);
    const held_set set = c.find<sorted_set_value>(c[1]);
    if (set.refused) return;
    if (!set || wanted->count == 0) return c.reply().array(0);
    if (is_too_large(c, *wanted)) return c.fail(texts::reply_too_long);
    write_random(c, *set, *wanted, with_scores);
}

constexpr std::array rows{
    command_row{"zadd", zadd},       command_row{"zcard", zcard},     command_row{"zincrby", zincrby},
    command_row{"zmpop", zmpop},     command_row{"zmscore", zmscore}, command_row{"zpopmax", zpopmax},
    command_row{"zpopmin", zpopmin}, command_row{"zrandmember", zrandmember}, command_row{"zrank", zrank},
    command_row{"zrem", zrem},       command_row{"zrevrank", zrevrank}, command_row{"zscan", zscan},
    command_row{"zscore", zscore},
};

}  // namespace

std::span<const command_row> sorted_set_commands() { return rows; }

}  // namespace weir::engine
