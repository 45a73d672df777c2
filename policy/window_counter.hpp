#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "policy/limit_arithmetic.hpp"
#include "policy/limit_counter.hpp"

namespace weir {

/// Fixed and sliding windows. A window's number n is how many of its length fit between the epoch and its beginning,
/// plus one. Two words hold the present window and the one before it, in turns:
///
///     slots_[0] | n = 6, its units | closed |       slots_[1] | n = 7, its units |       present: 7
///     slots_[0] | n = 8, its units |                slots_[1] | n = 7, its units | closed |      and then: 8
///
///     63                     9 + b              9        8        7       0
///     | number of the window   | units, b bits  | closed | generation     |
///
/// Units are only ever counted in the present window's word. Before that the other word is closed: it then stands for
/// the window before (with no units when nobody came in it), and whoever still thinks that window present fails to
/// replace it, and sees that time went on. So what a sliding window is weighed with does not change any more.
///
/// change() puts what is used into the present window's word with the next generation, which says by which of two sets
/// of terms a word was written: one compare-and-swap changes both, and after it nobody can count by the rule before
/// it. The generation behind the newest counts as closed and empty.
class window_counter final : public limit_counter {
public:
    explicit window_counter(const limit_rule& rule);

    [[nodiscard]] std::uint64_t take(const limit_rule&, limit_time now, std::uint64_t least,
                                     std::uint64_t most) override;
    void give_back(const limit_rule&, limit_time taken, std::uint64_t units) override;
    [[nodiscard]] limit_refusal refusal(const limit_rule&, limit_time now, std::uint64_t least) const override;
    [[nodiscard]] limit_standing standing(const limit_rule&, limit_time now) const override;
    void change(const limit_rule& from, const limit_rule& to, limit_time now) override;

private:
    struct slot {
        std::uint64_t number = 0;
        std::uint64_t units = 0;
        bool closed = false;
        unsigned generation = 0;
        bool operator==(const slot&) const = default;
    };

    struct terms {
        std::uint64_t period;  ///< nanoseconds
        std::uint64_t limit;
        /// Added to a window's number it gives its slot: whichever was present when this generation began.
        unsigned turn;

        [[nodiscard]] static terms of(const limit_rule& rule);
        [[nodiscard]] std::uint64_t number_at(std::uint64_t nanoseconds) const { return nanoseconds / period + 1; }
        [[nodiscard]] std::uint64_t begin_of(std::uint64_t number) const { return (number - 1) * period; }
        [[nodiscard]] std::size_t place_of(std::uint64_t number) const { return (number + turn) & 1; }
        [[nodiscard]] std::uint64_t pack(const slot& from) const;
        [[nodiscard]] slot unpack(std::uint64_t word) const;
    };

    /// Both words, and what they mean at a moment.
    struct view {
        std::array<std::uint64_t, 2> words;
        terms by;
        slot present;
        slot previous;         ///< as it is once it is closed
        std::size_t place;     ///< of the present window's word
        std::uint64_t now;     ///< nanoseconds; not before the present window begins
        std::uint64_t weight;  ///< units of the previous window that still count

        [[nodiscard]] bool is_settled() const { return words[1 - place] == by.pack(previous); }
        [[nodiscard]] std::uint64_t used() const { return weight + present.units; }
        [[nodiscard]] std::uint64_t room() const { return used() < by.limit ? by.limit - used() : 0; }
    };

    [[nodiscard]] view look(limit_time now) const;
    [[nodiscard]] view interpret(const std::array<std::uint64_t, 2>& words, std::uint64_t now) const;
    /// look(), after the previous window's word has been closed.
    [[nodiscard]] view settle(limit_time now);
    /// Whether the present window's word was still what was seen; then it is `word` now.
    [[nodiscard]] bool replace(const view& seen, std::uint64_t word);
    /// When `units` no more than the limit pass if nobody takes any, in nanoseconds; a moment that is over when at
    /// once.
    [[nodiscard]] std::uint64_t passes_at(const view& seen, std::uint64_t units) const;
    [[nodiscard]] limit_standing standing_of(const view& seen, limit_time now) const;
    [[nodiscard]] terms load_terms(unsigned generation) const;
    void store_terms(unsigned generation, const terms& fresh);

    struct stored_terms {
        std::atomic<std::uint64_t> period_and_turn{0};
        std::atomic<std::uint64_t> limit{0};
    };

    const bool sliding_;
    std::array<std::atomic<std::uint64_t>, 2> slots_{};
    latest_moment latest_;
    std::array<stored_terms, 2> terms_;
};

}  // namespace weir
