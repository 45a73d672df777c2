// What a session's tenant may have: limits, which count commands, and quotas, which bound what its clients have together.

#include <algorithm>

#include "protocol/errors.hpp"
#include "proxy/emulated_command.hpp"
#include "proxy/pubsub/session_subscriptions.hpp"
#include "proxy/request_stream.hpp"
#include "proxy/session.hpp"
#include "proxy/tenants/worker_tenant.hpp"
#include "proxy/tracking.hpp"
#include "proxy/transaction.hpp"
#include "proxy/worker.hpp"

namespace weir {

namespace {

/// A delayed client is not woken for less: the loop's time is not finer.
constexpr std::chrono::milliseconds min_rest{1};
/// Redis was asked for more of a global limit: that is no reason to refuse, until it is away (global_limits_timing).
constexpr std::chrono::milliseconds max_answer_time{500};

std::string over_limit(const tenant& whose, const tenant_limit& limit, const limit_refusal& refusal) {
    errors::limit_facts facts;
    facts.limit = limit.name();
    facts.tenant = whose.name();
    facts.rate = limit.rate_text();
    facts.count = limit.rule().count;
    facts.remaining = refusal.standing.remaining;
    facts.reset_after = std::chrono::ceil<std::chrono::milliseconds>(refusal.standing.reset_after);
    if (refusal.retry_after) facts.retry_after = std::chrono::ceil<std::chrono::milliseconds>(*refusal.retry_after);
    facts.store_down = refusal.store_down;
    return errors::over_limit(facts);
}

}  // namespace

// ---- limits --------------------------------------------------------------------------------------------------------

session::passage session::pass_limits(const command_spec& command, std::string& error) {
    if (paid_ > 0 || tenant_->pass(command)) {
        paid_ = std::max<std::uint32_t>(paid_, 1);
        if (extras_) extras_->delayed_since.reset();
        return passage::free;
    }
    const tenant_limit& limit = tenant_->obstacle();
    const limit_refusal refusal = tenant_->refusal(command);
    if (may_wait(limit, refusal)) {
        rest_for(std::max<std::chrono::nanoseconds>(*refusal.retry_after, min_rest));
        return passage::later;
    }
    if (extras_) extras_->delayed_since.reset();
    tenant_->count_refused();
    error = over_limit(whose(), limit, refusal);
    return passage::never;
}

/// The time that it has waited already counts. A round trip is waited for in any case: Redis may well have the units.
bool session::may_wait(const tenant_limit& limit, const limit_refusal& refusal) {
    constexpr std::chrono::milliseconds none{0};
    const auto most = std::max(limit.delays() ? limit.max_delay() : none, refusal.asked ? max_answer_time : none);
    if (most == none || !refusal.retry_after) return false;
    const auto now = worker_.loop().now();
    const bool waits_already = extras_ && extras_->delayed_since;
    const auto since = waits_already ? *extras_->delayed_since : now;
    if (now - since + *refusal.retry_after > most) return false;
    if (!waits_already) {
        more().delayed_since = now;
        if (limit.delays()) tenant_->count_delayed();
    }
    return true;
}

// ---- quotas --------------------------------------------------------------------------------------------------------

/// What is wrong with a request of so many arguments and, as far as is known, bytes.
std::string session::quota_fault(std::size_t arguments, std::size_t bytes) const {
    const quota_options& quotas = whose().rules().quotas();
    if (quotas.max_arguments && arguments > *quotas.max_arguments) return errors::too_many_arguments(*quotas.max_arguments);
    if (quotas.max_request_bytes && bytes > *quotas.max_request_bytes) return errors::request_too_long(*quotas.max_request_bytes);
    return {};
}

void session::count_in_flight() {
    ++in_flight_;
    tenant_->send(1);
}

void session::count_received(std::size_t bytes) {
    counters()->received_bytes.add(bytes);
    if (const auto pause = tenant_->charge_received(bytes); pause > min_rest) {
        counters()->quota_pauses.add();
        rest_for(pause);
    }
}

/// What was asked for is sent; the client is not asked for more.
void session::count_sent(std::size_t bytes) {
    counters()->sent_bytes.add(bytes);
    if (const auto pause = tenant_->charge_sent(bytes); pause > min_rest) {
        counters()->quota_pauses.add();
        rest_for(pause);
    }
}

void session::pace() {
    if (const auto pause = tenant_->pace(); pause.count() > 0) rest_for(pause);
}

/// Of two rests the longer one holds.
void session::rest_for(std::chrono::nanoseconds time) {
    if (closed_) return;
    const auto until = worker_.loop().now() + std::chrono::ceil<event_loop::clock::duration>(time);
    if (resting_ && rest_->first >= until) return;
    if (resting_) worker_.forget_rest(rest_);
    resting_ = true;
    rest_ = worker_.rest(*this, until);
}

void session::on_rested() {
    resting_ = false;
    request_resume();
}

/// Only while all that the tenant may have is in flight; then somebody's reply wakes it.
void session::wait_for_room() {
    set_interest(interest_ & ~readable);
    if (std::exchange(wants_room_, true)) return;
    counters()->quota_pauses.add();
    tenant_->wait_for_room(*this);
}

void session::on_room() {
    wants_room_ = false;
    request_resume();
}

// ---- another configuration -----------------------------------------------------------------------------------------

void session::on_tenant_changed() {
    if (closed_) return;
    const int database = extras_ ? extras_->client.database : worker_.settings().upstream.database;
    // It belongs to a tenant that is no more, or sees a database that it may not see any more.
    if (tenant_->account().has_ended() || !whose().may_select(database)) return close();
    // What is queued was permitted when it was queued.
    if (in_transaction() && tenant_->has_changed()) extras_->multi->poisoned = true;
}

}  // namespace weir
