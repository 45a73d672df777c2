#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace weir {

[[nodiscard]] constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

/// Equal but for the case of ASCII letters; `lower` is already in lower case.
[[nodiscard]] constexpr bool equals_ignoring_case(std::string_view text, std::string_view lower) {
    if (text.size() != lower.size()) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (to_lower(text[i]) != lower[i]) return false;
    }
    return true;
}

/// Whether the server takes `text` for the option `lower`: it compares options as C strings (strcasecmp), so what stands
/// behind a NUL does not count. Whoever looks for options in a request must see what the server sees.
[[nodiscard]] constexpr bool is_option(std::string_view text, std::string_view lower) {
    return equals_ignoring_case(text.substr(0, text.find('\0')), lower);
}

/// A decimal integer in the one spelling that Redis takes for lengths and counts (util.c, string2ll): no plus sign,
/// no leading zero, no space, within 64 bits.
[[nodiscard]] inline std::optional<std::int64_t> parse_integer(std::string_view text) {
    const bool negative = !text.empty() && text.front() == '-';
    const std::string_view digits = text.substr(negative ? 1 : 0);
    if (digits.empty() || digits.front() < '0' || digits.front() > '9') return std::nullopt;
    if (digits.front() == '0') return text == "0" ? std::optional<std::int64_t>{0} : std::nullopt;
    std::int64_t value = 0;
    // Lengths and counts stand in front of every argument, and are short: no such number is over 64 bits.
    if (digits.size() <= 18) {
        for (const char digit : digits) {
            const auto worth = static_cast<unsigned>(digit) - '0';
            if (worth > 9) return std::nullopt;
            value = value * 10 + static_cast<std::int64_t>(worth);
        }
        return negative ? -value : value;
    }
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (fault != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// How many decimal digits `value` has.
[[nodiscard]] constexpr std::size_t digit_count(std::size_t value) {
    std::size_t digits = 1;
    for (; value >= 10; value /= 10) ++digits;
    return digits;
}

}  // namespace weir
