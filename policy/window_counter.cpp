#include "policy/window_counter.hpp"

#include <algorithm>
#include <bit>
#include <cassert>

#include "policy/limit_arithmetic.hpp"

namespace weir {

namespace {

/// As many as are left: they begin anew after 256 changes, and nobody must still have a word of one before them in
/// hand.
constexpr unsigned generation_bits = 8;
constexpr std::uint64_t closed_bit = 1u << generation_bits;
constexpr unsigned below_units = generation_bits + 1;

unsigned generation_of(std::uint64_t word) { return static_cast<unsigned>(word & (closed_bit - 1)); }

unsigned after(unsigned generation) { return (generation + 1) & (closed_bit - 1); }

/// What the previous window's units weigh `into` nanoseconds of the present one, whose length is `period`: the share of
/// them that is not over a period ago if they came evenly, rounded down.
std::uint64_t weigh(std::uint64_t units, std::uint64_t into, std::uint64_t period) {
    return static_cast<std::uint64_t>(static_cast<wide>(units) * (period - into) / period);
}

/// The first moment of the present window at which they weigh no more than `room`: weigh()'s inverse.
std::uint64_t weighs_at_most(std::uint64_t room, std::uint64_t units, std::uint64_t period) {
    if (units <= room) return 0;
    return period - static_cast<std::uint64_t>((static_cast<wide>(room + 1) * period - 1) / units);
}

}  // namespace

// ---- terms

window_counter::terms window_counter::terms::of(const limit_rule& rule) {
    assert(is_countable(rule));
    return {static_cast<std::uint64_t>(rule.period.count()), rule.count, 0};
}

/// Number and units have 54 bits together by any rule, as a unit needs a microsecond of the window at least.
std::uint64_t window_counter::terms::pack(const slot& from) const {
    const std::uint64_t number_and_units = from.number << std::bit_width(limit) | from.units;
    return number_and_units << below_units | (from.closed ? closed_bit : 0) | from.generation;
}

window_counter::slot window_counter::terms::unpack(std::uint64_t word) const {
    const auto unit_bits = std::bit_width(limit);
    const std::uint64_t number_and_units = word >> below_units;
    return {number_and_units >> unit_bits, number_and_units & ((std::uint64_t{1} << unit_bits) - 1),
            (word & closed_bit) != 0, generation_of(word)};
}

/// By release, and read by acquire: whoever reads a part of terms that are written anew while it looks then also sees
/// that the words are no longer what they were.
void window_counter::store_terms(unsigned generation, const terms& fresh) {
    stored_terms& stored = terms_[generation & 1];
    stored.period_and_turn.store(fresh.period << 1 | fresh.turn, std::memory_order_release);
    stored.limit.store(fresh.limit, std::memory_order_release);
}

window_counter::terms window_counter::load_terms(unsigned generation) const {
    const stored_terms& stored = terms_[generation & 1];
    const std::uint64_t both = stored.period_and_turn.load(std::memory_order_acquire);
    return {both >> 1, stored.limit.load(std::memory_order_acquire), static_cast<unsigned>(both & 1)};
}

// ---- the words

window_counter::view window_counter::interpret(const std::array<std::uint64_t, 2>& words,
                                                       std::uint64_t now) const {
    const unsigned first = generation_of(words[0]);
    const unsigned generation = generation_of(words[1]) == after(first) ? after(first) : first;
    const terms by = load_terms(generation);
    const std::array held{by.unpack(words[0]), by.unpack(words[1])};
    std::uint64_t number = 0;
    for (const slot& one : held) {
        if (one.generation == generation) number = std::max(number, one.number + one.closed);
    }
    // Most come in the window that is known already: no division.
    if (now >= by.begin_of(number + 1)) number = by.number_at(now);
    view seen{words, by, {number, 0, false, generation}, {number - 1, 0, true, generation}, by.place_of(number), 0, 0};
    const slot& here = held[seen.place];
    const slot& other = held[1 - seen.place];
    if (here.generation == generation && here.number == number) seen.present = here;
    if (other.generation == generation && other.number + 1 == number) seen.previous.units = other.units;
    seen.now = std::max(now, by.begin_of(number));
    if (sliding_) seen.weight = weigh(seen.previous.units, seen.now - by.begin_of(number), by.period);
    return seen;
}

window_counter::view window_counter::look(limit_time now) const {
    const auto load = [this] {
        return std::array{slots_[0].load(std::memory_order_acquire), slots_[1].load(std::memory_order_acquire)};
    };
    auto words = load();
    for (;;) {
        const view seen = interpret(words, latest_.or_later(now));
        words = load();
        if (words == seen.words) return seen;
    }
}

window_counter::view window_counter::settle(limit_time now) {
    for (;;) {
        const view seen = look(now);
        if (seen.is_settled()) return seen;
        std::uint64_t expected = seen.words[1 - seen.place];
        slots_[1 - seen.place].compare_exchange_strong(expected, seen.by.pack(seen.previous),
                                                       std::memory_order_acq_rel, std::memory_order_relaxed);
    }
}

bool window_counter::replace(const view& seen, std::uint64_t word) {
    std::uint64_t expected = seen.words[seen.place];
    return slots_[seen.place].compare_exchange_strong(expected, word, std::memory_order_acq_rel,
                                                      std::memory_order_relaxed);
}

// ---- counting

window_counter::window_counter(const limit_rule& rule) : sliding_(rule.algorithm == limit_algorithm::sliding_window) {
    store_terms(0, terms::of(rule));
}

std::uint64_t window_counter::take(const limit_rule&, limit_time now, std::uint64_t least, std::uint64_t most) {
    for (;;) {
        const view seen = settle(now);
        const std::uint64_t taken = std::min(most, seen.room());
        if (taken == 0 || taken < least) return 0;
        slot more = seen.present;
        more.units += taken;
        latest_.reach(seen.now);
        if (replace(seen, seen.by.pack(more))) return taken;
    }
}

void window_counter::give_back(const limit_rule&, limit_time taken, std::uint64_t units) {
    for (;;) {
        const view seen = settle(taken);
        if (to_nanoseconds(taken) < seen.by.begin_of(seen.present.number)) return;
        slot fewer = seen.present;
        fewer.units -= std::min(units, fewer.units);
        if (replace(seen, seen.by.pack(fewer))) return;
    }
}

std::uint64_t window_counter::passes_at(const view& seen, std::uint64_t units) const {
    const auto first_in = [&](std::uint64_t number, std::uint64_t room, std::uint64_t before) {
        return seen.by.begin_of(number) + (sliding_ ? weighs_at_most(room, before, seen.by.period) : 0);
    };
    const std::uint64_t room = seen.by.limit - units;
    const slot& present = seen.present;
    if (present.units <= room) return first_in(present.number, room - present.units, seen.previous.units);
    return first_in(present.number + 1, room, present.units);
}

limit_standing window_counter::standing_of(const view& seen, limit_time now) const {
    return {seen.room(), limit_time_of(seen.by.begin_of(seen.present.number + 1) - to_nanoseconds(now))};
}

limit_standing window_counter::standing(const limit_rule&, limit_time now) const { return standing_of(look(now), now); }

limit_refusal window_counter::refusal(const limit_rule&, limit_time now, std::uint64_t least) const {
    const view seen = look(now);
    limit_refusal why{standing_of(seen, now), std::nullopt};
    if (least > seen.by.limit) return why;
    const std::uint64_t at = passes_at(seen, least);
    why.retry_after = limit_time_of(at > seen.now ? at - to_nanoseconds(now) : 0);
    return why;
}

/// The present window of the new rule goes on in the word of the old one's, so that one exchange does it all.
void window_counter::change(const limit_rule&, const limit_rule& to, limit_time now) {
    terms fresh = terms::of(to);
    for (;;) {
        const view seen = settle(now);
        slot first{fresh.number_at(seen.now), std::min(seen.used(), fresh.limit), false,
                   after(seen.present.generation)};
        fresh.turn = static_cast<unsigned>((first.number + seen.place) & 1);
        store_terms(first.generation, fresh);
        if (replace(seen, fresh.pack(first))) return;
    }
}

}  // namespace weir
