#include "config/breaker_schema.hpp"

#include <algorithm>
#include <array>

#include "config/word_rows.hpp"
#include "policy/suggest.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t many = 1'000'000;

/// With these any client could open the breaker for all the others.
constexpr std::array<std::string_view, 10> anybodys_replies{"ERR",    "WRONGTYPE", "NOSCRIPT",  "EXECABORT",
                                                            "NOPERM", "NOGROUP",   "BUSYGROUP", "BUSYKEY",
                                                            "NOAUTH", "WRONGPASS"};

std::string error_code_fault(std::string_view word) {
    constexpr std::size_t longest = 64;
    const auto fits = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; };
    if (word.empty() || word.size() > longest || !std::ranges::all_of(word, fits))
        return "is no error code; valid: the first word of an error, in capitals, such as LOADING or OOM";
    if (std::ranges::find(anybodys_replies, word) != anybodys_replies.end())
        return "is an answer that any client can bring about, and so open the breaker for all; valid: what "
               "says "
               "that the server cannot serve, such as LOADING or OOM";
    return {};
}

section<breaker_options> breaker_rows() {
    using o = breaker_options;
    using mode = breaker_mode;
    static constexpr word_list codes{&error_code_fault, "an error code such as LOADING or OOM", true};
    return {
        leaf("mode", &o::mode,
             one_of<mode>(
                 {{"enforce", mode::enforce}, {"dry_run", mode::dry_run}, {"disabled", mode::disabled}}),
             "whether it opens, only says when it would, or counts nothing"),
        leaf("window", &o::window, duration(100ms, 1h), "how far back calls count"),
        leaf("buckets", &o::buckets, count(1, 100),
             "parts of the window: what is too old leaves it in such steps"),
        leaf("failure_rate", &o::failure_rate, percent(0),
             "it opens at this share of failures; 0%: not by it"),
        leaf("minimum_calls", &o::minimum_calls, count(1, many), "calls in the window before a share counts"),
        leaf("consecutive_failures", &o::consecutive_failures, count(0, many),
             "it opens at so many failures in a row; 0: not by these"),
        leaf("slow_over", &o::slow_over, duration_or_zero("never", 1ms, 24h),
             "a call that takes longer is slow"),
        leaf("slow_rate", &o::slow_rate, percent(1), "it opens at this share of slow calls"),
        leaf("open_for", &o::open_for, duration(1ms, 24h), "it stays open this long, and then tries"),
        leaf("max_open_for", &o::max_open_for, duration(1ms, 24h),
             "it stays open twice as long each time that trying failed, up to this"),
        leaf("half_open_commands", &o::half_open_commands, count(0, many),
             "clients' commands that try, beside the probe"),
        leaf("successes_to_close", &o::successes_to_close, count(1, many),
             "successes of these that close it"),
        words("failure_replies", &o::failure_replies, codes,
              "codes of errors by which the server says that it cannot serve"),
        leaf("probe_interval", &o::probe_interval, duration(10ms, 1h),
             "how often the probe asks the upstream"),
    };
}

}  // namespace

option_row<options> breaker_row() {
    const auto read = [rows = breaker_rows()](const field& from, options& into) {
        read_section(from, rows, into.breaker.emplace());
    };
    const auto describe = [](const std::string& path, std::vector<option_summary>& into) {
        describe_section(path, breaker_rows(), into);
    };
    return {"breaker", read, describe};
}

}  // namespace weir
