#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "policy/limit_counter.hpp"

namespace weir::test {

/// What a counter has to do, written down as plainly as it can be: no words of bits, no atomics, integers that nothing
/// overflows, and loops where a counter has a formula. One thread.
class limit_model {
public:
    __extension__ typedef __int128 number;

    explicit limit_model(const limit_rule& rule) : rule_(rule), period_(rule.period.count()) {}
    virtual ~limit_model() = default;

    std::uint64_t take(std::int64_t now, std::uint64_t least, std::uint64_t most) {
        see(now);
        const std::uint64_t taken = std::min(most, remaining(now));
        if (taken < least) return 0;
        if (taken > 0) {
            latest_ = std::max(latest_, now);
            book(latest_, taken);
        }
        return taken;
    }
    virtual void give_back(std::int64_t taken, std::uint64_t units) = 0;
    [[nodiscard]] std::uint64_t remaining(std::int64_t now) const { return free_at(stand_still(now)); }
    /// The first nanosecond from `now` on at which the units would pass, minus `now`.
    [[nodiscard]] std::optional<std::int64_t> retry_after(std::int64_t now, std::uint64_t units) const {
        if (units > capacity()) return std::nullopt;
        if (remaining(now) >= units) return 0;
        // What is free only grows while nobody takes.
        std::int64_t refused = now;
        auto passes = static_cast<std::int64_t>(all_free_at(stand_still(now)));
        while (passes - refused > 1) {
            const std::int64_t middle = refused + (passes - refused) / 2;
            (remaining(middle) >= units ? passes : refused) = middle;
        }
        return passes - now;
    }
    [[nodiscard]] virtual std::int64_t reset_after(std::int64_t now) const = 0;
    [[nodiscard]] virtual std::uint64_t capacity() const { return rule_.count; }

protected:
    virtual void see(std::int64_t) {}
    virtual void book(number at, std::uint64_t units) = 0;
    [[nodiscard]] virtual std::uint64_t free_at(number at) const = 0;
    [[nodiscard]] virtual number stand_still(std::int64_t now) const { return std::max(latest_, now); }
    /// When all is free if nobody takes any from now on; or later.
    [[nodiscard]] virtual number all_free_at(number now) const = 0;

    const limit_rule rule_;
    const number period_;
    std::int64_t latest_ = 0;  ///< when units were taken last
};

/// A bucket that leaks: a unit is a period's L-th part of a nanosecond's time, rounded up.
class bucket_model : public limit_model {
public:
    explicit bucket_model(const limit_rule& rule) : limit_model(rule), unit_((period_ + rule.count - 1) / rule.count) {}

    void give_back(std::int64_t, std::uint64_t units) override { full_ -= units * unit_; }
    [[nodiscard]] std::int64_t reset_after(std::int64_t now) const override {
        const number at = stand_still(now);
        return level(at) > 0 ? static_cast<std::int64_t>(at + level(at) - now) : 0;
    }
    [[nodiscard]] std::uint64_t capacity() const override { return rule_.burst; }

private:
    void book(number at, std::uint64_t units) override {
        full_ = level(at) + unit_ * units;
        since_ = at;
    }
    [[nodiscard]] number level(number at) const { return std::max<number>(full_ - (at - since_), 0); }
    [[nodiscard]] std::uint64_t free_at(number at) const override {
        return static_cast<std::uint64_t>((unit_ * rule_.burst - level(at)) / unit_);
    }
    [[nodiscard]] number all_free_at(number now) const override { return now + level(now); }

    const number unit_;
    number full_ = 0;   ///< nanoseconds, at `since_`
    number since_ = 0;
};

/// All windows that ever were.
class window_model : public limit_model {
public:
    using limit_model::limit_model;

    void give_back(std::int64_t taken, std::uint64_t units) override {
        see(taken);
        const number at = stand_still(taken);
        if (at / period_ != taken / period_) return;
        auto& booked = units_[static_cast<std::uint64_t>(at / period_)];
        booked -= std::min(booked, units);
    }
    [[nodiscard]] std::int64_t reset_after(std::int64_t now) const override {
        return static_cast<std::int64_t>((stand_still(now) / period_ + 1) * period_ - now);
    }

protected:
    [[nodiscard]] std::uint64_t units(number window) const {
        const auto found = units_.find(static_cast<std::uint64_t>(window));
        return found == units_.end() ? 0 : found->second;
    }

private:
    /// A window that was asked for has begun, whatever the next caller's clock says.
    void see(std::int64_t now) override { seen_ = std::max(seen_, now / period_ * period_); }
    [[nodiscard]] number stand_still(std::int64_t now) const override {
        return std::max(limit_model::stand_still(now), seen_);
    }
    void book(number at, std::uint64_t units) override {
        units_[static_cast<std::uint64_t>(std::max(at, seen_) / period_)] += units;
        latest_ = static_cast<std::int64_t>(std::max(at, seen_));
    }
    [[nodiscard]] std::uint64_t free_at(number at) const override {
        const number used = units(at / period_) + weight(at);
        return used < rule_.count ? static_cast<std::uint64_t>(rule_.count - used) : 0;
    }
    /// How many units of the previous window count: none, for fixed windows.
    [[nodiscard]] virtual number weight(number) const { return 0; }
    [[nodiscard]] number all_free_at(number now) const override { return (now / period_ + 2) * period_; }

    std::map<std::uint64_t, std::uint64_t> units_;
    number seen_ = 0;
};

/// Of the previous window's units those count that came less than a period ago, if they came evenly; rounded down.
class sliding_model : public window_model {
public:
    using window_model::window_model;

private:
    [[nodiscard]] number weight(number at) const override {
        const number before = at / period_ == 0 ? 0 : units(at / period_ - 1);
        const number over = before * (at % period_);
        return before - (over + period_ - 1) / period_;
    }
};

inline std::unique_ptr<limit_model> make_limit_model(const limit_rule& rule) {
    switch (rule.algorithm) {
        case limit_algorithm::gcra:
            return std::make_unique<bucket_model>(rule);
        case limit_algorithm::sliding_window:
            return std::make_unique<sliding_model>(rule);
        case limit_algorithm::fixed_window:
            break;
    }
    return std::make_unique<window_model>(rule);
}

}  // namespace weir::test
