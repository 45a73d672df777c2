#include "proxy/fallback/engine/numbers.hpp"

#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace weir::engine {

namespace {

constexpr std::size_t longest_long_double = 5 * 1024 - 1;  // util.h, MAX_LONG_DOUBLE_CHARS

double convert(const char* text, char** end, double) { return std::strtod(text, end); }
long double convert(const char* text, char** end, long double) { return std::strtold(text, end); }

bool is_c_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

template <typename Number>
std::optional<Number> parse(std::string_view text) {
    if (text.empty() || is_c_space(text.front())) return std::nullopt;
    const std::string terminated(text);
    char* end = nullptr;
    errno = 0;
    const Number value = convert(terminated.c_str(), &end, Number{});
    if (end != terminated.c_str() + terminated.size()) return std::nullopt;
    if (errno == ERANGE && (std::isinf(value) || value == 0)) return std::nullopt;
    if (std::isnan(value)) return std::nullopt;
    return value;
}

}  // namespace

std::optional<double> parse_double(std::string_view text) { return parse<double>(text); }

std::optional<long double> parse_long_double(std::string_view text) {
    return text.size() > longest_long_double ? std::nullopt : parse<long double>(text);
}

std::optional<double> parse_c_double(std::string_view text) {
    const std::string terminated(text.substr(0, text.find('\0')));
    char* end = nullptr;
    const double value = std::strtod(terminated.c_str(), &end);
    return *end != '\0' || std::isnan(value) ? std::nullopt : std::optional(value);
}

std::optional<double> parse_sort_score(std::string_view text) {
    errno = 0;
    const auto value = parse_c_double(text);
    return errno == ERANGE ? std::nullopt : value;
}

std::string format_double(double value) {
    std::array<char, 40> text{};
    const int size = std::snprintf(text.data(), text.size(), "%.17g", value);
    return {text.data(), static_cast<std::size_t>(size)};
}

std::string format_human(long double value) {
    const int size = std::snprintf(nullptr, 0, "%.17Lf", value);
    std::string text(static_cast<std::size_t>(size), '\0');
    std::snprintf(text.data(), text.size() + 1, "%.17Lf", value);
    if (text.find('.') != std::string::npos) text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
    return text == "-0" ? "0" : text;
}

}  // namespace weir::engine
