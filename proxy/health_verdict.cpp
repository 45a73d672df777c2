#include "proxy/health_verdict.hpp"

#include <array>

namespace weir {
namespace {

health_verdict judge_without_upstream(const health_facts& facts) {
    const breaker_numbers numbers = facts.circuit->numbers(std::chrono::steady_clock::now());
    // It may have closed just now; the next look says so.
    std::string reason = "breaker " + std::string(to_string(numbers.state));
    if (!numbers.reason.empty()) reason += ": " + numbers.reason;
    const bool some_pass = numbers.state == breaker_state::half_open && facts.upstream.connected;
    return {facts.has_fallback || some_pass ? health_status::degraded : health_status::down, std::move(reason)};
}

}  // namespace

std::string_view to_string(health_status status) {
    constexpr std::array<std::string_view, 3> names{"healthy", "degraded", "down"};
    return names[static_cast<std::size_t>(status)];
}

health_verdict judge_health(const health_facts& facts) {
    if (facts.circuit != nullptr && !facts.circuit->passes()) return judge_without_upstream(facts);
    if (!facts.upstream.connected) return {health_status::down, facts.upstream.reason};
    if (!facts.unsettled.empty()) return {health_status::degraded, std::string(facts.unsettled)};
    if (!facts.store_trouble.empty()) return {health_status::degraded, "postgres: " + std::string(facts.store_trouble)};
    if (!facts.upstream.fault.empty()) return {health_status::degraded, facts.upstream.fault};
    return {};
}

}  // namespace weir
