#pragma once

#include <cstddef>
#include <vector>

#include "config/options.hpp"
#include "proxy/fallback/fallback_job.hpp"
#include "proxy/fallback/fallback_service.hpp"

namespace weir {

/// One worker's way to the fallback. Belongs to the worker's thread.
class fallback_port {
public:
    /// nullptr: nothing answers while the upstream is away.
    fallback_port(fallback_service* service, std::size_t worker) : service_(service), worker_(worker) {}

    [[nodiscard]] bool exists() const { return service_ != nullptr; }
    /// Whether the command is one that can be answered; by its name and type alone.
    [[nodiscard]] static bool knows(const command_spec& command);

    /// Leaves at the turn's end; comes back to `from` in a later turn.
    void post(fallback_job job);
    void flush();

private:
    fallback_service* service_;
    std::size_t worker_;
    std::vector<fallback_job> outgoing_;
};

}  // namespace weir
