#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "policy/command_set.hpp"
#include "policy/fallback_rules.hpp"
#include "policy/limit_counter.hpp"
#include "policy/permissions.hpp"
#include "policy/tenant_terms.hpp"
#include "protocol/command_table.hpp"

namespace weir {

/// One bit for each limit of a tenant, in their order.
using limit_bits = std::uint32_t;
inline constexpr std::size_t max_limits = 32;

/// A limit of a tenant, made ready for the data path.
class tenant_limit {
public:
    explicit tenant_limit(const limit_options& options);

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] const limit_rule& rule() const { return rule_; }
    /// Whether its calls wait rather than being refused, and for how long at most.
    [[nodiscard]] bool delays() const { return delays_; }
    [[nodiscard]] std::chrono::milliseconds max_delay() const { return max_delay_; }
    /// As it is configured: `100 per 1h`.
    [[nodiscard]] const std::string& rate_text() const { return rate_text_; }
    /// Whether it counts the command at all. Commands by which a client says who it is, or ends what it began, are free,
    /// and so are weir's own: a client that is over its limit must get out of it.
    [[nodiscard]] bool counts(const command_spec& command) const;
    /// What a call costs, in units.
    [[nodiscard]] std::uint32_t cost(const command_spec& command) const {
        if (prices_.empty()) return 1;
        return command.number < costs_.size() ? costs_[command.number] : find_cost(command);
    }
    [[nodiscard]] std::uint32_t largest_cost() const;

private:
    struct price {
        command_set commands;
        std::uint32_t units;
    };

    std::string name_;
    limit_rule rule_;
    std::string rate_text_;
    bool delays_;
    std::chrono::milliseconds max_delay_;
    command_set commands_;
    [[nodiscard]] std::uint32_t find_cost(const command_spec& command) const;

    std::vector<price> prices_;         ///< the most exact last, of these the highest
    std::vector<std::uint32_t> costs_;  ///< by command_spec::number; empty without prices
};

/// A tenant's terms, made ready for the data path. Immutable; tenants of the same terms share one, and so do all threads.
class tenant_rules {
public:
    explicit tenant_rules(shared_terms terms);

    /// What it was made of.
    [[nodiscard]] const tenant_terms& terms() const { return *terms_; }
    [[nodiscard]] const permissions& permits() const { return permits_; }
    [[nodiscard]] const fallback_rules& fallback() const { return fallback_; }
    [[nodiscard]] std::span<const tenant_limit> limits() const { return limits_; }
    [[nodiscard]] const quota_options& quotas() const { return terms_->quotas; }
    /// Those that count the command.
    [[nodiscard]] limit_bits limits_of(const command_spec& command) const {
        return command.number < by_number_.size() ? by_number_[command.number] : find_limits(command);
    }

private:
    [[nodiscard]] limit_bits find_limits(const command_spec& command) const;

    shared_terms terms_;
    permissions permits_;
    fallback_rules fallback_;
    std::vector<tenant_limit> limits_;
    std::vector<limit_bits> by_number_;  ///< empty without limits
};

}  // namespace weir
