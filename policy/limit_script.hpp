#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/limit_counter.hpp"

namespace weir {

/// How a global limit is counted in Redis: one script, all of a limit's state under one key with a TTL, by Redis' own
/// clock. What a process has been granted counts as used from then on; it takes shares in advance (global_share).
///
/// The key holds five or six numbers as text:
///
///     gcra      0 backlog at turn held before      backlog: units that have not drained yet, at `at` (µs)
///     windows   1 period index count previous      calls of window `index` and of the one before it
///
/// `backlog` is GCRA's theoretical arrival time in units, less now: it falls by count / period, and units pass while it
/// stays at or below burst. So another rate, or another algorithm, goes on with the units that were counted, also when two
/// processes have different rules for a while.
///
/// `held`, `before`: units that processes were granted in this second and in the one before, and have not reported to be
/// used or not to be needed. The backlog does not fall below them: otherwise it would drain while nobody uses them, and
/// then they and a full burst could pass at once. A process uses what it was granted for `share_lease` at most, so that
/// what a dead process held is forgotten after two seconds. With windows nothing is used after its window's end.

/// How long units granted under gcra may be used.
inline constexpr std::chrono::microseconds share_lease = std::chrono::seconds{1};

/// What a process tells Redis of one limit, and what it wants.
struct share_request {
    limit_rule rule;
    std::int64_t charge = 0;   ///< units used without having been granted; negative: charged before and not used
    std::uint64_t batch = 0;   ///< share_answer::batch of the units that the next three count
    std::uint64_t used = 0;
    std::uint64_t kept = 0;    ///< not used and still wanted
    std::uint64_t back = 0;    ///< not used and no longer wanted
    std::uint64_t least = 0;   ///< fewer are of no use
    std::uint64_t most = 0;    ///< more is not wanted; above `least` a half of what there is, so that others find some
    std::uint64_t debt = 0;    ///< for share_answer::debt_after
};

struct share_answer {
    std::uint64_t granted = 0;
    bool kept = false;            ///< the request's `kept` are good for another lease
    std::uint64_t batch = 0;      ///< names what was granted or kept
    std::uint64_t remaining = 0;  ///< units that anybody could still be granted
    std::chrono::microseconds reset_after{0};  ///< until all of it is there; windows: until the window's end
    /// Until max(least, 1) units are there, if nobody takes any; none: never.
    std::optional<std::chrono::microseconds> retry_after;
    std::optional<std::chrono::microseconds> debt_after;  ///< until the request's `debt` units are there
    bool operator==(const share_answer&) const = default;
};

/// The script's text. EVALSHA with n keys, and append_arguments() of one request for each; its reply is an array of
/// n * share_answer_numbers integers, or an error if any argument is out of range, and then nothing was done.
[[nodiscard]] std::string_view limit_script();
/// The name by which EVALSHA knows it.
[[nodiscard]] const std::string& limit_script_name();

inline constexpr std::size_t share_request_arguments = 12;
inline constexpr std::size_t share_answer_numbers = 7;

void append_arguments(const share_request& request, std::vector<std::string>& out);
/// nullopt when these are no numbers of the script's.
[[nodiscard]] std::optional<share_answer> read_share_answer(std::span<const long long> numbers);

/// Where the limit's count stands, in database 0: `\x01weir:limit:{tenant}:{limit}`. No tenant reaches it: every key, pattern
/// and channel that a tenant names goes out behind its prefix, what its scripts may touch begins with that prefix too (the
/// server sees to it), and no prefix holds a control character (prefix_fault). Scripts in mode `trust` run as weir itself
/// and reach everything.
[[nodiscard]] std::string limit_key(std::string_view tenant, std::string_view limit);

}  // namespace weir
