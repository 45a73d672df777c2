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

/// Who answers a command without Redis.
enum class fallback_place : std::uint8_t {
    nowhere,
    stores,  ///< in their order
    memory,  ///< alone
};

/// Which of a tenant's keys may be read and written without Redis, and where. Part of tenant_rules; immutable.
class fallback_rules {
public:
    fallback_rules() = default;
    explicit fallback_rules(const std::vector<fallback_rule_options>& rules);

    /// A write (command_flag::write) is answered where all of its keys may be written, anything else where all may be read;
    /// nowhere, if that is not the same place. What means keys that it does not name needs every rule to agree: KEYS, SCAN,
    /// DBSIZE and RANDOMKEY; FLUSHDB and FLUSHALL to write; SORT's BY and GET to read. With rules a command is refused whose
    /// keys cannot be found, and so is a script.
    [[nodiscard]] fallback_place place_of(const arguments& request, const command_spec& command) const;

private:
    enum class access : std::uint8_t { reading, writing };
    class common_place;
    [[nodiscard]] static fallback_place place_by(const fallback_rule_options& rule, access how);
    [[nodiscard]] fallback_place place_of(std::string_view key, access how) const;
    [[nodiscard]] fallback_place place_of_all(access how) const;

    std::vector<fallback_rule_options> rules_;
};

}  // namespace weir
