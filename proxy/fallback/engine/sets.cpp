#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "protocol/errors.hpp"
#include "proxy/fallback/engine/commands.hpp"
#include "proxy/fallback/engine/sampling.hpp"
#include "proxy/fallback/engine/scanning.hpp"
#include "proxy/fallback/engine/storing.hpp"

namespace weir::engine {

namespace {

using held_set = holding<set_value>;

void write_count(const call& c, std::size_t count) { c.reply().integer(static_cast<std::int64_t>(count)); }

void write_set(const call& c, const set_value& set) {
    c.reply().set(set.size());
    for (std::size_t place = 0; place < set.size(); ++place) c.reply().bulk(set.member(place));
}

// Single members.

void sadd(call& c) {
    const held_set set = c.find_or_put<set_value>(c[1]);
    if (set.refused) return;
    std::size_t added = 0;
    for (std::size_t i = 2; i < c.size(); ++i) added += set->add(c[i]);
    c.changed(c[1], set);
    if (added > 0) c.did_as_told();
    write_count(c, added);
}

void srem(call& c) {
    const held_set set = c.find<set_value>(c[1]);
    if (set.refused) return;
    std::size_t erased = 0;
    for (std::size_t i = 2; set && i < c.size(); ++i) erased += set->erase(c[i]);
    if (erased > 0) {
        c.changed(c[1], set);
        c.did_as_told();
    }
    write_count(c, erased);
}

void smove(call& c) {
    const held_set source = c.find<set_value>(c[1]);
    if (source.refused) return;
    if (!source) return c.reply().integer(0);
    held_set target = c.find<set_value>(c[2]);
    if (target.refused) return;
    if (!source->contains(c[3])) return c.reply().integer(0);
    if (c[1] == c[2]) return c.reply().integer(1);
    if (!target) target = c.find_or_put<set_value>(c[2]);
    source->erase(c[3]);
    target->add(c[3]);
    c.changed(c[1], source);
    c.changed(c[2], target);
    c.did_as_told();
    c.reply().integer(1);
}

void sismember(call& c) {
    const held_set set = c.find<set_value>(c[1]);
    if (!set.refused) c.reply().integer(set && set->contains(c[2]) ? 1 : 0);
}

void smismember(call& c) {
    const held_set set = c.find<set_value>(c[1]);
    if (set.refused) return;
    c.reply().array(c.size() - 2);
    for (std::size_t i = 2; i < c.size(); ++i) c.reply().integer(set && set->contains(c[i]) ? 1 : 0);
}

void scard(call& c) {
    const held_set set = c.find<set_value>(c[1]);
    if (!set.refused) write_count(c, set ? set->size() : 0);
}

void smembers(call& c) {
    const held_set set = c.find<set_value>(c[1]);
    if (!set.refused) write_set(c, set ? *set : set_value{});
}

void sscan(call& c) {
    const auto cursor = read_cursor(c, 2);
    if (!cursor) return;
    const held_set set = c.find<set_value>(c[1]);
    if (set.refused) return;
    if (!set) return write_page(c, 0, {});
    const auto options = read_scan_options(c, 3, false);
    if (!options) return;
    const place_page page = page_of(set->size(), set->is_integers(), *cursor, options->count);
    std::vector<std::string> found;
    for (std::size_t place = page.begin; place < page.end; ++place) {
        std::string member = set->member(place);
        if (options->matches(member)) found.push_back(std::move(member));
    }
    write_page(c, page.next, found);
}

// Random members.

void srandmember(call& c) {
    if (c.size() > 3) return c.fail_syntax();
    const auto wanted = c.size() == 3 ? read_sample_size(c) : sample_size{1, false};
    if (!wanted) return;
    const held_set set = c.find<set_value>(c[1]);
    if (set.refused) return;
    if (c.size() == 2 && !set) return c.reply().null();
    if (c.size() == 2) return c.reply().bulk(set->member(c.random_below(set->size())));
    if (!set || wanted->count == 0) return c.reply().array(0);
    if (is_too_large(c, *wanted)) return c.fail(texts::reply_too_long);
    const auto places = random_places(c, set->size(), *wanted);
    c.reply().array(places.size());
    for (const auto place : places) c.reply().bulk(set->member(place));
}

/// Of a set that keeps no more than one in six of its members Redis makes a new one (SPOP_MOVE_STRATEGY_MUL).
constexpr std::size_t few_left = 5;

void take_out(const call& c, const held_set& set, const std::vector<std::string>& members) {
    std::vector<std::string_view> operation{"SREM", c[1]};
    for (const auto& member : members) {
        set->erase(member);
        operation.push_back(member);
    }
    if (set->size() > 0 && set->size() <= members.size() / few_left) set->renew();
    c.changed(c[1], set);
    c.did(operation);
}

void pop_one(call& c) {
    const held_set set = c.find<set_value>(c[1]);
    if (set.refused) return;
    if (!set) return c.reply().null();
    const std::vector<std::string> member{set->member(c.random_below(set->size()))};
    take_out(c, set, member);
    c.reply().bulk(member.front());
}

void spop(call& c) {
    if (c.size() > 3) return c.fail_syntax();
    if (c.size() == 2) return pop_one(c);
    const auto count = c.integer_from(2, 0, texts::must_be_positive);
    if (!count) return;
    const held_set set = c.find<set_value>(c[1]);
    if (set.refused) return;
    if (!set || *count == 0) return c.reply().set(0);
    std::vector<std::string> members;
    for (const auto place : random_places(c, set->size(), {static_cast<std::size_t>(*count), false})) {
        members.push_back(set->member(place));
    }
    take_out(c, set, members);
    c.reply().set(members.size());
    for (const auto& member : members) c.reply().bulk(member);
}

// Several sets.

/// nullptr for a key that is absent. nullopt: one is no set, the error is written.
std::optional<std::vector<const set_value*>> find_sets(const call& c, std::size_t first, std::size_t end) {
    std::vector<const set_value*> sets;
    for (std::size_t i = first; i < end; ++i) {
        const held_set set = c.find<set_value>(c[i]);
        if (set.refused) return std::nullopt;
        sets.push_back(set.value);
    }
    return sets;
}

/// Calls `take(member)` until it says false, in the order of the smallest set.
template <typename Function>
void intersect(std::vector<const set_value*> sets, Function take) {
    if (std::ranges::find(sets, nullptr) != sets.end()) return;
    std::ranges::stable_sort(sets, {}, [](const set_value* set) { return set->size(); });
    const set_value& smallest = *sets.front();
    for (std::size_t place = 0; place < smallest.size(); ++place) {
        const std::string member = smallest.member(place);
        const auto has_it = [&](const set_value* set) { return set->contains(member); };
        if (std::all_of(sets.begin() + 1, sets.end(), has_it) && !take(member)) return;
    }
}

using sets_of = std::vector<const set_value*>;

set_value intersection(const sets_of& sets) {
    set_value all;
    intersect(sets, [&](std::string_view member) {
        all.add(member);
        return true;
    });
    return all;
}

set_value united(const sets_of& sets) {
    set_value all;
    for (const set_value* const set : sets) {
        for (std::size_t place = 0; set != nullptr && place < set->size(); ++place) all.add(set->member(place));
    }
    return all;
}

set_value difference(const sets_of& sets) {
    set_value all;
    const set_value* const from = sets.front();
    for (std::size_t place = 0; from != nullptr && place < from->size(); ++place) {
        const std::string member = from->member(place);
        const bool elsewhere = std::any_of(sets.begin() + 1, sets.end(), [&](const set_value* set) {
            return set != nullptr && set->contains(member);
        });
        if (!elsewhere) all.add(member);
    }
    return all;
}

using operation = set_value (*)(const sets_of&);

bool takes_too_long(const call& c, const sets_of& sets) {
    std::size_t largest = 0;
    for (const set_value* const set : sets) largest = std::max(largest, set == nullptr ? 0 : set->size());
    return c.takes_too_long(sets.size(), largest);
}

void write_result(call& c, operation of) {
    const auto sets = find_sets(c, 1, c.size());
    if (sets && !takes_too_long(c, *sets)) write_set(c, of(*sets));
}

void store_result(call& c, operation of) {
    const auto sets = find_sets(c, 2, c.size());
    if (!sets || takes_too_long(c, *sets)) return;
    set_value result = of(*sets);
    const std::size_t size = result.size();
    if (store(c, c.keys(), c[1], {std::move(result)})) write_count(c, size);
}

void sinter(call& c) { write_result(c, intersection); }
void sunion(call& c) { write_result(c, united); }
void sdiff(call& c) { write_result(c, difference); }
void sinterstore(call& c) { store_result(c, intersection); }
void sunionstore(call& c) { store_result(c, united); }
void sdiffstore(call& c) { store_result(c, difference); }

/// LIMIT; nullopt: the error is written.
std::optional<std::int64_t> read_limit(const call& c, std::size_t first) {
    std::int64_t limit = 0;
    for (std::size_t i = first; i < c.size(); i += 2) {
        if (!c.is(i, "limit") || i + 1 == c.size()) {
            c.fail_syntax();
            return std::nullopt;
        }
        const auto told = c.integer_from(i + 1, 0, texts::limit_negative);
        if (!told) return std::nullopt;
        limit = *told;
    }
    return limit;
}

void sintercard(call& c) {
    const auto keys = c.integer_from(1, 1, texts::key_count_not_positive);
    if (!keys) return;
    if (*keys > static_cast<std::int64_t>(c.size()) - 2) return c.fail(texts::more_keys_than_arguments);
    const auto behind_keys = static_cast<std::size_t>(*keys) + 2;
    const auto limit = read_limit(c, behind_keys);
    if (!limit) return;
    const auto sets = find_sets(c, 2, behind_keys);
    if (!sets || takes_too_long(c, *sets)) return;
    std::int64_t count = 0;
    intersect(*sets, [&](std::string_view) { return ++count != *limit; });
    c.reply().integer(count);
}

constexpr std::array rows{
    command_row{"sadd", sadd},           command_row{"scard", scard},             command_row{"sdiff", sdiff},
    command_row{"sdiffstore", sdiffstore}, command_row{"sinter", sinter},         command_row{"sintercard", sintercard},
    command_row{"sinterstore", sinterstore}, command_row{"sismember", sismember}, command_row{"smembers", smembers},
    command_row{"smismember", smismember}, command_row{"smove", smove},           command_row{"spop", spop},
    command_row{"srandmember", srandmember}, command_row{"srem", srem},           command_row{"sscan", sscan},
    command_row{"sunion", sunion},       command_row{"sunionstore", sunionstore},
};

}  // namespace

std::span<const command_row> set_commands() { return rows; }

}  // namespace weir::engine
