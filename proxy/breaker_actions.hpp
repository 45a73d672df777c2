#pragma once

#include <array>
#include <string_view>

#include "policy/breaker.hpp"

namespace weir {

/// What the operator may do with a breaker, by the name that the admin listener (`POST /breaker/NAME`) and `WEIR BREAKER NAME`
/// have for it.
struct breaker_action {
    std::string_view name;
    void (breaker::*perform)(breaker_time now, std::string_view by);
};

/// `force-open`, `disable`, `dry-run`, `reset`, in any case; nullptr: there is no such action.
[[nodiscard]] const breaker_action* find_breaker_action(std::string_view name);
/// All there are.
inline constexpr std::array<std::string_view, 4> breaker_action_names{"force-open", "disable", "dry-run", "reset"};

/// Does it, and logs who did. All tenants are told `by`; `tenant` stands in the log alone.
void perform(const breaker_action& action, breaker& circuit, std::string_view by, std::string_view tenant = {});

}  // namespace weir
