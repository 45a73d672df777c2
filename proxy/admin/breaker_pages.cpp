#include "proxy/admin/breaker_pages.hpp"

#include <array>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "proxy/admin/json_text.hpp"

namespace weir {
namespace {

namespace json = boost::json;

constexpr const char* json_type = "application/json";

std::string_view name_of(breaker_mode mode) {
    constexpr std::array<std::string_view, 3> names{"enforce", "dry_run", "disabled"};
    return names[static_cast<std::size_t>(mode)];
}

json::value text_or_null(const std::string& text) {
    return text.empty() ? json::value(nullptr) : json::value(ascii(text));
}

admin_page no_breaker() {
    return {404, json_type, "{\"error\":\"no breaker is configured\"}\n"};
}

}  // namespace

json::value breaker_value(const admin_state& state) {
    if (state.circuit == nullptr) return nullptr;
    const breaker_numbers numbers = state.circuit->numbers(std::chrono::steady_clock::now());
    json::object out;
    out["state"] = to_string(numbers.state);
    out["mode"] = name_of(numbers.mode);
    out["reason"] = text_or_null(numbers.reason);
    out["calls"] = numbers.calls;
    out["failures"] = numbers.failed;
    out["slow"] = numbers.slow;
    out["consecutiveFailures"] = numbers.consecutive_failures;
    out["successes"] = numbers.half_open_successes;
    out["openedAt"] = nullptr;
    if (numbers.opened_ago) out["openedAt"] = rfc3339(std::chrono::system_clock::now() - *numbers.opened_ago);
    out["retryInMs"] = numbers.retry_in.count();
    return out;
}

admin_page breaker_page(const admin_state& state) {
    if (state.circuit == nullptr) return no_breaker();
    return {200, json_type, json::serialize(breaker_value(state)) + '\n'};
}

admin_page operate_page(const admin_state& state, const breaker_action& action) {
    if (state.circuit == nullptr) return no_breaker();
    perform(action, *state.circuit, "the admin listener");
    return breaker_page(state);
}

}  // namespace weir
