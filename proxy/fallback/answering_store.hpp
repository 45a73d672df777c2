#pragma once

#include <cstdint>

#include "proxy/fallback/fallback_job.hpp"

namespace weir {

/// One of `fallback.order`: answers from what it holds. Belongs to the fallback's thread.
class answering_store {
public:
    enum class verdict : std::uint8_t {
        answered,
        unable,    ///< nothing was done; the next store is asked
        returned,  ///< nothing was done: the breaker has closed meanwhile
    };

    virtual ~answering_store() = default;

    /// All commands of the job. `now` is milliseconds since 1970.
    [[nodiscard]] virtual verdict answer(fallback_job& job, std::int64_t now) = 0;
};

}  // namespace weir
