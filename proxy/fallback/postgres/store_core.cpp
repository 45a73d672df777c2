#include "proxy/fallback/postgres/store_core.hpp"

#include <utility>

namespace weir::pg {

namespace {

/// Of what came to nothing because a connection broke.
constexpr int most_attempts = 2;

}  // namespace

void give_up(pending_jobs& jobs) {
    for (auto& each : std::exchange(jobs, {})) each->give_up();
}

void store_core::isolate(pending_jobs jobs, const error& why) {
    const bool alone = jobs.size() == 1;
    if (alone) {
        log_refused(why);
        return give_up(jobs);
    }
    for (auto& each : jobs) {
        each->rewind();
        each->alone = true;
        again(std::move(each));
    }
}

void store_core::retry(pending_jobs jobs) {
    for (auto& each : jobs) {
        if (++each->attempts >= most_attempts) {
            each->give_up();
        } else {
            each->rewind();
            again(std::move(each));
        }
    }
}

void store_core::log_refused(const error& why) {
    write_log_limited(logs, log_limiter::clock::now(), log_level::warning, "postgres refused a statement",
                      {{"code", why.sqlstate}, {"error", why.text}});
}

}  // namespace weir::pg
