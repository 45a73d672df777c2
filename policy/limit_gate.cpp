#include "policy/limit_gate.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace weir {

namespace {

/// A limit with less than this left is counted one by one.
constexpr std::uint64_t min_remaining_to_hold = 256;
constexpr std::uint64_t max_held_units = 64;
constexpr std::uint64_t share_held = 16;

}  // namespace

limit_gate::limit_gate(std::shared_ptr<const tenant_rules> rules, limit_counters counters)
    : rules_(std::move(rules)), counters_(std::move(counters)), places_(counters_.size()) {}

/// With what was taken before; all of it or nothing.
bool limit_gate::spend(limit_bits bits, const command_spec& command) {
    const auto limits = rules_->limits();
    for (limit_bits left = bits; left != 0; left &= left - 1) {
        const auto i = static_cast<std::size_t>(std::countr_zero(left));
        if (places_[i].credit < limits[i].cost(command)) return false;
    }
    for (limit_bits left = bits; left != 0; left &= left - 1) {
        const auto i = static_cast<std::size_t>(std::countr_zero(left));
        places_[i].credit -= limits[i].cost(command);
        ++places_[i].passed;
    }
    return true;
}

bool limit_gate::pass_slowly(limit_bits bits, const command_spec& command, limit_time now) {
    used_ = true;
    for (limit_bits left = bits; left != 0; left &= left - 1) {
        const auto i = static_cast<std::size_t>(std::countr_zero(left));
        if (refill(i, rules_->limits()[i].cost(command), now)) continue;
        refuser_ = i;
        return false;
    }
    return spend(bits, command);
}

bool limit_gate::refill(std::size_t limit, std::uint32_t cost, limit_time now) {
    place& here = places_[limit];
    if (here.credit >= cost) return true;
    const limit_rule& rule = rules_->limits()[limit].rule();
    const std::uint64_t missing = cost - here.credit;
    std::uint64_t extra = 0;
    if (rule.burst >= min_remaining_to_hold) {
        const std::uint64_t remaining = counters_[limit]->standing(rule, now).remaining;
        if (remaining >= min_remaining_to_hold) extra = std::min(max_held_units, remaining / share_held);
    }
    here.credit += static_cast<std::uint32_t>(counters_[limit]->take(rule, now, missing, missing + extra));
    return here.credit >= cost;
}

limit_refusal limit_gate::refusal(const command_spec& command, limit_time now) const {
    const tenant_limit& limit = rules_->limits()[refuser_];
    const std::uint64_t missing = limit.cost(command) - places_[refuser_].credit;
    return counters_[refuser_]->refusal(limit.rule(), now, missing);
}

void limit_gate::finish_turn(limit_time now) {
    used_ = false;
    for (std::size_t i = 0; i < places_.size(); ++i) {
        if (places_[i].credit == 0) continue;
        counters_[i]->give_back(rules_->limits()[i].rule(), now, std::exchange(places_[i].credit, 0));
    }
}

}  // namespace weir
