#include "config/values.hpp"

#include <algorithm>

#include "config/endpoint.hpp"
#include "config/units.hpp"

namespace weir {
namespace {

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

parsed<std::string> parse_tenant_name(std::string_view written) {
    constexpr std::size_t longest = 64;
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               c == '.' || c == '-';
    };
    if (written.empty() || written.size() > longest || !std::ranges::all_of(written, fits))
        return fault{"cannot be a tenant's name"};
    return std::string(written);
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
    return {"1 to 64 letters, digits, '_', '.' and '-'", parse_tenant_name,
            [](const std::string& value) { return value; }};
}

value_kind<endpoint> socket_address() {
    return {"host:port, \"[v6]:port\" (in quotes) or unix:/path", parse_endpoint,
            [](const endpoint& value) { return value.to_string(); }};
}

}  // namespace weir
