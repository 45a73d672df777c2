#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "policy/breaker.hpp"
#include "proxy/upstream/upstream_snapshot.hpp"

namespace weir {

enum class health_status : std::uint8_t {
    healthy,
    degraded,  ///< clients get answers, but not as they should: from the fallback, or for the time being
    down,      ///< neither the upstream nor anything else answers
};
[[nodiscard]] std::string_view to_string(health_status status);

/// What the health of this process follows from.
struct health_facts {
    const upstream_snapshot& upstream;
    const breaker* circuit = nullptr;  ///< none: there is none
    bool has_fallback = false;         ///< something answers while the breaker does not pass
    std::string_view store_trouble = {};  ///< why Postgres could not answer now; empty: it could, or there is none
    std::string_view unsettled = {};   ///< `starting`, `draining`; empty: neither
};

struct health_verdict {
    health_status status = health_status::healthy;
    std::string reason;  ///< empty when healthy
};

[[nodiscard]] health_verdict judge_health(const health_facts& facts);

}  // namespace weir
