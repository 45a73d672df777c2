#pragma once

#include <cstdint>
#include <optional>
#include <memory>
#include <set>
#include <string>

namespace weir {

class invalidation_relay;

/// What CLIENT TRACKING has switched on for a client; the server has it on the client's own connection.
struct tracking_state {
    enum class choice : std::uint8_t { none, opt_in, opt_out };

    bool broadcast = false;
    bool no_loop = false;
    choice caching = choice::none;
    std::set<std::string> prefixes;         ///< as the client named them; of broadcast
    bool chosen = false;                    ///< CLIENT CACHING was said for the next command
    std::optional<std::uint64_t> redirect;  ///< the client that gets the invalidations instead
    bool redirect_broken = false;           ///< it is gone
    std::shared_ptr<invalidation_relay> relay;  ///< of redirect
    std::shared_ptr<const void> counted;    ///< in tenant_counters::tracking
};

}  // namespace weir
