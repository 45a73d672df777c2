#include "proxy/admin/health.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <optional>

#include "proxy/admin/breaker_pages.hpp"
#include "proxy/admin/json_text.hpp"
#include "proxy/health_verdict.hpp"

namespace weir {
namespace {

namespace json = boost::json;

constexpr const char* text_type = "text/plain; charset=utf-8";

json::value milliseconds(std::optional<std::chrono::microseconds> time) {
    return time ? json::value(static_cast<double>(time->count()) / 1'000) : json::value(nullptr);
}

json::object redis_object(const upstream_snapshot& upstream) {
    json::object out;
    out["connected"] = upstream.connected;
    out["version"] = ascii(upstream.server_version());
    out["latency_ms"] = milliseconds(upstream.ping);
    out["latency"] = {{"ping", milliseconds(upstream.ping)}, {"set", milliseconds(upstream.set)}, {"get", milliseconds(upstream.get)}};
    const std::string& reason = upstream.connected ? upstream.fault : upstream.reason;
    out["reason"] = nullptr;
    if (!reason.empty()) out["reason"] = ascii(reason);
    return out;
}

json::object pool_object(const admin_state& state) {
    json::object out;
    out["shared"] = state.total(&worker_counters::shared_connections);
    out["dedicated"] = state.total(&worker_counters::dedicated_connections);
    out["idle"] = state.total(&worker_counters::dedicated_idle);
    out["waiting"] = state.total(&worker_counters::dedicated_waiting);
    out["max"] = state.dedicated_max;
    return out;
}

json::value postgres_value(const fallback_numbers& numbers) {
    if (!numbers.postgres) return nullptr;
    const shared_store_numbers& shown = *numbers.postgres;
    json::object out;
    out["available"] = shown.available;
    out["reason"] = nullptr;
    if (!shown.trouble.empty()) out["reason"] = ascii(shown.trouble);
    out["in_use"] = shown.in_use;
    out["journal"] = {{"operations", shown.journal_rows}, {"bytes", shown.journal_bytes}, {"oldest_ms", shown.oldest.count()}};
    out["dead_letters"] = shown.dead_letters;
    out["pool"] = {{"size", shown.pool.size}, {"available", shown.pool.available}, {"pending", shown.pool.pending}};
    return out;
}

json::value fallback_value(const admin_state& state) {
    if (!state.fallback) return nullptr;
    const fallback_numbers numbers = state.fallback();
    json::object out;
    out["store"] = state.store_in_use();
    out["memory"] = {{"keys", numbers.memory_keys}, {"bytes", numbers.memory_bytes}};
    out["journal"] = {{"operations", numbers.journal_operations}, {"bytes", numbers.journal_bytes}, {"replaying", numbers.replaying}};
    out["postgres"] = postgres_value(numbers);
    return out;
}

std::string_view unsettled(const admin_state& state) {
    return state.draining ? "draining" : state.ready ? "" : "starting";
}

}  // namespace

admin_page livez_page(const admin_state&) {
    return {200, text_type, "ok\n"};
}

admin_page readyz_page(const admin_state& state) {
    if (state.draining) return {503, text_type, "draining\n"};
    if (!state.ready) return {503, text_type, "starting\n"};
    return {200, text_type, "ok\n"};
}

admin_page health_page(const admin_state& state) {
    const auto upstream = state.upstream();
    const auto now = std::chrono::system_clock::now();
    const auto shared = state.fallback ? state.fallback().postgres.value_or(shared_store_numbers{}) : shared_store_numbers{};
    const health_verdict verdict = judge_health({.upstream = *upstream,
                                                 .circuit = state.circuit,
                                                 .has_fallback = static_cast<bool>(state.fallback),
                                                 .store_trouble = shared.trouble,
                                                 .unsettled = unsettled(state)});
    json::object out;
    out["status"] = to_string(verdict.status);
    out["reason"] = nullptr;
    if (!verdict.reason.empty()) out["reason"] = ascii(verdict.reason);
    out["timestamp"] = rfc3339(now);
    out["version"] = state.version;
    out["uptime"] = std::chrono::duration_cast<std::chrono::seconds>(now - state.started).count();
    out["redis"] = redis_object(*upstream);
    out["circuitBreaker"] = breaker_value(state);
    out["fallback"] = fallback_value(state);
    out["connections"] = state.client_connections();
    out["pool"] = pool_object(state);
    out["in_flight"] = state.total(&worker_counters::in_flight);
    out["draining"] = state.draining.load();
    return {verdict.status == health_status::down ? 503u : 200u, "application/json", json::serialize(out) + '\n'};
}

}  // namespace weir
