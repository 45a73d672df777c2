#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "policy/limit_counter.hpp"
#include "policy/tenant_rules.hpp"

namespace weir {

/// Counters of a tenant's limits, in the order of tenant_rules::limits().
using limit_counters = std::vector<std::shared_ptr<limit_counter>>;

/// One worker's way through the limits of one tenant. All limits that count a command must let it pass, or none counts it.
///
/// An atomic operation costs as much as a tenth of all that a pipelined command costs. So of a limit that is far from
/// used up, the worker takes a few units more than it needs, spends those for what follows in the same turn of its loop,
/// and gives the rest back at the turn's end: 64 units at most, and at most a 16th of what remains. A limit with less than
/// 256 units left is counted one by one, so that no worker is refused what another one only holds.
class limit_gate {
public:
    limit_gate() = default;
    /// `counters` has one for each of the rules' limits.
    limit_gate(std::shared_ptr<const tenant_rules> rules, limit_counters counters);

    /// Whether the command passes; `now` is called when a counter has to be asked.
    template <typename Clock>
    [[nodiscard]] bool pass(const command_spec& command, Clock now) {
        const limit_bits bits = rules_ == nullptr ? 0 : rules_->limits_of(command);
        return bits == 0 || spend(bits, command) || pass_slowly(bits, command, now());
    }

    /// Which of tenant_rules::limits() refused the last command that did not pass, and why.
    [[nodiscard]] std::size_t refuser() const { return refuser_; }
    [[nodiscard]] limit_refusal refusal(const command_spec& command, limit_time now) const;

    /// Whether finish_turn() has something to do.
    [[nodiscard]] bool was_used() const { return used_; }
    /// Gives back what was taken and not spent.
    void finish_turn(limit_time now);

    /// How many commands a limit has let pass since this was last asked.
    [[nodiscard]] std::uint64_t take_passed(std::size_t limit) { return std::exchange(places_[limit].passed, 0); }

private:
    struct place {
        std::uint32_t credit = 0;  ///< units taken, not spent
        std::uint64_t passed = 0;
    };

    [[nodiscard]] bool spend(limit_bits bits, const command_spec& command);
    [[nodiscard]] bool pass_slowly(limit_bits bits, const command_spec& command, limit_time now);
    [[nodiscard]] bool refill(std::size_t limit, std::uint32_t cost, limit_time now);

    std::shared_ptr<const tenant_rules> rules_;
    limit_counters counters_;
    std::vector<place> places_;
    std::size_t refuser_ = 0;
    bool used_ = false;
};

}  // namespace weir
