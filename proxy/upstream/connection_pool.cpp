#include "proxy/upstream/connection_pool.hpp"

#include <algorithm>
#include <utility>

#include "protocol/errors.hpp"

namespace weir {

connection_pool::~connection_pool() {
    open_everywhere_ -= idle_.size() + lent_.size() + returned_.size();
}

void connection_pool::acquire(lane wanted, upstream_connection::waiter& who, pool_share* of) {
    environment_.counters.dedicated_waiting.add();
    waiting_.push_back({wanted, &who, of, environment_.loop.now() + environment_.options.pool.acquire_timeout});
}

upstream_connection* connection_pool::try_take(lane wanted, pool_share* of) {
    if (!waiting_.empty() || !shares_.allows(of)) return nullptr;
    sort_returned();
    auto idle = take_idle(wanted);
    return idle == nullptr ? nullptr : &lend(std::move(idle), of);
}

upstream_connection& connection_pool::lend(std::unique_ptr<upstream_connection> connection, pool_share* of) {
    shares_.take(of);
    lent_.push_back({std::move(connection), of});
    return *lent_.back().connection;
}

void connection_pool::cancel(upstream_connection::waiter& who) {
    const auto cancelled = std::erase_if(waiting_, [&](const request& r) { return r.who == &who; });
    environment_.counters.dedicated_waiting.sub(cancelled);
    // A connection that is being set up for it has nobody else to go to.
    for (std::size_t i = lent_.size(); i-- > 0;) {
        if (lent_[i].connection->forget(who)) release(*lent_[i].connection);
    }
}

upstream_connection& connection_pool::adopt(std::unique_ptr<upstream_connection> connection, pool_share* of) {
    ++open_everywhere_;
    return lend(std::move(connection), of);
}

void connection_pool::release(upstream_connection& connection) {
    const auto at = std::ranges::find_if(lent_, [&](const auto& one) { return one.connection.get() == &connection; });
    if (at == lent_.end()) return;
    connection.set_owner(nullptr);
    shares_.give_back(at->of);
    returned_.push_back(std::move(at->connection));
    lent_.erase(at);
}

void connection_pool::sort_returned() {
    for (auto& connection : std::exchange(returned_, {})) {
        if (connection->reusable()) {
            connection->pause_reading(false);
            idle_.push_back({std::move(connection), environment_.loop.now()});
            environment_.counters.dedicated_idle.set(idle_.size());
        } else {
            retire(std::move(connection));
        }
    }
}

void connection_pool::retire(std::unique_ptr<upstream_connection> connection) {
    --open_everywhere_;
    connection->abandon(errors::upstream_lost_unsent);
    retired_.push_back(std::move(connection));
}

std::unique_ptr<upstream_connection> connection_pool::take_idle(lane wanted) {
    // From the back: what was used last is least likely to have been closed by the server.
    for (std::size_t i = idle_.size(); i-- > 0;) {
        if (idle_[i].connection->set_to() != wanted || !idle_[i].connection->ready()) continue;
        auto found = std::move(idle_[i].connection);
        idle_.erase(idle_.begin() + static_cast<std::ptrdiff_t>(i));
        environment_.counters.dedicated_idle.set(idle_.size());
        return found;
    }
    return nullptr;
}

bool connection_pool::may_open() {
    if (open_everywhere_.fetch_add(1) < environment_.options.pool.max) return true;
    --open_everywhere_;
    if (idle_.empty()) return false;
    // One of ours sits idle on another lane: it makes room.
    retire(std::move(idle_.front().connection));
    idle_.erase(idle_.begin());
    environment_.counters.dedicated_idle.set(idle_.size());
    ++open_everywhere_;
    return true;
}

void connection_pool::open(const request& wanted) {
    upstream_connection& opened =
        lend(std::make_unique<upstream_connection>(environment_, wanted.wanted, false), wanted.of);
    opened.wait(*wanted.who);
    opened.connect();
}

void connection_pool::serve() {
    sort_returned();
    retired_.clear();
    // Whoever is told may come back for another one at once: only those waiting now are served.
    auto at = waiting_.begin();
    for (std::size_t count = waiting_.size(); count > 0 && at != waiting_.end(); --count) {
        if (!shares_.allows(at->of)) {
            ++at;
            continue;
        }
        auto idle = take_idle(at->wanted);
        if (idle == nullptr && !may_open()) return;
        const request next = *at;
        at = waiting_.erase(at);
        environment_.counters.dedicated_waiting.sub();
        if (idle == nullptr) {
            open(next);
        } else {
            next.who->on_connected(lend(std::move(idle), next.of));
        }
    }
}

void connection_pool::tick() {
    const auto now = environment_.loop.now();
    while (!waiting_.empty() && now >= waiting_.front().deadline) {
        upstream_connection::waiter* const who = waiting_.front().who;
        waiting_.pop_front();
        environment_.counters.dedicated_waiting.sub();
        who->on_acquire_timeout();
    }
    for (std::size_t i = 0; i < lent_.size(); ++i) lent_[i].connection->tick();
    const auto lifetime = environment_.options.pool.idle_timeout;
    std::erase_if(idle_, [&](idle_connection& kept) {
        const bool expired = lifetime.count() > 0 && now - kept.since >= lifetime &&
                             idle_.size() > environment_.options.pool.min;
        if (!expired && kept.connection->ready()) return false;
        retire(std::move(kept.connection));
        return true;
    });
    environment_.counters.dedicated_idle.set(idle_.size());
}

}  // namespace weir
