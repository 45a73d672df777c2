#include "proxy/breaker_actions.hpp"

#include <algorithm>
#include <array>

#include "protocol/ascii.hpp"
#include "proxy/logging.hpp"

namespace weir {
namespace {

constexpr std::array actions{
    breaker_action{"force-open", &breaker::force_open},
    breaker_action{"disable", &breaker::disable},
    breaker_action{"dry-run", &breaker::dry_run},
    breaker_action{"reset", &breaker::reset},
};

}  // namespace

const breaker_action* find_breaker_action(std::string_view name) {
    const auto* const found =
        std::ranges::find_if(actions, [&](const breaker_action& one) { return equals_ignoring_case(name, one.name); });
    return found == actions.end() ? nullptr : found;
}

void perform(const breaker_action& action, breaker& circuit, std::string_view by, std::string_view tenant) {
    log_info("breaker operated", {{"action", action.name}, {"by", by}, {"tenant", tenant}});
    (circuit.*action.perform)(std::chrono::steady_clock::now(), by);
}

}  // namespace weir
