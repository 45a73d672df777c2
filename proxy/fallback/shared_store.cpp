#include "proxy/fallback/shared_store.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <stdexcept>
#include <utility>

#include "proxy/logging.hpp"

namespace weir {
namespace asio = boost::asio;
namespace {

using namespace std::chrono_literals;

/// How often the journal is looked at, which other weirs write as well.
constexpr auto look_interval = 1s;
/// The same until it has been seen once: nobody is let in before that.
constexpr auto first_look_interval = 100ms;
constexpr auto expiry_interval = 2s;
constexpr std::size_t expired_at_once = 500;
constexpr auto entry_interval = 50ms;
constexpr auto leave_interval = 5ms;

pg::target target_of(const postgres_options& options) {
    std::string fault;
    auto found = pg::target::parse(options.dsn.value_or(""), fault);
    if (!found) throw std::runtime_error("the DSN of Postgres " + fault);
    return *std::move(found);
}

pg::connection_options connections_of(const postgres_options& options) {
    return {.connect_timeout = options.pool.connect_timeout, .statement_timeout = options.statement_timeout};
}

pg::store_options store_of(const postgres_options& options) {
    pg::store_options made;
    made.schema = options.schema;
    made.pool.min = options.pool.min;
    made.pool.max = options.pool.max;
    made.pool.acquire_timeout = options.pool.acquire_timeout;
    made.pool.idle_timeout = options.pool.idle_timeout;
    made.pool.connection = connections_of(options);
    return made;
}

bool writes(const fallback_job& job) { return std::ranges::any_of(job.commands, &fallback_job::command::writes); }

std::int64_t wall_clock() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

shared_store::shared_store(asio::io_context& context, const postgres_options& options, const breaker& circuit, circuit_hold& hold,
                           job_runner& runner, tenant_finder find, events told)
    : options_(options),
      circuit_(circuit),
      hold_(hold),
      told_(std::move(told)),
      context_(context),
      membership_(std::make_shared<pg::shared_journal>(context.get_executor(), target_of(options), options.schema,
                                                       connections_of(options))),
      source_(context.get_executor(), membership_, std::move(find)),
      answers_(context.get_executor(), target_of(options), store_of(options), runner) {
    membership_->on_close([this] { follow_breaker(); });
}

/// What is under way there keeps it alive.
shared_store::~shared_store() {
    membership_->on_close({});
    membership_->close();
}

void shared_store::start(std::function<void(std::size_t)> known) {
    known_ = std::move(known);
    asio::co_spawn(context_, look(), asio::detached);
    schedule_expiry();
}

// ---- whether it is in use ------------------------------------------------------------------------------------------

void shared_store::follow_breaker() {
    if (circuit_.passes() == !membership_->is_entered() || std::exchange(changing_, true)) return;
    asio::co_spawn(context_, change(), asio::detached);
}

asio::awaitable<void> shared_store::change() {
    while (circuit_.passes() == membership_->is_entered()) {
        if (circuit_.passes()) {
            // Whoever leaves last takes the entries away, and these jobs still read them.
            if (under_way_ > 0) {
                co_await wait(leave_interval);
                continue;
            }
            // If it fails its connection is gone, and with it what it had entered.
            static_cast<void>(co_await membership_->leave());
            if (membership_->is_entered()) membership_->close();
            continue;
        }
        const auto failed = co_await enter();
        const bool is_busy = failed && failed->what == pg::error::kind::busy;
        if (!is_busy) {
            note(failed);
            release_waiting(membership_->is_entered());
        }
        if (failed) co_await wait(entry_interval);
    }
    release_waiting(false);
    changing_ = false;
}

asio::awaitable<void> shared_store::wait(clock::duration duration) {
    retry_.expires_after(duration);
    co_await retry_.async_wait(asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<std::optional<pg::error>> shared_store::enter() {
    if (auto failed = co_await membership_->open()) co_return failed;
    bool first = false;
    if (auto failed = co_await membership_->enter(first)) co_return failed;
    log_info("postgres answers", {{"first", first}});
    co_return std::nullopt;
}

void shared_store::note(const std::optional<pg::error>& failed) {
    trouble_ = failed ? failed->text : "";
    if (failed) write_log_limited(limiter_, clock::now(), log_level::warning, "postgres does not answer", {{"error", failed->text}});
}

// ---- jobs ----------------------------------------------------------------------------------------------------------

void shared_store::answer(fallback_job job, std::int64_t now, pg::pending_job::done done) {
    if (membership_->is_entered()) return hand_over(std::move(job), now, std::move(done));
    // Where it is known to be away nobody waits.
    if (!trouble_.empty()) return done(std::move(job), answering_store::verdict::unable);
    waiting_.push_back({std::move(job), now, std::move(done), clock::now() + options_.pool.acquire_timeout});
    await_timeouts();
    follow_breaker();
}

void shared_store::hand_over(fallback_job job, std::int64_t now, pg::pending_job::done done) {
    const bool is_write = writes(job);
    if (is_write && !hold_.take()) return done(std::move(job), answering_store::verdict::returned);
    if (is_write) source_.begin_write();
    ++under_way_;
    answers_.answer(std::move(job), now, [this, is_write, done = std::move(done)](fallback_job back, answering_store::verdict how) {
        --under_way_;
        if (is_write) source_.end_write();
        done(std::move(back), how);
    });
}

void shared_store::release_waiting(bool entered) {
    for (auto& each : std::exchange(waiting_, {})) {
        if (entered) {
            hand_over(std::move(each.job), each.now, std::move(each.done));
        } else {
            each.done(std::move(each.job), answering_store::verdict::unable);
        }
    }
}

void shared_store::await_timeouts() {
    if (waiting_.empty() || std::exchange(awaits_timeouts_, true)) return;
    timeouts_.expires_at(waiting_.front().until);
    timeouts_.async_wait([this](const boost::system::error_code& error) {
        awaits_timeouts_ = false;
        if (error) return;
        const auto now = clock::now();
        while (!waiting_.empty() && waiting_.front().until <= now) {
            waiting_job late = std::move(waiting_.front());
            waiting_.pop_front();
            late.done(std::move(late.job), answering_store::verdict::unable);
        }
        await_timeouts();
    });
}

// ---- what is done now and then -------------------------------------------------------------------------------------

asio::awaitable<void> shared_store::look() {
    if (!std::exchange(looking_, true)) {
        auto failed = co_await membership_->open();
        if (!failed) failed = co_await membership_->state(seen_);
        looking_ = false;
        note(failed);
        if (!failed) {
            const auto rows = static_cast<std::size_t>(seen_.rows);
            source_.note_rows(rows);
            if (known_) std::exchange(known_, nullptr)(rows);
        }
        told_.looked();
    }
    schedule_look();
}

void shared_store::schedule_look() {
    looks_.expires_after(known_ ? first_look_interval : look_interval);
    looks_.async_wait([this](const boost::system::error_code& error) {
        if (!error) asio::co_spawn(context_, look(), asio::detached);
    });
}

void shared_store::schedule_expiry() {
    expiry_.expires_after(expiry_interval);
    expiry_.async_wait([this](const boost::system::error_code& error) {
        if (error) return;
        answers_.expire_some(expired_at_once, wall_clock(), [this](std::optional<std::size_t>) { schedule_expiry(); });
    });
}

shared_store_numbers shared_store::numbers() const {
    std::string trouble = trouble_;
    const bool fails = !answers_.circuit().passes();
    if (fails && trouble.empty()) trouble = answers_.pool().last_error.empty() ? "calls to it fail" : answers_.pool().last_error;
    return {.in_use = membership_->is_entered(),
            .available = trouble.empty(),
            .trouble = trouble,
            .journal_rows = static_cast<std::uint64_t>(seen_.rows),
            .journal_bytes = static_cast<std::uint64_t>(seen_.bytes),
            .oldest = std::chrono::milliseconds(seen_.oldest_ms),
            .dead_letters = static_cast<std::uint64_t>(seen_.dead_letters),
            .pool = answers_.pool()};
}

}  // namespace weir
