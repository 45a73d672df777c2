#include "policy/global_share.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace weir {
namespace {

using namespace std::chrono_literals;
using std::memory_order_relaxed;

constexpr limit_time first_answer_time = 5ms;  ///< before there was one
constexpr limit_time shortest_answer_time = 1ms;
constexpr limit_time longest_answer_time = 100ms;
/// Whoever is told when to come again finds the units fetched by then. Only if that takes this many times as long as
/// usual may it make a debt: else all processes would, at the moment when there is one unit for all of them.
constexpr int patience = 4;
constexpr limit_time store_down_retry = 1s;  ///< as long as it takes to find Redis again, about

std::uint64_t capacity(const limit_rule& rule) {
    return rule.algorithm == limit_algorithm::gcra ? rule.burst : rule.count;
}

double seconds(limit_time time) {
    return std::chrono::duration<double>(time).count();
}

/// Units a second.
double rate(const limit_rule& rule) {
    return static_cast<double>(rule.count) / seconds(rule.period);
}

limit_time time_for(const limit_rule& rule, double units) {
    return limit_time(static_cast<limit_time::rep>(std::ceil(units / rate(rule) * 1e9)));
}

void raise_to(std::atomic<std::uint64_t>& highest, std::uint64_t value) {
    auto known = highest.load(memory_order_relaxed);
    while (known < value && !highest.compare_exchange_weak(known, value, memory_order_relaxed)) {
    }
}

}  // namespace

share_bounds share_bounds_of(const limit_rule& rule, std::uint64_t largest_cost) {
    const auto all = capacity(rule);
    const auto cost = std::min(largest_cost, all);
    return {.share = std::max({all / 10, cost, std::uint64_t{1}}),
            .debt = std::max({std::min(all, rule.count) / 20, cost, std::uint64_t{1}}),
            .look_again = std::clamp<limit_time>(rule.period / 40, 10ms, 250ms)};
}

std::uint64_t wanted_share(const share_bounds& bounds, const share_use& use, std::optional<limit_time> gone) {
    const auto at_most = [&](std::uint64_t units) { return std::min(std::max<std::uint64_t>(units, 1), bounds.share); };
    if (!gone) return std::min(std::max(use.refused, bounds.share / 4), bounds.share);
    if (use.used + use.refused == 0) return 0;
    const auto scale = seconds(bounds.look_again) / seconds(std::max(*gone, bounds.look_again / 4));
    const auto by_use = std::min(static_cast<double>(use.used) * scale, static_cast<double>(bounds.share));
    return at_most(std::max(use.refused, static_cast<std::uint64_t>(by_use)));
}

std::uint64_t global_share::pack(const dated_units& value) {
    return value.milliseconds << unit_bits | std::min(value.units, most_units);
}

global_share::dated_units global_share::unpack(std::uint64_t word) {
    return {word & most_units, word >> unit_bits};
}

global_share::global_share(const limit_rule& rule, std::uint64_t largest_cost, std::unique_ptr<limit_counter> alone,
                           std::shared_ptr<const std::atomic<bool>> store_away, std::function<void()> wanted)
    : need_(need::asked),  // whoever made this asks for the first share
      told_remaining_(capacity(rule)),
      answer_time_(first_answer_time.count()),
      alone_(std::move(alone)),
      store_away_(std::move(store_away)),
      wanted_(std::move(wanted)),
      rule_(rule),
      costliest_(largest_cost),
      credit_base_(std::min(share_bounds_of(rule, largest_cost).debt, most_units)) {
    credit_.store(pack({credit_base_, 0}));
}

// Of the workers

std::uint64_t global_share::take(const limit_rule& rule, limit_time now, std::uint64_t least, std::uint64_t most) {
    if (store_away_->load(memory_order_relaxed)) {
        return rule.on_store_down == limit_on_store_down::open ? alone_->take(rule, now, least, most) : 0;
    }
    if (least > std::min(capacity(rule), most_units)) return 0;
    if (const auto taken = take_granted(now, least, most); taken != 0) return taken;
    const bool passes = make_debt(now, least);
    if (!passes) note_refusal(least);
    signal(now, passes);
    return passes ? least : 0;
}

/// An eighth of a share at most, above `least`: others on this process want some too, and what a worker keeps for itself
/// cannot go back.
std::uint64_t global_share::take_granted(limit_time now, std::uint64_t least, std::uint64_t most) {
    auto word = share_.load(memory_order_relaxed);
    for (;;) {
        const auto [units, until] = unpack(word);
        if (units < least || now >= std::chrono::milliseconds(until)) return 0;
        const auto taken = std::min(most, std::max(least, units / 8));
        if (!share_.compare_exchange_weak(word, pack({units - taken, until}), memory_order_relaxed)) continue;
        if (units - taken <= low_.load(memory_order_relaxed)) signal(now, false);
        return taken;
    }
}

bool global_share::make_debt(limit_time now, std::uint64_t units) {
    auto word = credit_.load(memory_order_relaxed);
    for (;;) {
        const auto [left, from] = unpack(word);
        if (left < units || now < std::chrono::milliseconds(from)) return false;
        if (credit_.compare_exchange_weak(word, pack({left - units, from}), memory_order_relaxed)) break;
    }
    const auto told = told_remaining_.load(memory_order_relaxed);
    told_remaining_.store(told - std::min(told, units), memory_order_relaxed);
    return true;
}

void global_share::note_refusal(std::uint64_t units) {
    refused_.fetch_add(units, memory_order_relaxed);
    raise_to(refused_most_, units);
}

void global_share::signal(limit_time now, bool at_once) {
    if (at_once || now.count() >= ask_from_.load(memory_order_relaxed)) {
        if (need_.exchange(need::asked) != need::asked) wanted_();
        return;
    }
    auto nothing = need::none;
    need_.compare_exchange_strong(nothing, need::noted);
}

void global_share::give_back(const limit_rule& rule, limit_time taken, std::uint64_t units) {
    if (store_away_->load(memory_order_relaxed)) return alone_->give_back(rule, taken, units);
    const bool by_lease = rule.algorithm == limit_algorithm::gcra;
    auto word = share_.load(memory_order_relaxed);
    for (;;) {
        const auto [left, until_milliseconds] = unpack(word);
        const limit_time until = std::chrono::milliseconds(until_milliseconds);
        if (taken >= until || (!by_lease && taken < until - rule.period)) break;
        if (share_.compare_exchange_weak(word, pack({left + units, until_milliseconds}), memory_order_relaxed)) return;
    }
    // Those of a window that has ended are worth nothing in this one.
    if (!by_lease) return;
    word = credit_.load(memory_order_relaxed);
    for (;;) {
        const auto [left, from] = unpack(word);
        if (credit_.compare_exchange_weak(word, pack({left + units, from}), memory_order_relaxed)) return;
    }
}

std::uint64_t global_share::held(limit_time now) const {
    const auto [units, until] = unpack(share_.load(memory_order_relaxed));
    return now < std::chrono::milliseconds(until) ? units : 0;
}

/// Units that Redis could grant now, if what it told last was true and nobody took any since.
double global_share::predicted(const limit_rule& rule, limit_time now) const {
    const auto all = static_cast<double>(capacity(rule));
    const auto told = std::min(all, static_cast<double>(told_remaining_.load(memory_order_relaxed)));
    if (!told_.load(memory_order_relaxed)) return told;
    if (rule.algorithm == limit_algorithm::gcra) {
        const auto gone = std::max(limit_time{0}, now - limit_time(told_at_.load(memory_order_relaxed)));
        return std::min(all, told + seconds(gone) * rate(rule));
    }
    const auto since_end = now - limit_time(told_reset_.load(memory_order_relaxed));
    if (since_end < limit_time{0}) return told;
    if (rule.algorithm == limit_algorithm::fixed_window || since_end >= rule.period) return all;
    return all - (all - told) * (1 - seconds(since_end) / seconds(rule.period));
}

limit_time global_share::predicted_wait(const limit_rule& rule, limit_time now, std::uint64_t units) const {
    const auto retry = limit_time(told_retry_.load(memory_order_relaxed)) - now;
    if (told_retry_units_.load(memory_order_relaxed) == units && retry > limit_time{0}) return retry;
    const auto missing = static_cast<double>(units) - predicted(rule, now) - static_cast<double>(held(now));
    if (missing <= 0) return limit_time{0};
    if (rule.algorithm == limit_algorithm::gcra) return time_for(rule, missing);
    const auto window_end = limit_time(told_reset_.load(memory_order_relaxed)) - now;
    return window_end > limit_time{0} ? window_end : window_end + rule.period;
}

limit_standing global_share::standing(const limit_rule& rule, limit_time now) const {
    if (store_away_->load(memory_order_relaxed)) return alone_->standing(rule, now);
    const auto all = capacity(rule);
    const auto remaining = std::min(all, static_cast<std::uint64_t>(predicted(rule, now)) + held(now));
    if (remaining == all) return {remaining, limit_time{0}};
    if (rule.algorithm == limit_algorithm::gcra) {
        return {remaining, time_for(rule, static_cast<double>(all - remaining))};
    }
    const auto window_end = limit_time(told_reset_.load(memory_order_relaxed)) - now;
    return {remaining, window_end > limit_time{0} ? window_end : window_end + rule.period};
}

limit_refusal global_share::refusal(const limit_rule& rule, limit_time now, std::uint64_t least) const {
    if (store_away_->load(memory_order_relaxed)) {
        if (rule.on_store_down == limit_on_store_down::open) return alone_->refusal(rule, now, least);
        return {{0, store_down_retry}, store_down_retry, true, false};
    }
    limit_refusal why;
    why.standing = standing(rule, now);
    why.standing.remaining = std::min(why.standing.remaining, least - 1);
    if (least > std::min(capacity(rule), most_units)) return why;
    const auto wait = predicted_wait(rule, now, least);
    why.asked = wait == limit_time{0};
    why.retry_after = wait + limit_time(answer_time_.load(memory_order_relaxed));
    return why;
}

void global_share::change(const limit_rule& from, const limit_rule& to, limit_time now) {
    alone_->change(from, to, now);
    const std::scoped_lock lock(rule_mutex_);
    rule_ = to;
}

// Of the thread that exchanges

std::optional<share_request> global_share::next_request(limit_time now) {
    const auto was = need_.exchange(need::none);
    if (was != need::asked && now < due_) {
        if (was == need::noted) signal(limit_time::min(), false);
        return {};
    }
    due_ = limit_time::max();
    const auto rule = rule_now();
    const auto bounds = share_bounds_of(rule, costliest_);
    const auto refused = refused_.exchange(0, memory_order_relaxed);
    const auto least = refused_most_.exchange(0, memory_order_relaxed);
    costliest_ = std::max(costliest_, least);
    const auto debts = uncharged();
    const auto left = unpack(share_.load()).units;
    const auto used = (share_base_ > left ? share_base_ - left : 0) + static_cast<std::uint64_t>(std::max<std::int64_t>(debts, 0));
    if (told_ && used + refused + left == 0 && debts == 0 && was == need::none) return {};
    const auto gone = told_ ? std::optional(now - asked_at_) : std::nullopt;
    const auto target = wanted_share(bounds, {used, refused}, gone);
    share_request request{.rule = rule, .debt = bounds.debt};
    settle(target, now, request);
    request.least = least > request.kept ? least - request.kept : 0;
    request.most = std::max(request.least, target > request.kept ? target - request.kept : 0);
    asked_at_ = now;
    return request;
}

std::optional<share_request> global_share::last_request(limit_time now) {
    share_request request{.rule = rule_now()};
    request.debt = share_bounds_of(request.rule, costliest_).debt;
    settle(0, now, request);
    due_ = limit_time::max();
    if (request.charge == 0 && request.used == 0 && request.back == 0) return {};
    return request;
}

std::int64_t global_share::uncharged() const {
    return static_cast<std::int64_t>(credit_base_) - static_cast<std::int64_t>(unpack(credit_.load()).units);
}

/// Says what became of the units since the last request. `keep` of those that are left stay, at most.
void global_share::settle(std::uint64_t keep, limit_time now, share_request& request) {
    request.charge = uncharged();
    credit_base_ -= static_cast<std::uint64_t>(request.charge);
    request.batch = batch_;
    auto word = share_.load();
    for (;;) {
        const auto [units, until] = unpack(word);
        request.kept = now < std::chrono::milliseconds(until) ? std::min(units, keep) : 0;
        request.back = units - request.kept;
        request.used = share_base_ > units ? share_base_ - units : 0;
        if (share_.compare_exchange_weak(word, pack({request.kept, until}))) break;
    }
    share_base_ = request.kept;
}

void global_share::answered(const share_request& request, const share_answer& answer, limit_time sent, limit_time received) {
    const bool by_lease = request.rule.algorithm == limit_algorithm::gcra;
    batch_ = answer.batch;
    // From when the question left, not from when Redis answered it: the units end here before they do there.
    put_share(request, answer, sent + (by_lease ? limit_time(share_lease) : limit_time(answer.reset_after)));
    tell(request, answer, sent, received);
    const auto answer_time = limit_time(answer_time_.load());
    const auto debt_after = answer.debt_after.value_or(0us);
    put_credit(request.debt, debt_after > 0us ? received + debt_after + patience * answer_time : limit_time{0});
    plan(request, answer, received);
}

void global_share::put_share(const share_request& request, const share_answer& answer, limit_time until) {
    share_base_ = answer.granted + (answer.kept ? request.kept : 0);
    low_.store(share_base_ / 2);
    const auto milliseconds = static_cast<std::uint64_t>(std::chrono::floor<std::chrono::milliseconds>(until).count());
    auto word = share_.load();
    for (;;) {
        const auto left = answer.kept ? unpack(word).units : 0;
        if (share_.compare_exchange_weak(word, pack({left + answer.granted, milliseconds}))) return;
    }
}

/// What was borrowed while the question was under way stays borrowed.
void global_share::put_credit(std::uint64_t debt, limit_time from) {
    const auto milliseconds = static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::milliseconds>(from).count());
    auto word = credit_.load();
    for (;;) {
        const auto left = unpack(word).units;
        const auto borrowed = credit_base_ > left ? credit_base_ - left : 0;
        const auto units = debt > borrowed ? debt - borrowed : 0;
        if (!credit_.compare_exchange_weak(word, pack({units, milliseconds}))) continue;
        credit_base_ = units + borrowed;
        return;
    }
}

void global_share::tell(const share_request& request, const share_answer& answer, limit_time sent, limit_time received) {
    const auto retry = answer.retry_after.value_or(0us);
    told_remaining_ = answer.remaining;
    told_at_ = received.count();
    told_reset_ = (received + answer.reset_after).count();
    told_retry_ = (received + retry).count();
    told_retry_units_ = share_base_ + std::max<std::uint64_t>(request.least, 1);
    told_ = true;
    answer_time_ = std::clamp<limit_time>(2 * (received - sent), shortest_answer_time, longest_answer_time).count();
}

/// When to ask again: when Redis has something, if it had nothing; else when it is time to see what was not used.
void global_share::plan(const share_request& request, const share_answer& answer, limit_time received) {
    const bool nothing_there = answer.granted == 0 && request.most != 0;
    const auto wait = std::max<limit_time>(answer.retry_after.value_or(0us), shortest_answer_time);
    ask_from_ = nothing_there ? (received + wait).count() : 0;
    const auto look_again = share_bounds_of(request.rule, costliest_).look_again;
    due_ = share_base_ != 0 ? received + look_again : limit_time::max();
    if (nothing_there) due_ = std::min(due_, received + wait);
}

void global_share::failed(const share_request& request) {
    credit_base_ += static_cast<std::uint64_t>(request.charge);
    raise_to(refused_most_, request.least);
    share_.store(0);
    share_base_ = 0;
    batch_ = 0;
    need_ = need::asked;
}

limit_rule global_share::rule_now() const {
    const std::scoped_lock lock(rule_mutex_);
    return rule_;
}

}  // namespace weir
