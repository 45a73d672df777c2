#include "proxy/admin/health.hpp"

#include <array>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <ctime>

namespace weir {
namespace {

namespace json = boost::json;

constexpr const char* text_type = "text/plain; charset=utf-8";

std::string rfc3339(std::chrono::system_clock::time_point when) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 32> text{};
    return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

/// What the upstream says of itself goes into a JSON text, which must be UTF-8 whatever the upstream is.
std::string ascii(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (static_cast<unsigned char>(c) >= 0x7f) c = '?';
    }
    return out;
}

json::object redis_object(const upstream_snapshot& upstream) {
    json::object out;
    out["connected"] = upstream.connected;
    out["version"] = ascii(upstream.server_version());
    out["latency_ms"] = nullptr;
    if (upstream.ping) out["latency_ms"] = static_cast<double>(upstream.ping->count()) / 1'000;
    out["reason"] = nullptr;
    if (!upstream.connected) out["reason"] = ascii(upstream.reason);
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
    const bool settled = state.ready && !state.draining;
    json::object out;
    out["status"] = !upstream->connected ? "down" : settled ? "healthy" : "degraded";
    out["timestamp"] = rfc3339(now);
    out["version"] = state.version;
    out["uptime"] = std::chrono::duration_cast<std::chrono::seconds>(now - state.started).count();
    out["redis"] = redis_object(*upstream);
    out["connections"] = state.client_connections();
    out["pool"] = pool_object(state);
    out["in_flight"] = state.total(&worker_counters::in_flight);
    out["draining"] = state.draining.load();
    return {upstream->connected ? 200u : 503u, "application/json", json::serialize(out) + '\n'};
}

}  // namespace weir
