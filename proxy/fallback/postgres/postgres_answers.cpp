#include "proxy/fallback/postgres/postgres_answers.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <type_traits>
#include <utility>

#include "proxy/fallback/postgres/pg_await.hpp"

namespace weir {

namespace asio = boost::asio;

namespace {

asio::awaitable<std::optional<pg::error>> set_up(std::shared_ptr<pg::store_core> core, std::shared_ptr<pg::connection> on) {
    if (auto failed = co_await core->tables.prepare(*on)) co_return failed;
    co_return co_await core->sql.prepare(*on);
}

}  // namespace

postgres_answers::postgres_answers(const asio::any_io_executor& executor, pg::target where, const pg::store_options& options,
                                   job_runner& runner)
    : core_(std::make_shared<pg::store_core>(executor, options, runner)) {
    const std::weak_ptr<pg::store_core> weak = core_;
    const auto prepare = [weak](const std::shared_ptr<pg::connection>& on, const auto& done) {
        const auto core = weak.lock();
        if (!core) return;
        asio::co_spawn(core->executor, set_up(core, on), [done](const std::exception_ptr&, std::optional<pg::error> failed) {
            done(std::move(failed));
        });
    };
    core_->pool = std::make_shared<pg::pool>(executor, std::move(where), options.pool, prepare);
    core_->again = [this, alive = std::weak_ptr<bool>(alive_)](std::unique_ptr<pg::pending_job> job) {
        if (alive.expired()) return job->give_up();
        take(std::move(job));
    };
    core_->pool->start();
}

postgres_answers::~postgres_answers() {
    alive_.reset();
    core_->pool->close();
}

void postgres_answers::answer(fallback_job job, std::int64_t now, pg::pending_job::done done) {
    take(std::make_unique<pg::pending_job>(std::move(job), now, std::move(done), core_->runner));
}

void postgres_answers::take(std::unique_ptr<pg::pending_job> job) {
    if (job->plan().writes) return join(writes_, std::move(job));
    if (!job->plan().whole) return join(reads_, std::move(job));
    asio::co_spawn(core_->executor, pg::read_snapshot(core_, std::move(job)), asio::detached);
}

template <class Group>
void postgres_answers::join(std::shared_ptr<Group>& gathering, std::unique_ptr<pg::pending_job> job) {
    if (gathering && gathering->has_room(*job)) return gathering->add(std::move(job));
    gathering = std::make_shared<Group>(core_);
    gathering->add(std::move(job));
    // Behind what else comes in this turn.
    asio::post(core_->executor, [this, group = gathering, alive = std::weak_ptr<bool>(alive_)] {
        if (alive.expired()) return group->give_up();
        start(group);
    });
}

template <class Group>
void postgres_answers::start(const std::shared_ptr<Group>& group) {
    core_->pool->acquire([this, group, alive = std::weak_ptr<bool>(alive_)](pg::lease on, const auto& failed) {
        if (!alive.expired()) {
            if constexpr (std::is_same_v<Group, pg::read_group>) {
                if (reads_ == group) reads_.reset();
            } else {
                if (writes_ == group) writes_.reset();
            }
        }
        if (failed) return group->give_up();
        if constexpr (std::is_same_v<Group, pg::read_group>) {
            pg::read_group::run(group, std::move(on));
        } else {
            asio::co_spawn(core_->executor, group->run(std::move(on)), asio::detached);
        }
    });
}

void postgres_answers::expire_some(std::size_t count, std::int64_t now, std::function<void(std::optional<std::size_t>)> done) {
    core_->pool->acquire([core = core_, count, now, done = std::move(done)](pg::lease on, const auto& failed) {
        if (failed) return done(std::nullopt);
        pg::parameters with;
        with.int8(now).int8(static_cast<std::int64_t>(count));
        pg::batch steps;
        steps.add(core->sql.expire, std::move(with));
        auto held = std::make_shared<pg::lease>(std::move(on));
        (*held)->run(steps, [core, held, done](const pg::outcome& got) {
            core->pool->report(got.failed);
            held->give_back();
            if (got.failed) return done(std::nullopt);
            done(got.results[0].rows());
        });
    });
}

}  // namespace weir
