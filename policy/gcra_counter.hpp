#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "policy/limit_arithmetic.hpp"
#include "policy/limit_counter.hpp"

namespace weir {

/// The generic cell rate algorithm (ITU-T I.371). A unit takes up an interval T = period / count, rounded up; the word
/// says until when units that were taken take up time. Units pass as long as that is at most burst x T from now:
///
///     63                                         1   0
///     | busy until, in ticks since the epoch       | g |
///
/// A tick is a nanosecond, or 2^n of them when burst x T has too many. `g` says by which of two sets of terms the word
/// was written, so that one compare-and-swap changes both: after change() nobody can count by the rule before it.
class gcra_counter final : public limit_counter {
public:
    explicit gcra_counter(const limit_rule& rule);

    [[nodiscard]] std::uint64_t take(const limit_rule&, limit_time now, std::uint64_t least,
                                     std::uint64_t most) override;
    void give_back(const limit_rule&, limit_time taken, std::uint64_t units) override;
    [[nodiscard]] limit_refusal refusal(const limit_rule&, limit_time now, std::uint64_t least) const override;
    [[nodiscard]] limit_standing standing(const limit_rule&, limit_time now) const override;
    void change(const limit_rule& from, const limit_rule& to, limit_time now) override;

private:
    /// A rule in ticks.
    struct terms {
        std::uint64_t interval;
        std::uint64_t capacity;  ///< burst x interval
        unsigned tick_bits;      ///< a tick is 2^tick_bits nanoseconds

        [[nodiscard]] static terms of(const limit_rule& rule);
        [[nodiscard]] std::uint64_t burst() const { return capacity / interval; }
        /// How many of `most` units fit into `room`.
        [[nodiscard]] std::uint64_t fit(std::uint64_t most, std::uint64_t room) const;
    };

    /// A word, and what it means at a moment.
    struct view {
        std::uint64_t word;
        terms by;
        std::uint64_t nanoseconds;  ///< the moment

        [[nodiscard]] std::uint64_t now() const { return nanoseconds >> by.tick_bits; }
        [[nodiscard]] std::uint64_t busy_until() const { return word >> 1; }
        /// What is taken up from now on.
        [[nodiscard]] std::uint64_t used() const { return busy_until() > now() ? busy_until() - now() : 0; }
        [[nodiscard]] std::uint64_t room() const { return used() < by.capacity ? by.capacity - used() : 0; }
        /// How long it takes the caller's clock to reach the beginning of a tick; 0 when the moment has.
        [[nodiscard]] limit_time until(std::uint64_t tick, limit_time clock) const;
        [[nodiscard]] limit_standing standing(limit_time clock) const;
    };

    [[nodiscard]] view look(limit_time now) const;
    /// Whether it was still what was seen; then its time is `busy_until` now.
    [[nodiscard]] bool replace(const view& seen, std::uint64_t busy_until);
    [[nodiscard]] terms load_terms(std::uint64_t set) const;
    void store_terms(std::uint64_t set, const terms& fresh);

    struct stored_terms {
        std::atomic<std::uint64_t> interval_and_tick_bits{0};
        std::atomic<std::uint64_t> capacity{0};
    };

    std::atomic<std::uint64_t> word_{0};
    latest_moment latest_;
    std::array<stored_terms, 2> terms_;
};

}  // namespace weir
