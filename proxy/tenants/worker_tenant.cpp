#include "proxy/tenants/worker_tenant.hpp"

#include <algorithm>
#include <limits>

#include "proxy/limits/limit_clock.hpp"
#include "proxy/pubsub/subscription_hub.hpp"
#include "proxy/session.hpp"
#include "proxy/worker.hpp"

namespace weir {

namespace {

constexpr std::chrono::milliseconds answer_interval{1};
constexpr int answers_at_once = 100;
/// Seldom, and several at once: being woken costs those who wait for the worker more than the answers do.
constexpr std::chrono::milliseconds min_pause{20};

limit_counters counters_of(const tenant_account::terms& terms) {
    limit_counters counters;
    for (const auto& limit : terms.limits) counters.push_back(limit->counter);
    return counters;
}

/// A worker's part of what all of them may have together; at least one, or its clients would never be served.
std::int64_t part_of(const std::optional<std::size_t>& quota, std::size_t workers) {
    if (!quota) return std::numeric_limits<std::int64_t>::max();
    return static_cast<std::int64_t>(std::max<std::size_t>(*quota / workers, 1));
}

}  // namespace

worker_tenant::worker_tenant(worker& owner, std::shared_ptr<tenant_account> account)
    : worker_(owner), account_(std::move(account)), counters_(account_->counters(owner.number())) {
    take_terms();
}

worker_tenant::~worker_tenant() { settle_limits(); }

void worker_tenant::take_terms() {
    terms_ = account_->present();
    gate_ = limit_gate(terms_.whose->shared_rules(), counters_of(terms_));
    max_in_flight_ = part_of(terms_.whose->rules().quotas().max_in_flight, account_->workers());
}

void worker_tenant::refresh() {
    settle_limits();
    const auto before = terms_.whose;
    take_terms();
    changed_ = terms_.whose != before;
    answer(0);
}

subscription_hub& worker_tenant::hub() {
    if (hub_ == nullptr) hub_ = std::make_unique<subscription_hub>(worker_, *this);
    return *hub_;
}

void worker_tenant::tick() {
    if (hub_ != nullptr) hub_->tick();
}

bool worker_tenant::is_unused() const {
    return sessions_ == 0 && !gate_listed_ && (hub_ == nullptr || hub_->is_unused());
}

// ---- limits --------------------------------------------------------------------------------------------------------

bool worker_tenant::pass(const command_spec& command) {
    const bool passed = gate_.pass(command, [this] { return to_limit_time(worker_.loop().now()); });
    if (gate_.was_used() && !gate_listed_) {
        gate_listed_ = true;
        worker_.want_finish(*this);
    }
    return passed;
}

limit_refusal worker_tenant::refusal(const command_spec& command) const {
    return gate_.refusal(command, to_limit_time(worker_.loop().now()));
}

limit_counts& worker_tenant::limit_counts_of(std::size_t limit) const {
    return terms_.limits[limit]->counts[worker_.number()];
}

std::chrono::nanoseconds worker_tenant::pace() {
    if (!whose().is_nobody() && terms_.limits.empty()) return std::chrono::nanoseconds{0};
    const auto now = worker_.loop().now();
    answers_paid_until_ = std::max(answers_paid_until_, now) + answer_interval;
    const std::chrono::nanoseconds ahead = answers_paid_until_ - now - answers_at_once * answer_interval;
    return ahead.count() > 0 ? std::max<std::chrono::nanoseconds>(ahead, min_pause) : std::chrono::nanoseconds{0};
}

void worker_tenant::finish_turn() {
    gate_listed_ = false;
    settle_limits();
}

void worker_tenant::settle_limits() {
    gate_.finish_turn(to_limit_time(worker_.loop().now()));
    for (std::size_t i = 0; i < terms_.limits.size(); ++i) limit_counts_of(i).allowed.add(gate_.take_passed(i));
}

// ---- quotas --------------------------------------------------------------------------------------------------------

void worker_tenant::answer(std::size_t commands) {
    in_flight_ -= static_cast<std::int64_t>(commands);
    // Below zero for as long as a session that waited settles.
    for (std::int64_t room = max_in_flight_ - std::max<std::int64_t>(in_flight_, 0); room > 0 && !waiting_.empty(); --room) {
        session* const next = waiting_.front();
        waiting_.pop_front();
        next->on_room();
    }
}

void worker_tenant::stop_waiting(session& who) { std::erase(waiting_, &who); }

std::chrono::nanoseconds worker_tenant::charge_received(std::size_t bytes) {
    const auto& rate = whose().rules().quotas().received;
    return rate ? account_->received.charge(*rate, to_limit_time(worker_.loop().now()), bytes) : std::chrono::nanoseconds{0};
}

std::chrono::nanoseconds worker_tenant::received_debt() const {
    const auto& rate = whose().rules().quotas().received;
    return rate ? account_->received.debt(*rate, to_limit_time(worker_.loop().now())) : std::chrono::nanoseconds{0};
}

std::chrono::nanoseconds worker_tenant::charge_sent(std::size_t bytes) {
    const auto& rate = whose().rules().quotas().sent;
    return rate ? account_->sent.charge(*rate, to_limit_time(worker_.loop().now()), bytes) : std::chrono::nanoseconds{0};
}

}  // namespace weir
