#pragma once

#include <cstddef>
#include <cstdint>
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
    /// anything else where all may be read. What means keys that it does not name needs every rule to allow it: KEYS, SCAN,
    /// DBSIZE and RANDOMKEY; FLUSHDB and FLUSHALL to write; SORT's BY and GET to read. With rules a command is refused whose
    /// keys cannot be found, and so is a script.
    [[nodiscard]] bool allow(const arguments& request, const command_spec& command) const;

private:
    enum class access : std::uint8_t { reading, writing };
    [[nodiscard]] bool allows(std::string_view key, access how) const;
    [[nodiscard]] bool allow_everywhere(access how) const;
    [[nodiscard]] bool allow_sort_names(const arguments& request) const;

    std::vector<fallback_rule_options> rules_;
};

}  // namespace weir
