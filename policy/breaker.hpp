#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "policy/breaker_options.hpp"
#include "policy/call_window.hpp"

namespace weir {

using breaker_time = std::chrono::steady_clock::time_point;

enum class breaker_state : std::uint8_t { closed, open, half_open, forced_open, disabled };
[[nodiscard]] std::string_view to_string(breaker_state state);

/// Why a call failed, as metrics and logs name it.
enum class breaker_failure : std::uint8_t { connect, lost, timeout, reply, probe };
inline constexpr std::size_t breaker_failures = 5;
[[nodiscard]] std::string_view to_string(breaker_failure kind);

struct breaker_transition {
    breaker_state from;
    breaker_state to;
    std::string reason;  ///< for the log: "7 of 9 calls failed in 10s", "forced by the operator"
    bool dry_run;        ///< it would have been, and was not
    std::chrono::milliseconds open_for{0};  ///< into open: for how long at least
    std::chrono::milliseconds was_away{0};  ///< into a state that passes: since when none did
};

/// What there is to show of it at one moment.
struct breaker_numbers {
    breaker_state state = breaker_state::closed;
    breaker_mode mode = breaker_mode::enforce;
    std::string reason;                    ///< of the last transition, or what the operator wanted last; empty before the first
    std::size_t calls = 0;                 ///< in the window
    std::size_t failed = 0;
    std::size_t slow = 0;
    std::size_t consecutive_failures = 0;
    std::size_t half_open_successes = 0;
    std::chrono::milliseconds open_for{0};   ///< how long this opening lasts; 0 unless open
    std::chrono::milliseconds retry_in{0};   ///< until the next probe decides; 0 unless open
    std::optional<std::chrono::milliseconds> opened_ago;  ///< last time; none: never
    std::uint64_t successes_total = 0;
    std::array<std::uint64_t, breaker_failures> failures_total{};
    std::array<std::uint64_t, 5> transitions_total{};  ///< into each breaker_state
    std::uint64_t dry_run_openings_total = 0;
};

/// A circuit breaker (Nygard, Release It!; windows and states as resilience4j has them): counts how calls to one upstream end,
/// and says whether commands should still be sent there. It does no I/O and reads no clock.
///
///             rate or row of failures            open_for is over, and the probe has succeeded
///     closed ————————————————————————> open —————————————————————————————————————————> half_open
///        ↑                              ↑                                              |   |
///        |                              └———————————————— a failure ———————————————————┘   |
///        └———————————————————— successes_to_close, and nobody holds it ———————————————————┘
///
/// A rate is looked at when a call has failed (been slow), not when one has succeeded. Failures in a row are those of calls
/// since a call succeeded, and of the probe since the probe did: a probe that gets through does not excuse calls that do not.
/// `forced_open` and `disabled` are the operator's: only the operator ends them (or a configuration that said `disabled`).
/// Any thread. passes(), state(), is_slow() and probe_interval() are one relaxed load; the others take a lock, so
/// successes are told once a turn, not once a command. Times that go back are taken for the latest that was told.
class breaker {
public:
    using listener = std::function<void(const breaker_transition&)>;

    /// `heard` is called after each transition, without the lock, one call at a time and in their order: on the thread that
    /// made it, unless another is just telling of the one before. It may call the breaker.
    explicit breaker(const breaker_options& options, listener heard = nullptr);

    /// Commands go to the upstream as ever.
    [[nodiscard]] bool passes() const { return passes_.load(std::memory_order_relaxed); }
    [[nodiscard]] breaker_state state() const { return state_.load(std::memory_order_relaxed); }
    /// Where passes() says no: whether this command is one of the few that may go all the same; at most half_open_commands
    /// are under way at any time. Who gets a yes tells what came of it by tried() or untried(), once.
    [[nodiscard]] bool admit(breaker_time now);
    /// The outcome of an admitted command, by when it was sent: what was sent before the last transition says nothing.
    /// Success counts in the totals; a failure's kind is told to fail() as well.
    void tried(bool succeeded, breaker_time sent, breaker_time now);
    /// It was not sent after all.
    void untried();

    /// So many calls have succeeded since the last such call, `slow` of them slowly. Nothing while it does not pass.
    void succeed(std::size_t calls, std::size_t slow, breaker_time now);
    /// A call has failed. Nothing but the total while it does not pass. A time-out is slow, too, where anything is.
    void fail(breaker_failure kind, breaker_time now) { fail(kind, now, now); }
    /// The same, by when it was sent: before the last transition, then it counts in the total alone.
    void fail(breaker_failure kind, breaker_time sent, breaker_time now);
    [[nodiscard]] bool is_slow(std::chrono::microseconds took) const {
        const auto over = slow_over_.load(std::memory_order_relaxed);
        return over > std::chrono::microseconds::zero() && took > over;
    }

    /// Whether an error reply says that the server cannot serve: see is_failure_reply().
    [[nodiscard]] bool is_failure(std::string_view error_line, bool writes) const;

    /// The upstream has stopped answering: what succeeded before it fell silent says nothing of what will. Failures stay, as
    /// each connection may say this once.
    void fall_silent(breaker_time now);

    /// How often the health probe is to look.
    [[nodiscard]] std::chrono::milliseconds probe_interval() const { return probe_interval_.load(std::memory_order_relaxed); }
    /// The health probe's outcomes. While closed, only failures count, as calls do. While open, failures change nothing.
    void probe(bool succeeded, breaker_time now);

    /// Whether, since it was closed last, a call has failed by the server's own word. The probe cannot know whether clients write
    /// at all: what it is told when it does counts only then.
    [[nodiscard]] bool replies_failed() const { return replies_failed_.load(std::memory_order_relaxed); }

    /// While held (writes that were accepted meanwhile wait to be replayed) half-open admits no command and does not close;
    /// the probe's successes count all the same, and when they suffice the end of the hold closes it at once. reset(),
    /// disable() and dry_run() lead to half_open then, and take effect with the end of the hold, whatever happens until then.
    void hold(bool held, breaker_time now);
    /// Before the first call: half-open and held, as what an earlier process accepted has to be replayed first.
    void start_held(breaker_time now);
    /// What waits cannot be replayed now: half-open becomes open, for as long as after any failure.
    void replay_failed(std::string_view why, breaker_time now);
    /// Half-open, and nothing but the hold keeps it from closing.
    [[nodiscard]] bool is_only_held() const;

    /// Clients were told meanwhile that something was written, which the upstream has not: until it passes again half-open
    /// admits no command, and the probe alone decides. Or they would see what the upstream has in between. Mostly one load.
    void leave_to_probe();

    // The operator's.
    void force_open(breaker_time now, std::string_view by);
    void disable(breaker_time now, std::string_view by);
    /// Back to closed and to the configured mode, with everything but totals forgotten; also what ends the two above.
    void reset(breaker_time now, std::string_view by);
    /// Closed, and from now on it only says when it would open: at most once in open_for.
    void dry_run(breaker_time now, std::string_view by);
    /// Another configuration; what was counted stays where the window did not change, and so does what the operator chose.
    void configure(const breaker_options& options, breaker_time now);

    [[nodiscard]] breaker_numbers numbers(breaker_time now) const;

private:
    /// What the operator or the configuration wants, where it is not what the calls make of it.
    struct order {
        breaker_state state;
        breaker_mode mode;
        std::string reason;
    };

    template <class Step>
    auto step(breaker_time now, Step&& body);
    void tell_news(std::unique_lock<std::mutex>& guard);

    // With the lock, at latest_.
    void go(breaker_state to, std::string reason);
    void obey(order wanted);
    void operate(order wanted);
    void count_failure(breaker_failure kind);
    void judge();
    [[nodiscard]] std::string verdict() const;
    void trip(std::string reason);
    void reopen(std::string reason);
    void succeed_half_open();
    void close_if_due();
    [[nodiscard]] bool is_sure() const;
    void forget();
    [[nodiscard]] std::size_t row() const { return failed_in_row_ + probes_failed_in_row_; }
    [[nodiscard]] std::chrono::milliseconds next_open_for() const;

    std::atomic<bool> replies_failed_{false};
    std::atomic<bool> passes_{true};
    std::atomic<breaker_state> state_{breaker_state::closed};
    std::atomic<std::chrono::microseconds> slow_over_;
    std::atomic<std::chrono::milliseconds> probe_interval_;

    mutable std::mutex mutex_;
    const listener heard_;
    std::deque<breaker_transition> news_;  ///< not yet told
    bool telling_ = false;

    breaker_options options_;
    breaker_mode mode_;
    bool operated_ = false;       ///< state or mode are the operator's choice
    std::optional<order> order_;  ///< waits for the end of the hold
    bool held_ = false;
    breaker_time latest_{};
    breaker_time changed_{};  ///< the last transition
    breaker_time away_since_{};  ///< left a state that passes
    std::string reason_;
    call_window window_;
    std::size_t failed_in_row_ = 0;
    std::size_t probes_failed_in_row_ = 0;
    std::size_t successes_ = 0;  ///< in this half_open
    std::size_t trials_ = 0;     ///< under way, of whichever half_open
    std::size_t openings_ = 0;   ///< without having been closed
    std::chrono::milliseconds open_for_{0};
    std::optional<breaker_time> opened_;
    std::optional<breaker_time> would_have_opened_;
    std::uint64_t successes_total_ = 0;
    std::array<std::uint64_t, breaker_failures> failures_total_{};
    std::array<std::uint64_t, 5> transitions_total_{};
    std::uint64_t dry_run_openings_total_ = 0;
    std::atomic<bool> left_to_probe_{false};
};

}  // namespace weir
