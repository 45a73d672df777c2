#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "policy/global_share.hpp"
#include "tests/support/limit_script_model.hpp"

namespace weir {

/// Counts alone what it is asked; stands in for make_local_counter().
class counted_alone final : public limit_counter {
public:
    std::uint64_t take(const limit_rule&, limit_time, std::uint64_t least, std::uint64_t) override { return taken += least, least; }
    void give_back(const limit_rule&, limit_time, std::uint64_t units) override { taken -= units; }
    limit_refusal refusal(const limit_rule&, limit_time, std::uint64_t) const override { return {}; }
    limit_standing standing(const limit_rule&, limit_time) const override { return {taken, limit_time{0}}; }
    void change(const limit_rule&, const limit_rule& to, limit_time) override { rule = to; }

    std::uint64_t taken = 0;
    limit_rule rule;
};

/// Processes that share a limit, a Redis, and the network between them, on one manual clock in microseconds. Each process
/// has a clock of its own, which began elsewhere and runs as fast.
class share_simulation {
public:
    using microseconds = std::int64_t;

    struct network {
        microseconds least_delay = 50;
        microseconds most_delay = 3'000;
        double lost_question = 0;
        double lost_answer = 0;
        microseconds timeout = 500'000;
    };
    struct use {
        microseconds at = 0;
        std::uint64_t units = 0;
    };

    share_simulation(limit_rule rule, std::size_t processes, std::uint64_t largest_cost, network between, unsigned seed)
        : rule_(rule), between_(between), largest_cost_(largest_cost), generator_(seed) {
        for (std::size_t i = 0; i < processes; ++i) start();
    }

    /// One more process; it asks Redis at once, but its answer is not there yet.
    std::size_t start() {
        const std::size_t number = processes_.size();
        auto& made = *processes_.emplace_back(std::make_unique<process>());
        made.clock_ahead = std::uniform_int_distribution<microseconds>(0, 1'000'000'000)(generator_);
        made.share = std::make_unique<global_share>(rule_, largest_cost_, std::make_unique<counted_alone>(), away_,
                                                    [this, number] { at(now_, [this, number] { exchange(number); }); });
        at(now_, [this, number] { exchange(number); });
        return number;
    }

    void at(microseconds when, std::function<void()> what) { events_.emplace(when, std::move(what)); }

    void run_until(microseconds end) {
        while (!events_.empty() && events_.begin()->first <= end) {
            const auto event = events_.extract(events_.begin());
            now_ = event.key();
            event.mapped()();
        }
        now_ = end;
    }

    /// A call of `cost` units at process `number`, as a session does it: whether it passed.
    bool call(std::size_t number, std::uint64_t cost = 1) {
        process& here = *processes_[number];
        const bool passes = here.share->take(rule_, local(here), cost, cost) == cost;
        if (passes) uses_.push_back({now_, cost});
        return passes;
    }

    [[nodiscard]] global_share& share(std::size_t number) { return *processes_[number]->share; }
    [[nodiscard]] limit_time local(std::size_t number) const { return local(*processes_[number]); }
    [[nodiscard]] const std::vector<use>& uses() const { return uses_; }
    [[nodiscard]] std::uint64_t used() const {
        std::uint64_t sum = 0;
        for (const use& one : uses_) sum += one.units;
        return sum;
    }
    [[nodiscard]] microseconds now() const { return now_; }
    [[nodiscard]] std::uint64_t exchanges() const { return exchanges_; }
    [[nodiscard]] std::mt19937& generator() { return generator_; }
    [[nodiscard]] limit_script_model& redis() { return redis_; }

    /// By how many units the uses went over what the strict count allows.
    [[nodiscard]] double excess() const {
        switch (rule_.algorithm) {
            case limit_algorithm::gcra: return bucket_excess();
            case limit_algorithm::sliding_window: return window_excess(true);
            case limit_algorithm::fixed_window: return window_excess(false);
        }
        return 0;
    }

private:
    struct process {
        std::unique_ptr<global_share> share;
        microseconds clock_ahead = 0;
        bool exchanging = false;
        bool again = false;
    };

    [[nodiscard]] limit_time local(const process& here) const { return std::chrono::microseconds(now_ + here.clock_ahead); }

    bool happens(double likely) { return std::uniform_real_distribution<>(0, 1)(generator_) < likely; }
    microseconds delay() {
        // Mostly short, sometimes very long.
        const auto most = happens(0.05) ? 20 * between_.most_delay : between_.most_delay;
        return std::uniform_int_distribution<microseconds>(between_.least_delay, most)(generator_);
    }

    void exchange(std::size_t number) {
        process& here = *processes_[number];
        here.again = here.exchanging;
        if (here.exchanging) return;
        const auto request = here.share->next_request(local(here));
        if (!request) return watch_due(number);
        ++exchanges_;
        here.exchanging = true;
        const microseconds sent = now_;
        const microseconds arrives = now_ + delay();
        const bool heard = !happens(between_.lost_question);
        if (!heard || happens(between_.lost_answer)) {
            if (heard) at(arrives, [this, request] { (void)redis_.call(*request, now_); });
            return at(now_ + between_.timeout, [this, number, request] {
                processes_[number]->share->failed(*request);
                finish(number, true);
            });
        }
        at(arrives, [this, number, request, sent] {
            const auto answer = redis_.call(*request, now_);
            at(now_ + delay(), [this, number, request, answer, sent] {
                const process& asker = *processes_[number];
                const auto ahead = std::chrono::microseconds(asker.clock_ahead);
                asker.share->answered(*request, answer, std::chrono::microseconds(sent) + ahead, local(asker));
                finish(number, false);
            });
        });
    }

    void finish(std::size_t number, bool failed) {
        process& here = *processes_[number];
        here.exchanging = false;
        if (failed || here.again) return exchange(number);
        watch_due(number);
    }

    void watch_due(std::size_t number) {
        const process& here = *processes_[number];
        if (here.share->due() == limit_time::max()) return;
        const auto due = std::chrono::ceil<std::chrono::microseconds>(here.share->due()).count() - here.clock_ahead;
        at(std::max(due, now_), [this, number] { exchange(number); });
    }

    [[nodiscard]] double bucket_excess() const {
        const double rate = static_cast<double>(rule_.count) / (static_cast<double>(rule_.period.count()) / 1000);
        double backlog = 0, worst = 0;
        microseconds last = 0;
        for (const use& one : uses_) {
            backlog = std::max(0.0, backlog - static_cast<double>(one.at - last) * rate) + static_cast<double>(one.units);
            last = one.at;
            worst = std::max(worst, backlog - static_cast<double>(rule_.burst));
        }
        return worst;
    }

    [[nodiscard]] double window_excess(bool sliding) const {
        const microseconds period = rule_.period.count() / 1000;
        std::map<microseconds, std::uint64_t> windows;
        double worst = 0;
        for (const use& one : uses_) {
            const auto index = one.at / period;
            const auto before = windows.find(index - 1);
            const auto left = static_cast<double>(period - one.at % period) / static_cast<double>(period);
            const double weight = sliding && before != windows.end() ? std::floor(static_cast<double>(before->second) * left) : 0;
            windows[index] += one.units;
            worst = std::max(worst, static_cast<double>(windows[index]) + weight - static_cast<double>(rule_.count));
        }
        return worst;
    }

    limit_rule rule_;
    network between_;
    std::uint64_t largest_cost_;
    std::mt19937 generator_;
    std::shared_ptr<const std::atomic<bool>> away_ = std::make_shared<std::atomic<bool>>(false);
    std::vector<std::unique_ptr<process>> processes_;
    std::multimap<microseconds, std::function<void()>> events_;
    limit_script_model redis_;
    std::vector<use> uses_;
    std::uint64_t exchanges_ = 0;
    microseconds now_ = 1'700'000'000'000'000;
};

}  // namespace weir
