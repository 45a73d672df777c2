#include "config/units.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <span>

namespace weir {
namespace {

struct unit {
    std::string_view name;
    std::uint64_t factor;
};

// Largest first: the formatter takes the first that divides.
constexpr unit duration_units[] = {
    {"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}};
constexpr unit size_units[] = {{"TiB", std::uint64_t{1} << 40},
                               {"GiB", std::uint64_t{1} << 30},
                               {"MiB", std::uint64_t{1} << 20},
                               {"KiB", std::uint64_t{1} << 10},
                               {"B", 1}};

std::string names(std::span<const unit> units) {
    std::string list;
    for (const auto& unit : units) list.insert(0, list.empty() ? unit.name : std::string(unit.name) + ", ");
    return list;
}

/// The number in front of the unit and the unit itself, which may be empty.
struct quantity {
    std::uint64_t number;
    std::string_view unit;
};

parsed<quantity> split(std::string_view text) {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (text.starts_with('-')) return fault{"is negative"};
    if (error == std::errc::invalid_argument) return fault{"is not a whole number"};
    if (error == std::errc::result_out_of_range) return fault{"is too large"};
    if (rest != end && *rest == '.') return fault{"is not a whole number"};
    return quantity{number, text.substr(static_cast<std::size_t>(rest - text.data()))};
}

parsed<std::uint64_t> scale(const quantity& amount, std::span<const unit> units, std::uint64_t max) {
    const auto unit = std::ranges::find(units, amount.unit, &unit::name);
    if (unit == units.end()) return fault{"has an unknown unit (known are " + names(units) + ")"};
    if (amount.number > max / unit->factor) return fault{"is too large"};
    return amount.number * unit->factor;
}

std::string format(std::uint64_t amount, std::span<const unit> units, std::string_view zero) {
    if (amount == 0) return std::string(zero);
    const auto unit =
        std::ranges::find_if(units, [&](const auto& each) { return amount % each.factor == 0; });
    return std::to_string(amount / unit->factor) + std::string(unit->name);
}

parsed<limit_rate> read_rate(std::string_view text, parsed<std::size_t> (*parse_amount)(std::string_view)) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos) return fault{"has no '/' between what may pass and in which time"};
    const auto amount = parse_amount(text.substr(0, slash));
    if (!amount) return fault{"has an amount before the '/' that " + amount.why()};
    const auto period = parse_duration(text.substr(slash + 1));
    if (!period) return fault{"has a time after the '/' that " + period.why()};
    if (*amount == 0) return fault{"lets nothing pass"};
    if (*period == std::chrono::milliseconds::zero()) return fault{"has no time after the '/'"};
    return limit_rate{*amount, *period};
}

}  // namespace

parsed<std::size_t> parse_count(std::string_view text) {
    const auto amount = split(text);
    if (!amount) return fault{amount.why()};
    if (!amount->unit.empty()) return fault{"is not a whole number"};
    return std::size_t{amount->number};
}

parsed<std::chrono::milliseconds> parse_duration(std::string_view text) {
    using milliseconds = std::chrono::milliseconds;
    const auto amount = split(text);
    if (!amount) return fault{amount.why()};
    if (amount->unit.empty()) return fault{"has no unit (known are " + names(duration_units) + ")"};
    const auto scaled = scale(*amount, duration_units, std::numeric_limits<milliseconds::rep>::max());
    if (!scaled) return fault{scaled.why()};
    return milliseconds{static_cast<milliseconds::rep>(*scaled)};
}

parsed<std::size_t> parse_size(std::string_view text) {
    const auto amount = split(text);
    if (!amount) return fault{amount.why()};
    if (amount->unit.empty()) return std::size_t{amount->number};
    const auto scaled = scale(*amount, size_units, std::numeric_limits<std::size_t>::max());
    if (!scaled) return fault{scaled.why()};
    return std::size_t{*scaled};
}

parsed<std::size_t> parse_percent(std::string_view text) {
    const auto amount = split(text);
    if (!amount) return fault{amount.why()};
    if (amount->unit.empty()) return fault{"has no unit (known is %)"};
    if (amount->unit != "%") return fault{"has an unknown unit (known is %)"};
    if (amount->number > 100) return fault{"is too large"};
    return std::size_t{amount->number};
}

parsed<limit_rate> parse_rate(std::string_view text) {
    return read_rate(text, &parse_count);
}

parsed<limit_rate> parse_byte_rate(std::string_view text) {
    return read_rate(text, &parse_size);
}

std::string format_duration(std::chrono::milliseconds duration) {
    return format(static_cast<std::uint64_t>(duration.count()), duration_units, "0s");
}

std::string format_size(std::size_t bytes) {
    return format(bytes, size_units, "0B");
}

std::string format_percent(std::size_t percent) {
    return std::to_string(percent) + '%';
}

std::string format_rate(const limit_rate& rate) {
    return std::to_string(rate.count) + '/' + format_duration(rate.period);
}

std::string format_byte_rate(const limit_rate& rate) {
    return format_size(rate.count) + '/' + format_duration(rate.period);
}

}  // namespace weir
