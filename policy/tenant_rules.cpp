#include "policy/tenant_rules.hpp"

#include <algorithm>
#include <array>
#include <utility>


namespace weir {

namespace {

/// By which a client says who it is, or ends what it began: it gets out of whatever it is in.
bool is_free(const command_spec& command) {
    constexpr std::array ends = {std::string_view("exec"), std::string_view("discard"), std::string_view("unwatch")};
    return command.has(command_flag::no_auth) || command.name.starts_with("weir") ||
           std::ranges::find(ends, command.name) != ends.end();
}

std::string text_of(std::chrono::milliseconds period) {
    struct unit {
        long long milliseconds;
        std::string_view name;
    };
    constexpr std::array units = {unit{86'400'000, "d"}, unit{3'600'000, "h"}, unit{60'000, "m"}, unit{1'000, "s"}};
    for (const auto& [milliseconds, name] : units) {
        if (period.count() % milliseconds == 0) return std::to_string(period.count() / milliseconds).append(name);
    }
    return std::to_string(period.count()) + "ms";
}

}  // namespace

tenant_limit::tenant_limit(const limit_options& options)
    : name_(options.name),
      rule_(make_limit_rule(options)),
      rate_text_(std::to_string(options.rate.count) + " per " + text_of(options.rate.period)),
      delays_(options.action == limit_action::delay),
      max_delay_(options.max_delay),
      commands_(options.commands) {
    std::vector<std::pair<std::string, std::uint32_t>> words(options.cost.begin(), options.cost.end());
    std::ranges::sort(words, {}, [](const auto& entry) { return std::pair(command_set::exactness(entry.first), entry.second); });
    for (const auto& [word, units] : words) prices_.push_back({command_set(std::span(&word, 1)), units});
    if (prices_.empty()) return;
    for (const command_spec* row : command_table::built_in()->rows()) {
        costs_.resize(std::max<std::size_t>(costs_.size(), row->number + 1u), 1);
        costs_[row->number] = find_cost(*row);
    }
}

bool tenant_limit::counts(const command_spec& command) const { return !is_free(command) && commands_.contains(command); }

std::uint32_t tenant_limit::largest_cost() const {
    std::uint32_t largest = 1;
    for (const price& one : prices_) largest = std::max(largest, one.units);
    return largest;
}

std::uint32_t tenant_limit::find_cost(const command_spec& command) const {
    for (auto one = prices_.rbegin(); one != prices_.rend(); ++one) {
        if (one->commands.contains(command)) return one->units;
    }
    return 1;
}

tenant_rules::tenant_rules(shared_terms terms) : terms_(std::move(terms)), permits_(terms_->permissions), fallback_(terms_->fallback) {
    for (const limit_options& limit : terms_->limits) limits_.emplace_back(limit);
    if (limits_.empty()) return;
    for (const command_spec* row : command_table::built_in()->rows()) {
        by_number_.resize(std::max<std::size_t>(by_number_.size(), row->number + 1u));
        by_number_[row->number] = find_limits(*row);
    }
}

limit_bits tenant_rules::find_limits(const command_spec& command) const {
    limit_bits bits = 0;
    for (std::size_t i = 0; i < limits_.size(); ++i) {
        if (limits_[i].counts(command)) bits |= limit_bits{1} << i;
    }
    return bits;
}

}  // namespace weir
