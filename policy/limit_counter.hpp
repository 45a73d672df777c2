#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "policy/tenant_terms.hpp"

namespace weir {

/// Nanoseconds since an epoch that never jumps back by itself: all callers of one process use the same. (The unix
/// epoch as it was known when the process began, so that windows of an hour begin at full hours.)
using limit_time = std::chrono::nanoseconds;

/// What counting a limit's calls needs of it. Units are what a call costs: 1, unless the limit says otherwise.
struct limit_rule {
    limit_algorithm algorithm = limit_algorithm::gcra;
    limit_scope scope = limit_scope::local;
    limit_on_store_down on_store_down = limit_on_store_down::open;
    std::uint64_t count = 0;             ///< L; 1 or more, a unit a microsecond at most
    std::chrono::nanoseconds period{0};  ///< W; 1 ms to 365 days
    std::uint64_t burst = 0;             ///< gcra: units that may come at once, 1 or more; else L
    bool operator==(const limit_rule&) const = default;
};
[[nodiscard]] limit_rule make_limit_rule(const limit_options& options);

/// What is left of a limit at a moment.
struct limit_standing {
    std::uint64_t remaining = 0;          ///< units that would pass now
    limit_time reset_after{0};            ///< until all of it is there again (windows: until the window's end)
};

/// Why units did not pass.
struct limit_refusal {
    limit_standing standing;
    /// Until they would pass if nobody took any meanwhile; none: never, as they are more than there can be.
    std::optional<limit_time> retry_after;
    bool store_down = false;  ///< the limit is global, Redis is away, and on_store_down is closed
    /// The limit is global, and Redis was only just asked for units: it may well have them, and answers by retry_after.
    bool asked = false;
};

/// Counts the calls of one limit of one tenant. All workers share it; nothing here waits or locks. The rule is an
/// argument of every call, as it changes when the configuration is loaded anew and what was counted stays. A worker
/// that has not heard of a change yet may still name the rule before it.
class limit_counter {
public:
    virtual ~limit_counter() = default;

    /// Takes `most` units, or fewer but at least `least`, or none: how many it took. Time may go back between calls;
    /// then it is taken to stand still.
    [[nodiscard]] virtual std::uint64_t take(const limit_rule& rule, limit_time now, std::uint64_t least,
                                             std::uint64_t most) = 0;
    /// Units that were taken and not used. `taken` is when they were taken: windows do not count them out of another
    /// than they were counted in. With a later moment, or when others took meanwhile, as many units more than the
    /// limit may pass as were held in this way at once.
    virtual void give_back(const limit_rule& rule, limit_time taken, std::uint64_t units) = 0;
    /// Why take(least, …) took nothing.
    [[nodiscard]] virtual limit_refusal refusal(const limit_rule& rule, limit_time now, std::uint64_t least) const = 0;
    [[nodiscard]] virtual limit_standing standing(const limit_rule& rule, limit_time now) const = 0;
    /// The rule is another from now on, of the same algorithm and scope: as much of it is used as was of the first, in
    /// units, if it has as many. Others may take meanwhile, by either rule; but one thread at a time changes it.
    virtual void change(const limit_rule& from, const limit_rule& to, limit_time now) = 0;
    /// Nothing of it is used, so that it may be forgotten.
    [[nodiscard]] bool is_idle(const limit_rule& rule, limit_time now) const {
        return standing(rule, now).remaining >= (rule.algorithm == limit_algorithm::gcra ? rule.burst : rule.count);
    }
};

/// Counts in this process alone, by the rule that the last change() said, whichever the callers name.
[[nodiscard]] std::unique_ptr<limit_counter> make_local_counter(const limit_rule& rule);

}  // namespace weir
