#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "policy/command_set.hpp"
#include "policy/tenant_terms.hpp"
#include "protocol/arguments.hpp"
#include "protocol/command_table.hpp"

namespace weir {

/// What a tenant may do beyond being a tenant: commands, and keys by patterns. Immutable; all threads share it.
class permissions {
public:
    /// Everything.
    permissions() = default;
    explicit permissions(const permission_options& options);

    [[nodiscard]] bool may_run(const command_spec& command) const;
    [[nodiscard]] bool restricts_keys() const { return !patterns_.empty(); }
    /// Whether all keys that the request names, as its clients know them, may be touched in the way the command does.
    [[nodiscard]] bool may_touch_keys(const arguments& request, const command_spec& command) const;

private:
    struct pattern {
        std::string glob;
        bool read = true;
        bool write = true;
    };
    bool all_commands_ = true;
    command_set commands_;
    std::vector<pattern> patterns_;
};

/// Why a word of `keys` is no key pattern (`cart:*`, `~cart:*`, `%R~…`, `%W~…`, `%RW~…`); empty when it is one.
[[nodiscard]] std::string key_pattern_fault(std::string_view word);

}  // namespace weir
