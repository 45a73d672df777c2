#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "policy/limit_counter.hpp"
#include "policy/limit_script.hpp"

namespace weir {

/// How much of a global limit one process may have for itself.
struct share_bounds {
    std::uint64_t share = 1;  ///< units it may be granted in advance
    std::uint64_t debt = 1;   ///< units that may pass before Redis was asked for them
    limit_time look_again{0}; ///< what was not used at all for so long goes back
};

/// With C = burst (gcra) or L: a share is at most C/10 and a debt at most min(C, L)/20, but at least 1; or what one call
/// costs, if that is more. `look_again` is W/40, from 10 to 250 ms.
[[nodiscard]] share_bounds share_bounds_of(const limit_rule& rule, std::uint64_t largest_cost);

/// Of units, in a time.
struct share_use {
    std::uint64_t used = 0;
    std::uint64_t refused = 0;  ///< for want of a share
};

/// How large a share is to be: what was refused, or what will be used in `look_again` if it goes on as it did in `gone`;
/// four times what was used at most, as a moment tells little. Nothing was used: none. No `gone`: nothing is known yet, and
/// a quarter is enough; of small limits nothing, as others may need what lies here.
[[nodiscard]] std::uint64_t wanted_share(const share_bounds& bounds, const share_use& use, std::optional<limit_time> gone);

/// One process' part in one global limit of one tenant.
///
///     workers                  global_share                         exchange (control thread)        Redis
///     take() ----------------> share   granted, until the lease ends  <-- granted ---------- one atomic script,
///            `--- if empty --> credit  debt that may be made            --- debt, what was    its own clock
///             `-- if empty --> refused, with what Redis told last           used, what goes back -->
///
/// take() never waits. It takes from the share; when that is empty (the first call after a pause) it makes a debt, which is
/// charged with the next exchange, a round trip later; when that is made too, it refuses, and says so if Redis has only
/// not been asked yet (limit_refusal::asked). A share grows with what the process uses in `look_again`, and half of it is
/// there before it is empty. With L below 20 that is single units.
///
/// The error against one strict count, for N processes:
/// - Over: at most N * debt units, ever, not N * debt in each W: a debt is charged, also when it is more than there was,
///   and keeps the next ones out for as long. (A process makes a new debt only if, by what Redis told it when the last
///   one was charged, the units are there by now. So when the latest of those answers was true, at most `debt` of each
///   process could not be known to it.) For L below 40 and costs of 1 that is one unit a process. A process that starts
///   knows nothing and may add its debt once more. Granted units never make the error larger: the script counts them
///   when it grants them and does not let the budget refill behind them; they end with the lease or the window.
/// - Under: units that another process holds and does not use are away for 2 * look_again and a round trip: W/20, 0.5 s
///   at most. What a process held when it died is away for W/L each, with windows until the window ends.
/// - A process that suddenly needs more than its share and debt is refused for a round trip, though there may be more.
///
/// While Redis is away (`store_away`): rule.on_store_down. `open`: this process has the whole rate, counted by `alone`.
/// `closed`: refused, store_down. Then it goes on with Redis' count; what passed meanwhile is not charged.
///
/// limit_counter's functions: any thread, lock-free (but change()). The others: the one thread that exchanges.
class global_share final : public limit_counter {
public:
    /// `alone` counts while Redis is away. `wanted` is called on a worker's thread when an exchange is due now; once, until
    /// next_request() was called. Both flags and functions outlive this.
    global_share(const limit_rule& rule, std::uint64_t largest_cost, std::unique_ptr<limit_counter> alone,
                 std::shared_ptr<const std::atomic<bool>> store_away, std::function<void()> wanted);

    [[nodiscard]] std::uint64_t take(const limit_rule& rule, limit_time now, std::uint64_t least,
                                     std::uint64_t most) override;
    /// Soon: others cannot have them meanwhile, and a process that holds units longer than a lease uses them late.
    void give_back(const limit_rule& rule, limit_time taken, std::uint64_t units) override;
    [[nodiscard]] limit_refusal refusal(const limit_rule& rule, limit_time now, std::uint64_t least) const override;
    [[nodiscard]] limit_standing standing(const limit_rule& rule, limit_time now) const override;
    /// Not to another algorithm: that is another counter.
    void change(const limit_rule& from, const limit_rule& to, limit_time now) override;

    /// What to tell Redis now; nullopt when there is nothing. Then answered() or failed() comes before the next.
    [[nodiscard]] std::optional<share_request> next_request(limit_time now);
    /// What to tell it last: all units go back. nullopt when there is nothing to tell.
    [[nodiscard]] std::optional<share_request> last_request(limit_time now);
    void answered(const share_request& request, const share_answer& answer, limit_time sent, limit_time received);
    /// There was no answer, and nobody knows whether Redis did it: what was granted is lost, debts are charged again.
    void failed(const share_request& request);
    /// When next_request() may have something without a call of `wanted`.
    [[nodiscard]] limit_time due() const { return due_; }

private:
    /// Units and a moment in one word, so that they change together: 22 bits of units, 42 of milliseconds (to 2109).
    struct dated_units {
        std::uint64_t units = 0;
        std::uint64_t milliseconds = 0;
    };
    static constexpr int unit_bits = 22;
    static constexpr std::uint64_t most_units = (std::uint64_t{1} << unit_bits) - 1;
    [[nodiscard]] static std::uint64_t pack(const dated_units& value);
    [[nodiscard]] static dated_units unpack(std::uint64_t word);

    /// none: nothing is needed. noted: when there is something to be had. asked: `wanted` was called.
    enum class need : std::uint8_t { none, noted, asked };

    std::uint64_t take_granted(limit_time now, std::uint64_t least, std::uint64_t most);
    [[nodiscard]] bool make_debt(limit_time now, std::uint64_t units);
    void note_refusal(std::uint64_t units);
    void signal(limit_time now, bool at_once);
    [[nodiscard]] std::uint64_t held(limit_time now) const;
    [[nodiscard]] double predicted(const limit_rule& rule, limit_time now) const;
    [[nodiscard]] limit_time predicted_wait(const limit_rule& rule, limit_time now, std::uint64_t units) const;

    [[nodiscard]] std::int64_t uncharged() const;
    void settle(std::uint64_t keep, limit_time now, share_request& request);
    void put_share(const share_request& request, const share_answer& answer, limit_time until);
    void put_credit(std::uint64_t debt, limit_time from);
    void tell(const share_request& request, const share_answer& answer, limit_time sent, limit_time received);
    void plan(const share_request& request, const share_answer& answer, limit_time received);
    [[nodiscard]] limit_rule rule_now() const;

    // Of the workers.
    std::atomic<std::uint64_t> share_{0};   ///< units granted; until
    std::atomic<std::uint64_t> credit_{0};  ///< debt that may still be made; from
    std::atomic<std::uint64_t> low_{0};     ///< a share with no more is to be filled up
    std::atomic<need> need_{need::none};
    std::atomic<limit_time::rep> ask_from_{0};  ///< before, Redis has nothing
    std::atomic<std::uint64_t> refused_{0};     ///< units, since the last request
    std::atomic<std::uint64_t> refused_most_{0};  ///< the costliest of these

    // What Redis told last. Each may be of another answer for a moment: these numbers are told, not counted by.
    std::atomic<bool> told_{false};
    std::atomic<std::uint64_t> told_remaining_{0};
    std::atomic<limit_time::rep> told_at_{0};
    std::atomic<limit_time::rep> told_reset_{0};
    std::atomic<limit_time::rep> told_retry_{0};     ///< when there are told_retry_units_
    std::atomic<std::uint64_t> told_retry_units_{0};
    std::atomic<limit_time::rep> answer_time_;       ///< how long an answer may take

    const std::unique_ptr<limit_counter> alone_;
    const std::shared_ptr<const std::atomic<bool>> store_away_;
    const std::function<void()> wanted_;

    // Of the thread that exchanges.
    mutable std::mutex rule_mutex_;  ///< change() may come from another
    limit_rule rule_;
    std::uint64_t costliest_;
    std::uint64_t batch_ = 0;
    std::uint64_t share_base_ = 0;   ///< units in share_ when it was last reported
    std::uint64_t credit_base_ = 0;  ///< likewise in credit_: what is missing are debts
    limit_time asked_at_{0};
    limit_time due_ = limit_time::max();
};

}  // namespace weir
