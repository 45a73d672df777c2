#pragma once

#include <string_view>
#include <vector>

#include "proxy/fallback/job_runner.hpp"

namespace weir::pg {

/// What a job needs, as far as its commands' words say it. Views of the job's text.
struct job_plan {
    std::vector<std::string_view> keys;
    bool writes = false;
    bool whole = false;  ///< a command asks for the whole keyspace: SCAN, FLUSHDB, …
};

[[nodiscard]] job_plan plan_of(const fallback_job& job, job_runner& runner);

}  // namespace weir::pg
