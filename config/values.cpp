#include "config/values.hpp"

#include <algorithm>

#include "config/endpoint.hpp"
#include "config/units.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr int max_database = 65'535;

/// Refuses what stands outside of min..max.
template <typename T>
std::function<parsed<T>(std::string_view)> within(parsed<T> (*parse)(std::string_view), T min, T max) {
    return [parse, min, max](std::string_view written) -> parsed<T> {
        auto value = parse(written);
        if (value && *value < min) return fault{"is too small"};
        if (value && *value > max) return fault{"is too large"};
        return value;
    };
}

std::string from_to(const std::string& min, const std::string& max) {
    return "from " + min + " to " + max;
}

bool is_control(char c) {
    return static_cast<unsigned char>(c) < ' ' || c == '\x7f';
}

/// Names end up in errors, metrics' labels and keys, so they hold nothing that would need escaping there.
value_kind<std::string> plain_name(std::string_view whose) {
    constexpr std::size_t longest = 64;
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               c == '.' || c == '-';
    };
    const auto parse = [whose, fits](std::string_view written) -> parsed<std::string> {
        if (written.empty() || written.size() > longest || !std::ranges::all_of(written, fits))
            return fault{"cannot be a " + std::string(whose) + "'s name"};
        return std::string(written);
    };
    return {"1 to 64 letters, digits, '_', '.' and '-'", parse,
            [](const std::string& value) { return value; }};
}

constexpr std::uint64_t most_calls = 1'000'000'000;
constexpr std::uint64_t most_calls_a_millisecond = 1'000;
constexpr std::uint64_t least_bytes = 1 << 10;
constexpr std::uint64_t most_bytes = std::uint64_t{1} << 40;
constexpr auto longest_call_period = milliseconds{365 * 24h};
constexpr auto longest_byte_period = milliseconds{24h};

parsed<limit_rate> parse_call_rate(std::string_view written) {
    auto rate = parse_rate(written);
    if (!rate) return rate;
    if (rate->period > longest_call_period) return fault{"has too long a time"};
    if (rate->count > most_calls) return fault{"is too large"};
    if (rate->count > most_calls_a_millisecond * static_cast<std::uint64_t>(rate->period.count()))
        return fault{"is more than 1000000 a second"};
    return rate;
}

parsed<limit_rate> parse_byte_rate_in_range(std::string_view written) {
    auto rate = parse_byte_rate(written);
    if (!rate) return rate;
    if (rate->period > longest_byte_period) return fault{"has too long a time"};
    if (rate->count < least_bytes) return fault{"is too small"};
    if (rate->count > most_bytes) return fault{"is too large"};
    return rate;
}

}  // namespace

value_kind<std::size_t> count(std::size_t min, std::size_t max) {
    return {"a whole number " + from_to(std::to_string(min), std::to_string(max)),
            within(&parse_count, min, max), [](std::size_t value) { return std::to_string(value); }};
}

value_kind<std::size_t> size(std::size_t min, std::size_t max) {
    return {"a size such as 64KiB " + from_to(format_size(min), format_size(max)),
            within(&parse_size, min, max), format_size};
}

value_kind<std::size_t> percent(std::size_t min) {
    constexpr std::size_t whole = 100;
    return {"a share such as 50% " + from_to(format_percent(min), format_percent(whole)),
            within(&parse_percent, min, whole), format_percent};
}

value_kind<milliseconds> duration(milliseconds min, milliseconds max) {
    return {"a duration such as 250ms or 5s " + from_to(format_duration(min), format_duration(max)),
            within(&parse_duration, min, max), format_duration};
}

value_kind<milliseconds> duration_or_zero(std::string_view zero, milliseconds min, milliseconds max) {
    auto kind = duration(min, max);
    kind.valid += ", or 0s for " + std::string(zero);
    kind.parse = [above = kind.parse](std::string_view written) -> parsed<milliseconds> {
        const auto value = parse_duration(written);
        return value && *value == milliseconds::zero() ? value : above(written);
    };
    return kind;
}

value_kind<std::size_t> count_or_word(std::string_view word, std::size_t min, std::size_t max) {
    auto kind = count(min, max);
    kind.valid = std::string(word) + " or " + kind.valid;
    kind.parse = [word, number = kind.parse](std::string_view written) -> parsed<std::size_t> {
        return written == word ? std::size_t{0} : number(written);
    };
    kind.show = [word](std::size_t value) { return value == 0 ? std::string(word) : std::to_string(value); };
    return kind;
}

value_kind<bool> yes_or_no() {
    return one_of<bool>({{"no", false}, {"yes", true}, {"false", false}, {"true", true}});
}

value_kind<int> database_number() {
    const auto number = count(0, max_database);
    const auto parse = [number](std::string_view written) -> parsed<int> {
        const auto value = number.parse(written);
        if (!value) return fault{value.why()};
        return static_cast<int>(*value);
    };
    return {number.valid, parse, [](int value) { return std::to_string(value); }};
}

value_kind<std::string> text(std::string_view what) {
    const auto parse = [](std::string_view written) -> parsed<std::string> {
        if (written.empty()) return fault{"is empty"};
        if (std::ranges::any_of(written, is_control)) return fault{"holds a control character"};
        return std::string(written);
    };
    return {std::string(what), parse, [](const std::string& value) { return value; }};
}

value_kind<std::string> tenant_name() {
    return plain_name("tenant");
}

value_kind<std::string> plan_name() {
    return plain_name("plan");
}

value_kind<std::string> limit_name() {
    return plain_name("limit");
}

value_kind<limit_rate> call_rate() {
    return {"calls and a time such as 100/1h or 5/60s, " + from_to("1", std::to_string(most_calls)) + " in " +
                format_duration(1ms) + " to " + format_duration(longest_call_period) +
                ", not above 1000000 a second",
            parse_call_rate, format_rate};
}

value_kind<limit_rate> byte_rate() {
    return {"bytes and a time such as 10MiB/1s, " +
                from_to(format_size(least_bytes), format_size(most_bytes)) + " in " + format_duration(1ms) +
                " to " + format_duration(longest_byte_period),
            parse_byte_rate_in_range, format_byte_rate};
}

value_kind<endpoint> socket_address() {
    return {"host:port, \"[v6]:port\" (in quotes) or unix:/path", parse_endpoint,
            [](const endpoint& value) { return value.to_string(); }};
}

}  // namespace weir
