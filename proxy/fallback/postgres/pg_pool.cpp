#include "proxy/fallback/postgres/pg_pool.hpp"

#include <algorithm>
#include <utility>

#include "policy/reconnect_delay.hpp"
#include "proxy/logging.hpp"

namespace weir::pg {

breaker_options pool_options::default_breaker() {
    breaker_options made;
    made.consecutive_failures = 3;
    made.open_for = std::chrono::milliseconds{1'000};
    made.max_open_for = std::chrono::milliseconds{10'000};
    made.successes_to_close = 1;
    made.probe_interval = std::chrono::milliseconds{250};
    return made;
}

void lease::give_back() {
    if (held_ && from_) from_->take_back(std::move(held_));
    held_.reset();
    from_.reset();
}

pool::pool(const boost::asio::any_io_executor& executor, target where, const pool_options& options, set_up prepare)
    : where_(std::move(where)),
      options_(options),
      prepare_(std::move(prepare)),
      executor_(executor),
      retry_(executor),
      timeouts_(executor),
      ticker_(executor),
      breaker_(options.breaker) {}

void pool::start() {
    open_wanted();
    tick();
}

void pool::close() {
    closed_ = true;
    retry_.cancel();
    timeouts_.cancel();
    ticker_.cancel();
    fail_waiters({error::kind::busy, {}, "the pool is closed"});
    idle_.clear();
    for (const auto& each : std::exchange(opening_, {})) each->close();
    for (const auto& each : std::exchange(all_, {})) each->close();
}

// ---- giving out ----------------------------------------------------------------------------------------------------

lease pool::try_acquire() {
    if (!breaker_.passes() || !waiters_.empty() || idle_.empty()) return {};
    auto held = std::move(idle_.back().held);
    idle_.pop_back();
    ++totals_.acquired_total;
    return {shared_from_this(), std::move(held)};
}

void pool::acquire(acquired done) {
    if (closed_ || !breaker_.passes()) return done({}, unavailable());
    waiters_.push_back({std::move(done), clock::now()});
    serve();
    open_wanted();
    await_timeouts();
}

void pool::take_back(std::shared_ptr<connection> held) {
    if (closed_ || !held->is_open()) return;
    // Its user went away in the middle of something that nobody else may see.
    if (!held->is_idle()) return held->close();
    idle_.push_back({std::move(held), clock::now()});
    serve();
}

void pool::serve() {
    while (!waiters_.empty() && !idle_.empty() && breaker_.passes()) {
        waiter next = std::move(waiters_.front());
        waiters_.pop_front();
        auto held = std::move(idle_.back().held);
        idle_.pop_back();
        count_wait(next.since);
        next.done({shared_from_this(), std::move(held)}, std::nullopt);
    }
}

void pool::count_wait(clock::time_point since) {
    ++totals_.acquired_total;
    totals_.acquire_time_total += std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - since);
}

void pool::await_timeouts() {
    if (awaits_timeouts_ || waiters_.empty() || closed_) return;
    awaits_timeouts_ = true;
    timeouts_.expires_at(waiters_.front().since + options_.acquire_timeout);
    timeouts_.async_wait([weak = weak_from_this()](const boost::system::error_code& fault) {
        const auto self = weak.lock();
        if (fault || !self) return;
        self->awaits_timeouts_ = false;
        const auto over = clock::now() - self->options_.acquire_timeout;
        while (!self->waiters_.empty() && self->waiters_.front().since <= over) {
            waiter late = std::move(self->waiters_.front());
            self->waiters_.pop_front();
            ++self->totals_.acquire_timeouts_total;
            late.done({}, self->unavailable());
        }
        self->await_timeouts();
    });
}

void pool::fail_waiters(const error& why) {
    for (auto failed = std::exchange(waiters_, {}); waiter& each : failed) each.done({}, why);
}

error pool::unavailable() const {
    if (closed_) return {error::kind::busy, {}, "the pool is closed"};
    if (!totals_.last_error.empty()) return {error::kind::connect, {}, totals_.last_error};
    if (!breaker_.passes()) return {error::kind::busy, {}, "its breaker is open"};
    return {error::kind::busy, {}, "no connection became free within the time-out"};
}

// ---- opening -------------------------------------------------------------------------------------------------------

void pool::open_wanted() {
    if (delayed_ || !breaker_.passes()) return;
    while (!closed_ && all_.size() + opening_.size() < options_.max &&
           (all_.size() + opening_.size() < options_.min || waiters_.size() > opening_.size())) {
        open_one();
    }
}

void pool::open_one() {
    auto made = std::make_shared<connection>(executor_, options_.connection);
    opening_.insert(made);
    made->open(where_, [weak = weak_from_this(), made](std::optional<error> failed) {
        const auto self = weak.lock();
        if (!self || self->closed_) return made->close();
        if (failed) return self->opened(made, std::move(failed));
        self->prepare_(made, [weak, made](std::optional<error> fault) {
            if (const auto alive = weak.lock()) return alive->opened(made, std::move(fault));
            made->close();
        });
    });
}

void pool::opened(const std::shared_ptr<connection>& made, std::optional<error> failed) {
    opening_.erase(made);
    if (closed_) return made->close();
    if (!failed && !made->is_open()) failed = error{error::kind::connect, {}, "the connection broke while it was set up"};
    note(failed);
    if (failed) {
        made->close();
        ++failures_;
        ++totals_.failed_to_open_total;
        breaker_.probe(false, clock::now());
        report(error{error::kind::connect, {}, failed->text});
        if (!delayed_) {
            delayed_ = true;
            retry_.expires_after(reconnect_delay(failures_, std::uniform_real_distribution<>()(random_)));
            retry_.async_wait([weak = weak_from_this()](const boost::system::error_code& fault) {
                const auto self = weak.lock();
                if (fault || !self) return;
                self->delayed_ = false;
                self->open_wanted();
            });
        }
        return;
    }
    failures_ = 0;
    ++totals_.opened_total;
    made->on_close([weak = weak_from_this(), gone = made.get()](const error&) {
        if (const auto self = weak.lock()) self->forget(gone);
    });
    all_.insert(made);
    idle_.push_back({made, clock::now()});
    // It has been set up, so the server serves: nobody else would have to try it first.
    if (!breaker_.passes()) breaker_.reset(clock::now(), "a new connection");
    serve();
    open_wanted();
}

/// What was under way has failed before, and has been reported by whoever ran it.
void pool::forget(const connection* gone) {
    std::erase_if(idle_, [gone](const idle_connection& each) { return each.held.get() == gone; });
    std::erase_if(all_, [gone](const auto& each) { return each.get() == gone; });
    open_wanted();
}

/// State changes are told once, not each attempt.
void pool::note(const std::optional<error>& failed) {
    if (failed && totals_.last_error != failed->text) {
        log_warning("postgres unavailable", {{"database", where_.shown()}, {"code", failed->sqlstate}, {"error", failed->text}});
    } else if (!failed && !totals_.last_error.empty()) {
        log_info("postgres available", {{"database", where_.shown()}});
    }
    totals_.last_error = failed ? failed->text : std::string();
}

// ---- the breaker ---------------------------------------------------------------------------------------------------

void pool::report(const std::optional<error>& failed) {
    const auto now = clock::now();
    if (!failed || failed->what == error::kind::statement) return breaker_.succeed(1, 0, now);
    if (failed->what == error::kind::busy) return;
    const auto kind = failed->what == error::kind::connect   ? breaker_failure::connect
                      : failed->what == error::kind::timeout ? breaker_failure::timeout
                                                             : breaker_failure::lost;
    breaker_.fail(kind, now);
    if (!breaker_.passes()) fail_waiters(unavailable());
}

/// Looks after what nothing else wakes us for: an open breaker, and connections that nobody uses.
void pool::tick() {
    if (closed_) return;
    if (!breaker_.passes()) probe();
    const auto old = clock::now() - options_.idle_timeout;
    while (options_.idle_timeout.count() > 0 && all_.size() > options_.min && !idle_.empty() && idle_.front().since < old) {
        const auto surplus = idle_.front().held;
        surplus->close();
    }
    ticker_.expires_after(breaker_.probe_interval());
    ticker_.async_wait([weak = weak_from_this()](const boost::system::error_code& fault) {
        if (const auto self = weak.lock(); !fault && self) self->tick();
    });
}

void pool::probe() {
    if (probing_ || !opening_.empty()) return;
    if (idle_.empty()) {
        if (all_.size() < options_.max && !delayed_) open_one();
        return;
    }
    probing_ = true;
    auto held = std::make_shared<lease>(shared_from_this(), std::move(idle_.back().held));
    idle_.pop_back();
    batch question;
    question.add_sql("select 1");
    (*held)->run(question, [this, held](const outcome& got) {
        probing_ = false;
        breaker_.probe(!got.failed, clock::now());
        if (!got.failed) open_wanted();
    });
}

pool_numbers pool::numbers() const {
    pool_numbers now = totals_;
    now.size = all_.size();
    now.available = idle_.size();
    now.opening = opening_.size();
    now.pending = waiters_.size();
    return now;
}

}  // namespace weir::pg
