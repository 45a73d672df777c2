#include "proxy/fallback/postgres/store_core.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "proxy/fallback/postgres/texts.hpp"

namespace weir::pg {

namespace {

/// Of what came to nothing because a connection broke.
constexpr int most_attempts = 2;

/// It could not do anything else either: no space, shutting down, read-only, broken. Anything else is about the statement.
bool is_of_the_server(const error& why) {
    return std::ranges::any_of(std::array{"53", "57P", "58", "08", "25", "XX"},
                               [&](std::string_view kind) { return why.sqlstate.starts_with(kind); });
}

}  // namespace

void give_up(pending_jobs& jobs) {
    for (auto& each : std::exchange(jobs, {})) each->give_up();
}

void store_core::isolate(pending_jobs jobs, const error& why) {
    const bool alone = jobs.size() == 1;
    if (alone) {
        log_refused(why);
        // Another store would answer for all tenants then, because of one key that is too long, say.
        if (!is_of_the_server(why)) return jobs.front()->refuse(runner, texts::refused);
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
