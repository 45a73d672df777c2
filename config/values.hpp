#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/options.hpp"
#include "config/parsed.hpp"

namespace weir {

/// How a single value is written: what is valid in words (type, unit and range), reading it, and writing it
/// back.
template <typename T>
struct value_kind {
    std::string valid;
    std::function<parsed<T>(std::string_view)> parse;
    std::function<std::string(const T&)> show;
};

/// Both ends of a range are valid.
[[nodiscard]] value_kind<std::size_t> count(std::size_t min, std::size_t max);
[[nodiscard]] value_kind<std::size_t> size(std::size_t min, std::size_t max);
[[nodiscard]] value_kind<std::size_t> percent(std::size_t min);  ///< to 100
[[nodiscard]] value_kind<std::chrono::milliseconds> duration(std::chrono::milliseconds min,
                                                             std::chrono::milliseconds max);
/// The same, or 0s, which means `zero`.
[[nodiscard]] value_kind<std::chrono::milliseconds> duration_or_zero(std::string_view zero,
                                                                     std::chrono::milliseconds min,
                                                                     std::chrono::milliseconds max);
/// A count, or a word that stands for 0.
[[nodiscard]] value_kind<std::size_t> count_or_word(std::string_view word, std::size_t min, std::size_t max);
/// As written by those who come from YAML 1.1, and by the others.
[[nodiscard]] value_kind<bool> yes_or_no();
[[nodiscard]] value_kind<int> database_number();
/// Not empty and without control characters; `what` says what it is.
[[nodiscard]] value_kind<std::string> text(std::string_view what);
[[nodiscard]] value_kind<std::string> tenant_name();
[[nodiscard]] value_kind<std::string> plan_name();
[[nodiscard]] value_kind<std::string> limit_name();
/// Calls in a time, and bytes in a time.
[[nodiscard]] value_kind<limit_rate> call_rate();
[[nodiscard]] value_kind<limit_rate> byte_rate();
[[nodiscard]] value_kind<endpoint> socket_address();

/// The same, or `none`.
template <typename T>
[[nodiscard]] value_kind<std::optional<T>> or_none(const value_kind<T>& kind) {
    static constexpr std::string_view none = "none";
    const auto parse = [kind](std::string_view written) -> parsed<std::optional<T>> {
        if (written == none) return std::optional<T>();
        const auto value = kind.parse(written);
        if (!value) return fault{value.why()};
        return std::optional<T>(*value);
    };
    const auto show = [kind](const std::optional<T>& held) {
        return held ? kind.show(*held) : std::string(none);
    };
    return {std::string(none) + " or " + kind.valid, parse, show};
}

/// One of a few words.
template <typename T>
[[nodiscard]] value_kind<T> one_of(std::vector<std::pair<std::string_view, T>> words) {
    std::string valid;
    for (const auto& [word, value] : words) valid.append(valid.empty() ? "" : ", ").append(word);
    const auto parse = [words](std::string_view written) -> parsed<T> {
        for (const auto& [word, value] : words)
            if (word == written) return value;
        return fault{"is not known"};
    };
    const auto show = [words](const T& held) {
        for (const auto& [word, value] : words)
            if (value == held) return std::string(word);
        return std::string();
    };
    return {valid, parse, show};
}

}  // namespace weir
