#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "protocol/errors.hpp"
#include "proxy/fallback/engine/commands.hpp"

namespace weir::engine {

namespace {

using held_list = holding<list_value>;

void write_size(const call& c, const held_list& list) {
    c.reply().integer(list ? static_cast<std::int64_t>(list->size()) : 0);
}

std::optional<list_end> read_end(const call& c, std::size_t argument) {
    if (c.is(argument, "left")) return list_end::left;
    if (c.is(argument, "right")) return list_end::right;
    c.fail_syntax();
    return std::nullopt;
}

/// Elements from `first` up to, but not, `end`, of what a client called first and last, where negative ones count from
/// the end; both are 0 when there are none.
struct element_range {
    std::size_t first = 0;
    std::size_t end = 0;
};

element_range range_of(std::size_t size, std::int64_t first, std::int64_t last) {
    const auto count = static_cast<std::int64_t>(size);
    first = std::max<std::int64_t>(first < 0 ? first + count : first, 0);
    last = std::min(last < 0 ? last + count : last, count - 1);
    if (first > last) return {};
    return {static_cast<std::size_t>(first), static_cast<std::size_t>(last) + 1};
}

/// nullopt: there is no such element.
std::optional<std::size_t> place_of(std::size_t size, std::int64_t index) {
    const auto count = static_cast<std::int64_t>(size);
    if (index < 0) index += count;
    return index >= 0 && index < count ? std::optional(static_cast<std::size_t>(index)) : std::nullopt;
}

// Pushing and popping.

void push(call& c, list_end end, bool only_existing) {
    const held_list list = only_existing ? c.find<list_value>(c[1]) : c.find_or_put<list_value>(c[1]);
    if (list.refused) return;
    if (!list) return c.reply().integer(0);
    for (std::size_t i = 2; i < c.size(); ++i) list->push(end, c[i]);
    c.changed(c[1], list);
    c.did_as_told();
    write_size(c, list);
}

void lpush(call& c) { push(c, list_end::left, false); }
void rpush(call& c) { push(c, list_end::right, false); }
void lpushx(call& c) { push(c, list_end::left, true); }
void rpushx(call& c) { push(c, list_end::right, true); }

void write_popped(const call& c, std::string_view key, const held_list& list, list_end end, std::size_t count) {
    count = std::min(count, list->size());
    c.reply().array(count);
    for (std::size_t i = 0; i < count; ++i) c.reply().bulk(list->pop(end));
    c.changed(key, list);
    if (c.is_journaled()) c.did({end == list_end::left ? "LPOP" : "RPOP", key, std::to_string(count)});
}

void pop_one(call& c, list_end end) {
    const held_list list = c.find<list_value>(c[1]);
    if (list.refused) return;
    if (!list) return c.reply().null();
    c.reply().bulk(list->pop(end));
    c.changed(c[1], list);
    c.did_as_told();
}

void pop(call& c, list_end end) {
    if (c.size() > 3) return c.fail_arity();
    if (c.size() == 2) return pop_one(c, end);
    const auto count = c.integer_from(2, 0, texts::must_be_positive);
    if (!count) return;
    const held_list list = c.find<list_value>(c[1]);
    if (list.refused) return;
    if (!list) return c.reply().null_array();
    if (*count == 0) return c.reply().array(0);
    write_popped(c, c[1], list, end, static_cast<std::size_t>(*count));
}

void lpop(call& c) { pop(c, list_end::left); }
void rpop(call& c) { pop(c, list_end::right); }

/// COUNT of LMPOP; nullopt: the error is written.
std::optional<std::int64_t> read_pop_count(const call& c, std::size_t first) {
    std::optional<std::int64_t> count;
    for (std::size_t i = first; i < c.size(); ++i) {
        if (count || !c.is(i, "count") || i + 1 == c.size()) {
            c.fail_syntax();
            return std::nullopt;
        }
        count = c.integer_from(++i, 1, texts::count_not_positive);
        if (!count) return std::nullopt;
    }
    return count.value_or(1);
}

void lmpop(call& c) {
    const auto keys = c.integer_from(1, 1, texts::key_count_not_positive);
    if (!keys) return;
    if (*keys >= static_cast<std::int64_t>(c.size()) - 2) return c.fail_syntax();
    const auto behind_keys = static_cast<std::size_t>(*keys) + 2;
    const auto end = read_end(c, behind_keys);
    if (!end) return;
    const auto count = read_pop_count(c, behind_keys + 1);
    if (!count) return;
    for (std::size_t i = 2; i < behind_keys; ++i) {
        const held_list list = c.find<list_value>(c[i]);
        if (list.refused) return;
        if (!list) continue;
        c.reply().array(2);
        c.reply().bulk(c[i]);
        return write_popped(c, c[i], list, *end, static_cast<std::size_t>(*count));
    }
    c.reply().null_array();
}

void move_element(call& c, list_end from, list_end to) {
    const held_list source = c.find<list_value>(c[1]);
    if (source.refused) return;
    if (!source) return c.reply().null();
    const held_list target = c.find_or_put<list_value>(c[2]);
    if (target.refused) return;
    const std::string element = source->pop(from);
    target->push(to, element);
    c.changed(c[2], target);
    if (c[1] != c[2]) c.changed(c[1], source);
    c.did_as_told();
    c.reply().bulk(element);
}

void lmove(call& c) {
    const auto from = read_end(c, 3);
    if (!from) return;
    const auto to = read_end(c, 4);
    if (to) move_element(c, *from, *to);
}

void rpoplpush(call& c) { move_element(c, list_end::right, list_end::left); }

// Reading.

void llen(call& c) {
    const held_list list = c.find<list_value>(c[1]);
    if (!list.refused) write_size(c, list);
}

void lindex(call& c) {
    const held_list list = c.find<list_value>(c[1]);
    if (list.refused) return;
    if (!list) return c.reply().null();
    const auto index = c.integer(2);
    if (!index) return;
    const auto place = place_of(list->size(), *index);
    if (!place) return c.reply().null();
    c.reply().bulk((*list)[*place]);
}

void lrange(call& c) {
    const auto first = c.integer(2);
    if (!first) return;
    const auto last = c.integer(3);
    if (!last) return;
    const held_list list = c.find<list_value>(c[1]);
    if (list.refused) return;
    const element_range range = list ? range_of(list->size(), *first, *last) : element_range{};
    c.reply().array(range.end - range.first);
    for (std::size_t place = range.first; place < range.end; ++place) c.reply().bulk((*list)[place]);
}

/// RANK, COUNT and MAXLEN of LPOS.
struct position_options {
    std::int64_t rank = 1;
    std::optional<std::int64_t> count;  ///< 0: all
    std::int64_t max_compared = 0;      ///< 0: all
};

std::optional<std::int64_t> read_rank(const call& c, std::size_t argument) {
    const auto rank = c.integer(argument);
    if (!rank || *rank != 0) return rank;
    c.fail(texts::rank_is_zero);
    return std::nullopt;
}

std::optional<position_options> read_position_options(const call& c) {
    position_options options;
    for (std::size_t i = 3; i < c.size(); i += 2) {
        std::optional<std::int64_t> told;
        if (i + 1 == c.size()) {
            c.fail_syntax();
        } else if (c.is(i, "rank")) {
            if ((told = read_rank(c, i + 1))) options.rank = *told;
        } else if (c.is(i, "count")) {
            if ((told = c.integer_from(i + 1, 0, texts::count_negative))) options.count = told;
        } else if (c.is(i, "maxlen")) {
            if ((told = c.integer_from(i + 1, 0, texts::max_length_negative))) options.max_compared = *told;
        } else {
            c.fail_syntax();
        }
        if (!told) return std::nullopt;
    }
    return options;
}

/// Where the element stands, in the order in which it is met.
std::vector<std::size_t> positions(const list_value& list, std::string_view element, const position_options& options) {
    const bool backwards = options.rank < 0;
    // It has no counterpart, and what Redis reckons with instead means "from the last on, all that COUNT could mean".
    const bool is_least = options.rank == std::numeric_limits<std::int64_t>::min();
    std::int64_t to_skip = is_least ? 0 : (backwards ? -options.rank : options.rank) - 1;
    const auto wanted = is_least && options.count ? 0 : static_cast<std::size_t>(options.count.value_or(1));
    const auto size = list.size();
    const auto compared =
        options.max_compared == 0 ? size : std::min(size, static_cast<std::size_t>(options.max_compared));
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < compared && (wanted == 0 || found.size() < wanted); ++i) {
        const std::size_t place = backwards ? size - 1 - i : i;
        if (list[place] == element && to_skip-- <= 0) found.push_back(place);
    }
    return found;
}

void lpos(call& c) {
    const auto options = read_position_options(c);
    if (!options) return;
    const held_list list = c.find<list_value>(c[1]);
    if (list.refused) return;
    const auto found = list ? positions(*list, c[2], *options) : std::vector<std::size_t>{};
    if (options->count) {
        c.reply().array(found.size());
    } else if (found.empty()) {
        c.reply().null();
    }
    for (const auto place : found) c.reply().integer(static_cast<std::int64_t>(place));
}

// Changing inside.

void lset(call& c) {
    const held_list list = c.find<list_value>(c[1]);
    if (list.refused) return;
    if (!list) return c.fail(texts::no_such_key);
    const auto index = c.integer(2);
    if (!index) return;
    const auto place = place_of(list->size(), *index);
    if (!place) return c.fail(texts::index_out_of_range);
    list->replace(*place, c[3]);
    c.changed(c[1], list);
    c.did_as_told();
    c.reply().simple("OK");
}

void ltrim(call& c) {
    const auto first = c.integer(2);
    if (!first) return;
    const auto last = c.integer(3);
    if (!last) return;
    const held_list list = c.find<list_value>(c[1]);
    if (list.refused) return;
    if (list) {
        const element_range kept = range_of(list->size(), *first, *last);
        while (list->size() > kept.end) list->pop(list_end::right);
        for (std::size_t i = 0; i < kept.first; ++i) list->pop(list_end::left);
        c.changed(c[1], list);
        c.did_as_told();
    }
    c.reply().simple("OK");
}

/// The first `at_most` from the left, or from the right when it is negative, or all when it is 0.
std::vector<bool> marked(const list_value& list, std::string_view element, std::int64_t at_most) {
    std::vector<bool> marks(list.size(), false);
    const auto size = list.size();
    // Not negated, as the least number has no counterpart.
    std::int64_t left = at_most < 0 ? at_most : -at_most;
    for (std::size_t i = 0; i < size && (at_most == 0 || left < 0); ++i) {
        const std::size_t place = at_most < 0 ? size - 1 - i : i;
        if (list[place] != element) continue;
        marks[place] = true;
        if (at_most != 0) ++left;
    }
    return marks;
}

void lrem(call& c) {
    const auto at_most = c.integer(2);
    if (!at_most) return;
    const held_list list = c.find<list_value>(c[1]);
    if (list.refused) return;
    if (!list) return c.reply().integer(0);
    const auto marks = marked(*list, c[3], *at_most);
    const auto removed = std::ranges::count(marks, true);
    if (removed > 0) {
        list->keep_if([&](std::size_t place) { return !marks[place]; });
        c.changed(c[1], list);
        c.did_as_told();
    }
    c.reply().integer(removed);
}

void linsert(call& c) {
    const bool behind = c.is(2, "after");
    if (!behind && !c.is(2, "before")) return c.fail_syntax();
    const held_list list = c.find<list_value>(c[1]);
    if (list.refused) return;
    if (!list) return c.reply().integer(0);
    std::size_t place = 0;
    while (place < list->size() && (*list)[place] != c[3]) ++place;
    if (place == list->size()) return c.reply().integer(-1);
    list->insert(behind ? place + 1 : place, c[4]);
    c.changed(c[1], list);
    c.did_as_told();
    write_size(c, list);
}

constexpr std::array rows{
    command_row{"lindex", lindex}, command_row{"linsert", linsert}, command_row{"llen", llen},
    command_row{"lmove", lmove},   command_row{"lmpop", lmpop},     command_row{"lpop", lpop},
    command_row{"lpos", lpos},     command_row{"lpush", lpush},     command_row{"lpushx", lpushx},
    command_row{"lrange", lrange}, command_row{"lrem", lrem},       command_row{"lset", lset},
    command_row{"ltrim", ltrim},   command_row{"rpop", rpop},       command_row{"rpoplpush", rpoplpush},
    command_row{"rpush", rpush},   command_row{"rpushx", rpushx},
};

}  // namespace

std::span<const command_row> list_commands() { return rows; }

}  // namespace weir::engine
