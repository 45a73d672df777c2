#include "proxy/fallback/postgres/write_transaction.hpp"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <limits>
#include <utility>

#include "proxy/fallback/postgres/key_places.hpp"
#include "proxy/fallback/postgres/pg_await.hpp"
#include "proxy/fallback/postgres/texts.hpp"

namespace weir::pg {

namespace asio = boost::asio;

namespace {

/// Until every key is known that the commands ask for.
constexpr int most_rounds = 32;
constexpr int most_conflicts = 5;
constexpr std::chrono::milliseconds look_up_interval{50};

const error malformed{error::kind::statement, {}, "a row of entries does not hold a value of its type"};

}  // namespace

bool write_transaction::is_exclusive(const pending_job& job) {
    return job.plan().whole || job.plan().keys.size() > most_keys;
}

bool write_transaction::has_room(const pending_job& job) const {
    const pending_job& first = *jobs_.front();
    return !exclusive_ && !is_exclusive(job) && !first.alone && !job.alone && jobs_.size() < most_jobs &&
           keys_ + job.plan().keys.size() <= most_keys && first.job().whose->prefix() == job.job().whose->prefix();
}

void write_transaction::add(std::unique_ptr<pending_job> job) {
    exclusive_ = is_exclusive(*job);
    keys_ += job->plan().keys.size();
    jobs_.push_back(std::move(job));
}

asio::awaitable<void> write_transaction::run(lease on) {
    const auto self = shared_from_this();
    std::int64_t databases = 0;
    for (const auto& job : jobs_) databases = std::max(databases, job->databases());
    rows_ = std::make_unique<tenant_rows>(std::string(jobs_.front()->job().whose->prefix()), databases, jobs_.front()->now());
    for (const auto& job : jobs_) job->want(*rows_);
    for (;;) {
        const step came = co_await attempt(on);
        if (came != step::again) break;
        rows_->start_over();
        // The next in the queue is not kept waiting by one that runs again and again.
        if (!on->is_open()) {
            acquisition another = co_await acquire(*core_->pool);
            if (another.failed) co_return give_up();
            on = std::move(another.held);
        }
    }
    on.give_back();
}

asio::awaitable<write_transaction::step> write_transaction::attempt(lease& on) {
    if (!co_await begin(on)) co_return co_await after(on, failed_);
    const auto random = core_->runner.random();
    run_commands();
    while (rows_->misses() && !rows_->is_too_long() && ++rounds_ < most_rounds) {
        core_->runner.random() = random;
        // Keys that turned up just now are not locked, and could only be locked out of order.
        if (!exclusive_) {
            co_await roll_back(on);
            co_return step::again;
        }
        rows_->forget_changes();
        if (!co_await fetch_more(on)) co_return co_await after(on, failed_);
        run_commands();
    }
    if (!rows_->misses() && !rows_->is_malformed()) co_return co_await commit(on);
    co_await roll_back(on);
    if (rows_->is_malformed()) {
        core_->isolate(std::exchange(jobs_, {}), malformed);
    } else {
        refuse_all(rows_->is_too_long() ? texts::keyspace_too_long : texts::keys_keep_changing);
    }
    co_return step::ended;
}

asio::awaitable<bool> write_transaction::begin(lease& on) {
    batch steps;
    steps.add(core_->sql.begin);
    parameters whose;
    whose.int8(tenant_lock(rows_->prefix()));
    steps.add(exclusive_ ? core_->sql.lock_tenant_exclusively : core_->sql.lock_tenant, std::move(whose));
    std::size_t before = 3;
    if (!exclusive_) {
        parameters locks;
        locks.array_of_int8(rows_->locks());
        steps.add(core_->sql.lock_keys, std::move(locks));
        ++before;
    }
    steps.add(core_->sql.identify);
    rows_->append_fetches(steps, core_->sql);
    outcome got = co_await pg::run(*on, steps);
    core_->pool->report(got.failed);
    if (got.failed) {
        failed_ = *got.failed;
        co_return false;
    }
    number_ = got.results[before - 1].bytes(0, 0).value_or("");
    incarnation_ = got.results[before - 1].bytes(0, 1).value_or("");
    room_ = room_beside(got.results[before - 1].int8(0, 2).value_or(0));
    rows_->take(got, before);
    co_return true;
}

asio::awaitable<bool> write_transaction::fetch_more(lease& on) {
    batch steps;
    rows_->append_fetches(steps, core_->sql);
    outcome got = co_await pg::run(*on, steps);
    core_->pool->report(got.failed);
    if (got.failed) {
        failed_ = *got.failed;
        co_return false;
    }
    rows_->take(got, 0);
    co_return true;
}

std::size_t write_transaction::room_beside(std::int64_t journal_bytes) const {
    const std::size_t most = core_->options.max_journal_bytes;
    if (most == 0) return std::numeric_limits<std::size_t>::max();
    return most - std::min(most, static_cast<std::size_t>(std::max<std::int64_t>(journal_bytes, 0)));
}

void write_transaction::run_commands() {
    if (core_->options.journal) notes_.emplace(room_);
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
        jobs_[i]->rewind();
        jobs_[i]->run(*rows_, core_->runner, notes_ ? &*notes_ : nullptr, i);
    }
}

asio::awaitable<write_transaction::step> write_transaction::commit(lease& on) {
    batch steps;
    rows_->append_changes(steps, core_->sql);
    if (notes_) append_notes(steps);
    const bool changes = !steps.empty();
    steps.add(core_->sql.commit);
    const outcome got = co_await pg::run(*on, steps);
    core_->pool->report(got.failed);
    if (got.failed && got.failed->what == error::kind::statement) co_return co_await after(on, *got.failed);
    auto came = fate::committed;
    if (got.failed && changes) came = co_await look_up();
    if (came == fate::aborted) {
        core_->retry(std::exchange(jobs_, {}));
        co_return step::ended;
    }
    core_->counters.transactions_total += came == fate::committed;
    for (auto& job : std::exchange(jobs_, {})) {
        ++core_->counters.write_jobs_total;
        core_->counters.unknown_total += came == fate::unknown;
        if (came == fate::committed) {
            job->answer();
        } else {
            job->answer_unknown();
        }
    }
    co_return step::done;
}

void write_transaction::append_notes(batch& to) const {
    for (const noted_operation& each : notes_->operations()) {
        const fallback_job& job = jobs_[each.job]->job();
        parameters with;
        with.bytes(job.whose->name()).bytes(job.whose->prefix()).int4(static_cast<std::int32_t>(each.database)).array(each.words);
        if (each.joined) {
            with.owned(number_ + ':' + std::to_string(each.job));
        } else {
            with.null();
        }
        with.int8(static_cast<std::int64_t>(each.bytes));
        to.add(core_->sql.note, std::move(with));
    }
    if (notes_->operations().empty()) return;
    parameters sums;
    sums.int8(static_cast<std::int64_t>(notes_->operations().size())).int8(static_cast<std::int64_t>(notes_->bytes()));
    to.add(core_->sql.count_notes, std::move(sums));
}

/// The connection broke between the commit and its answer: another one may say what came of it, as long as the server has not
/// lost its memory (schema.cpp, incarnation).
asio::awaitable<write_transaction::fate> write_transaction::look_up() {
    const auto deadline = std::chrono::steady_clock::now() + core_->options.pool.connection.statement_timeout;
    asio::steady_timer pause(core_->executor);
    while (std::chrono::steady_clock::now() < deadline) {
        acquisition got = co_await acquire(*core_->pool);
        if (core_->pool->is_closed()) break;
        if (!got.failed) {
            batch question;
            parameters with;
            with.bytes(number_).bytes(incarnation_);
            question.add(core_->sql.look_up, std::move(with));
            const outcome told = co_await pg::run(*got.held, question);
            core_->pool->report(told.failed);
            const auto status = told.failed ? std::nullopt : told.results[0].bytes(0, 0);
            if (!told.failed && !status) co_return fate::unknown;
            if (status == "committed") co_return fate::committed;
            if (status == "aborted") co_return fate::aborted;
        }
        // In progress: its backend has not noticed yet that we are gone, or nobody can be asked.
        got.held.give_back();
        pause.expires_after(look_up_interval);
        co_await pause.async_wait(asio::use_awaitable);
    }
    co_return fate::unknown;
}

asio::awaitable<void> write_transaction::roll_back(lease& on) {
    batch steps;
    steps.add(core_->sql.rollback);
    const outcome got = co_await pg::run(*on, steps);
    if (got.failed) on->close();
}

/// Nothing was committed.
asio::awaitable<write_transaction::step> write_transaction::after(lease& on, error why) {
    if (why.what != error::kind::statement) {
        core_->retry(std::exchange(jobs_, {}));
        co_return step::ended;
    }
    co_await roll_back(on);
    if (why.is_conflict() && ++conflicts_ < most_conflicts) {
        ++core_->counters.conflicts_total;
        co_return step::again;
    }
    core_->isolate(std::exchange(jobs_, {}), why);
    co_return step::ended;
}

void write_transaction::refuse_all(std::string_view reason) {
    for (auto& job : std::exchange(jobs_, {})) job->refuse(core_->runner, reason);
}

}  // namespace weir::pg
