#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "policy/tenant_terms.hpp"
#include "protocol/arguments.hpp"
#include "protocol/command_table.hpp"

namespace weir {

inline constexpr std::size_t max_fallback_rules = 64;

/// Which of a tenant's keys may be read and written without Redis. Part of tenant_rules; immutable.
class fallback_rules {
public:
    fallback_rules() = default;
    explicit fallback_rules(const std::vector<fallback_rule_options>& rules);

    /// Whether the command may be answered without Redis: a write (command_flag::write) where all of its keys may be written,
    /// anything else where all may be read. One that names no key but has the keyspace for it (KEYS, SCAN, DBSIZE,
    /// RANDOMKEY; FLUSHDB to write) where every rule allows it.
    [[nodiscard]] bool allow(const arguments& request, const command_spec& command) const;

private:
    std::vector<fallback_rule_options> rules_;
};

}  // namespace weir
