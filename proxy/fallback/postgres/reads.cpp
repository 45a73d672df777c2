#include "proxy/fallback/postgres/reads.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <utility>

#include "proxy/fallback/postgres/pg_await.hpp"
#include "proxy/fallback/postgres/texts.hpp"

namespace weir::pg {

namespace asio = boost::asio;

namespace {

constexpr int most_rounds = 64;

const error malformed{error::kind::statement, {}, "a row of entries does not hold a value of its type"};

}  // namespace

bool read_group::has_room(const pending_job& job) const {
    return !job.alone && !jobs_.front()->alone && jobs_.size() < most_jobs && keys_ + job.plan().keys.size() <= most_keys;
}

void read_group::add(std::unique_ptr<pending_job> job) {
    keys_ += job->plan().keys.size();
    jobs_.push_back(std::move(job));
}

tenant_rows& read_group::rows_of(const pending_job& job) {
    const auto prefix = job.job().whose->prefix();
    for (const auto& each : rows_) {
        if (each->prefix() == prefix) return *each;
    }
    return *rows_.emplace_back(std::make_unique<tenant_rows>(std::string(prefix), job.databases(), job.now()));
}

void read_group::run(const std::shared_ptr<read_group>& group, lease on) {
    batch steps;
    group->rows_.clear();
    for (const auto& job : group->jobs_) job->want(group->rows_of(*job));
    for (const auto& rows : group->rows_) rows->append_fetches(steps, group->core_->sql);
    ++group->core_->counters.read_trips_total;
    auto held = std::make_shared<lease>(std::move(on));
    (*held)->run(steps, [group, held](outcome got) {
        held->give_back();  // the next group can be on its way while this one is answered
        group->core_->pool->report(got.failed);
        group->finish(std::move(got));
    });
}

void read_group::finish(outcome got) {
    auto jobs = std::exchange(jobs_, {});
    if (got.failed) {
        return got.failed->what == error::kind::statement ? core_->isolate(std::move(jobs), *got.failed)
                                                          : core_->retry(std::move(jobs));
    }
    std::size_t next = 0;
    for (const auto& rows : rows_) next = rows->take(got, next);
    for (auto& job : jobs) {
        tenant_rows& rows = rows_of(*job);
        job->run(rows, core_->runner);
        if (rows.misses()) {
            rows.forget_misses();
            job->rewind();
            asio::co_spawn(core_->executor, read_snapshot(core_, std::move(job)), asio::detached);
        }
    }
    if (std::ranges::any_of(rows_, [](const auto& each) { return each->is_malformed(); })) {
        std::erase(jobs, nullptr);
        return core_->isolate(std::move(jobs), malformed);
    }
    for (auto& job : jobs) {
        if (!job) continue;
        ++core_->counters.read_jobs_total;
        job->answer();
    }
}

asio::awaitable<void> read_snapshot(std::shared_ptr<store_core> core, std::unique_ptr<pending_job> job) {
    tenant_rows rows(std::string(job->job().whose->prefix()), job->databases(), job->now());
    job->want(rows);
    const auto random = core->runner.random();
    // What the commands ask for beside their keys is found out by running them on nothing.
    job->run(rows, core->runner);
    pending_jobs one;
    one.push_back(std::move(job));
    pending_job& asked = *one.front();

    acquisition got = co_await acquire(*core->pool);
    if (got.failed) co_return give_up(one);
    bool begun = false;
    bool incomplete = true;
    for (int round = 0; round < most_rounds && incomplete && !rows.is_too_long(); ++round) {
        // One statement is a snapshot by itself; when that turns out to be too little, all is read anew.
        const bool begins = !begun && (round > 0 || rows.fetches() > 1);
        if (begins && round > 0) rows.start_over();
        batch steps;
        if (begins) steps.add(core->sql.begin_snapshot);
        begun = begun || begins;
        rows.append_fetches(steps, core->sql);
        ++core->counters.read_trips_total;
        outcome found = co_await run(*got.held, steps);
        core->pool->report(found.failed);
        if (found.failed) {
            got.held->close();
            got.held.give_back();
            co_return found.failed->what == error::kind::statement ? core->isolate(std::move(one), *found.failed)
                                                                   : core->retry(std::move(one));
        }
        rows.take(found, begins ? 1 : 0);
        asked.rewind();
        core->runner.random() = random;
        asked.run(rows, core->runner);
        incomplete = rows.misses();
    }
    if (rows.is_malformed()) {
        core->isolate(std::move(one), malformed);
    } else if (incomplete) {
        asked.refuse(core->runner, rows.is_too_long() ? texts::keyspace_too_long : texts::keys_keep_changing);
    } else {
        ++core->counters.read_jobs_total;
        asked.answer();
    }
    if (!begun) co_return;
    batch end;
    end.add(core->sql.commit);
    const outcome ended = co_await run(*got.held, end);
    core->pool->report(ended.failed);
}

}  // namespace weir::pg
