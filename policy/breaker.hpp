#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "policy/breaker_options.hpp"

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
};

/// What there is to show of it at one moment.
struct breaker_numbers {
    breaker_state state = breaker_state::closed;
    breaker_mode mode = breaker_mode::enforce;
    std::string reason;                    ///< of the last transition; empty before the first
    std::size_t calls = 0;                 ///< in the window
    std::size_t failed = 0;
    std::size_t slow = 0;
    std::size_t consecutive_failures = 0;
    std::size_t half_open_successes = 0;
    std::chrono::milliseconds open_for{0};   ///< how long this opening lasts; 0 unless open
    std::chrono::milliseconds retry_in{0};   ///< until the next probe decides; 0 unless open
    std::chrono::system_clock::time_point opened_at{};  ///< last time; the epoch: never
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
/// `forced_open` and `disabled` are the operator's: only the operator ends them.
/// Any thread. passes() is one relaxed load; the others take a lock, so successes are told once a turn, not once a command.
class breaker {
public:
    using listener = std::function<void(const breaker_transition&)>;

    /// `heard` is called after each transition, on the thread that made it, without the lock.
    explicit breaker(const breaker_options& options, listener heard = nullptr);

    /// Commands go to the upstream as ever.
    [[nodiscard]] bool passes() const { return passes_.load(std::memory_order_relaxed); }
    [[nodiscard]] breaker_state state() const { return state_.load(std::memory_order_relaxed); }
    /// Where passes() says no: whether this command is one of the few that may go all the same. Who gets a yes tells what
    /// came of it by tried() or untried().
    [[nodiscard]] bool admit(breaker_time now);
    /// The outcome of an admitted command, by when it was sent: what was sent before the last transition says nothing.
    void tried(bool succeeded, breaker_time sent, breaker_time now);
    /// It was not sent after all.
    void untried();

    /// So many calls have succeeded since the last such call, `slow` of them slowly. Nothing while it does not pass.
    void succeed(std::size_t calls, std::size_t slow, breaker_time now);
    /// A call has failed. Nothing but the total while it does not pass.
    void fail(breaker_failure kind, breaker_time now);
    [[nodiscard]] bool is_slow(std::chrono::microseconds took) const;

    /// The health probe's outcomes. While closed, only failures count, as calls do.
    void probe(bool succeeded, breaker_time now);

    /// While held (writes that were accepted meanwhile wait to be replayed) half-open admits no command and does not close;
    /// the probe's successes count all the same, and when they suffice the end of the hold closes it at once. reset() and
    /// disable() lead to half_open then, and take effect with the end of the hold.
    void hold(bool held, breaker_time now);
    /// Half-open, and nothing but the hold keeps it from closing.
    [[nodiscard]] bool is_only_held() const;

    // The operator's.
    void force_open(breaker_time now, std::string_view by);
    void disable(breaker_time now, std::string_view by);
    /// Back to closed, with everything forgotten; also what ends the two above.
    void reset(breaker_time now, std::string_view by);
    void dry_run(breaker_time now, std::string_view by);
    /// Another configuration; what was counted stays where the window did not change.
    void configure(const breaker_options& options, breaker_time now);

    [[nodiscard]] breaker_numbers numbers(breaker_time now) const;

private:
    std::atomic<bool> passes_{true};
    std::atomic<breaker_state> state_{breaker_state::closed};
};

}  // namespace weir
