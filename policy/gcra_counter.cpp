#include "policy/gcra_counter.hpp"

#include <algorithm>
#include <bit>
#include <cassert>

#include "policy/limit_arithmetic.hpp"

namespace weir {

namespace {

/// Ticks that a full burst may have: as many as are left above the latest moment.
constexpr int capacity_bits = 61;
/// Of an interval and its tick_bits in one word.
constexpr unsigned tick_bits_bits = 6;

}  // namespace

// ---- terms

/// Rounds an interval up, never down: then no window has more than it may.
gcra_counter::terms gcra_counter::terms::of(const limit_rule& rule) {
    assert(is_countable(rule));
    const std::uint64_t nanoseconds = (static_cast<std::uint64_t>(rule.period.count()) + rule.count - 1) / rule.count;
    const int bits = static_cast<int>(std::bit_width(nanoseconds) + std::bit_width(rule.burst));
    const auto tick_bits = static_cast<unsigned>(std::max(bits - capacity_bits, 0));
    const std::uint64_t interval = ((nanoseconds - 1) >> tick_bits) + 1;
    return {interval, interval * rule.burst, tick_bits};
}

std::uint64_t gcra_counter::terms::fit(std::uint64_t most, std::uint64_t room) const {
    if (room < interval) return 0;
    std::uint64_t all = 0;
    const bool fits = !__builtin_mul_overflow(most, interval, &all) && all <= room;
    return fits ? most : room / interval;
}

/// By release, and read by acquire: whoever reads a part of terms that are written anew while it looks then also sees
/// that the word is no longer what it was.
void gcra_counter::store_terms(std::uint64_t set, const terms& fresh) {
    terms_[set].interval_and_tick_bits.store(fresh.interval << tick_bits_bits | fresh.tick_bits,
                                             std::memory_order_release);
    terms_[set].capacity.store(fresh.capacity, std::memory_order_release);
}

gcra_counter::terms gcra_counter::load_terms(std::uint64_t set) const {
    const std::uint64_t both = terms_[set].interval_and_tick_bits.load(std::memory_order_acquire);
    const std::uint64_t capacity = terms_[set].capacity.load(std::memory_order_acquire);
    return {both >> tick_bits_bits, capacity, static_cast<unsigned>(both & ((1u << tick_bits_bits) - 1))};
}

// ---- the word

limit_time gcra_counter::view::until(std::uint64_t tick, limit_time clock) const {
    if (tick <= now()) return limit_time{0};
    return limit_time_of((static_cast<wide>(tick) << by.tick_bits) - to_nanoseconds(clock));
}

limit_standing gcra_counter::view::standing(limit_time clock) const {
    return {room() / by.interval, until(busy_until(), clock)};
}

gcra_counter::view gcra_counter::look(limit_time now) const {
    std::uint64_t word = word_.load(std::memory_order_acquire);
    for (;;) {
        const terms by = load_terms(word & 1);
        const std::uint64_t again = word_.load(std::memory_order_acquire);
        if (again == word) return {word, by, latest_.or_later(now)};
        word = again;
    }
}

bool gcra_counter::replace(const view& seen, std::uint64_t busy_until) {
    std::uint64_t expected = seen.word;
    return word_.compare_exchange_strong(expected, busy_until << 1 | (seen.word & 1), std::memory_order_acq_rel,
                                         std::memory_order_relaxed);
}

// ---- counting

gcra_counter::gcra_counter(const limit_rule& rule) { store_terms(0, terms::of(rule)); }

std::uint64_t gcra_counter::take(const limit_rule&, limit_time now, std::uint64_t least, std::uint64_t most) {
    for (;;) {
        const view seen = look(now);
        const std::uint64_t taken = seen.by.fit(most, seen.room());
        if (taken == 0 || taken < least) return 0;
        latest_.reach(seen.nanoseconds);
        if (replace(seen, std::max(seen.busy_until(), seen.now()) + taken * seen.by.interval)) return taken;
    }
}

void gcra_counter::give_back(const limit_rule&, limit_time, std::uint64_t units) {
    for (;;) {
        const view seen = look(limit_time{0});
        const std::uint64_t busy = seen.busy_until();
        if (replace(seen, busy - seen.by.fit(units, busy) * seen.by.interval)) return;
    }
}

limit_standing gcra_counter::standing(const limit_rule&, limit_time now) const { return look(now).standing(now); }

limit_refusal gcra_counter::refusal(const limit_rule&, limit_time now, std::uint64_t least) const {
    const view seen = look(now);
    limit_refusal why{seen.standing(now), std::nullopt};
    if (least > seen.by.burst()) return why;
    const std::uint64_t busy = seen.busy_until() + least * seen.by.interval;
    why.retry_after = seen.until(busy - std::min(busy, seen.by.capacity), now);
    return why;
}

/// What is used is carried over in units, with the part of one that time has given back already. It does not end before
/// now: so the word of an unused counter is another as well, and nobody who saw the one before can replace it.
void gcra_counter::change(const limit_rule&, const limit_rule& to, limit_time now) {
    const terms fresh = terms::of(to);
    for (;;) {
        const view seen = look(now);
        const std::uint64_t set = ~seen.word & 1;
        const std::uint64_t interval = seen.by.interval;
        const wide carried = (static_cast<wide>(seen.used()) * fresh.interval + interval - 1) / interval;
        const std::uint64_t moment = seen.nanoseconds >> fresh.tick_bits;
        const std::uint64_t busy = moment + static_cast<std::uint64_t>(std::min<wide>(carried, fresh.capacity));
        latest_.reach(seen.nanoseconds);
        store_terms(set, fresh);
        std::uint64_t expected = seen.word;
        if (word_.compare_exchange_strong(expected, busy << 1 | set, std::memory_order_acq_rel)) return;
    }
}

}  // namespace weir
