#include "protocol/glob.hpp"

#include <algorithm>

namespace weir {

namespace {

/// `at` stands behind the `[`; afterwards behind the class. A class that is not closed ends with the pattern.
bool matches_class(std::string_view pattern, std::size_t& at, char c) {
    const bool negated = at < pattern.size() && pattern[at] == '^';
    if (negated) ++at;
    bool found = false;
    for (; at < pattern.size() && pattern[at] != ']'; ++at) {
        const std::size_t left = pattern.size() - at;
        if (left >= 2 && pattern[at] == '\\') {
            found = found || pattern[++at] == c;
        } else if (left >= 3 && pattern[at + 1] == '-') {
            // Also where the third is the `]`: the server takes it for the range's end.
            const auto [low, high] = std::minmax(pattern[at], pattern[at + 2]);
            found = found || (low <= c && c <= high);
            at += 2;
        } else {
            found = found || pattern[at] == c;
        }
    }
    if (at < pattern.size()) ++at;
    return found != negated;
}

/// One element that is no star against one byte; `at` is moved behind it.
bool matches_one(std::string_view pattern, std::size_t& at, char c) {
    switch (const char element = pattern[at++]) {
        case '?': return true;
        case '[': return matches_class(pattern, at, c);
        case '\\': return at < pattern.size() ? pattern[at++] == c : element == c;
        default: return element == c;
    }
}

}  // namespace

std::string escape_glob(std::string_view text) {
    std::string escaped;
    escaped.reserve(text.size());
    for (const char c : text) {
        if (c == '*' || c == '?' || c == '[' || c == ']' || c == '\\') escaped += '\\';
        escaped += c;
    }
    return escaped;
}

bool glob_match(std::string_view pattern, std::string_view text) {
    if (text.empty()) return pattern.empty();
    std::size_t at = 0;
    std::size_t in_text = 0;
    // Only the last star need be tried with more: had an earlier one to take more, so could this one instead.
    std::size_t behind_star = std::string_view::npos;
    std::size_t star_ends = 0;
    while (in_text < text.size()) {
        if (at < pattern.size() && pattern[at] == '*') {
            behind_star = ++at;
            star_ends = in_text;
            if (at == pattern.size()) return true;
        } else if (at < pattern.size() && matches_one(pattern, at, text[in_text])) {
            ++in_text;
        } else if (behind_star != std::string_view::npos) {
            at = behind_star;
            in_text = ++star_ends;
        } else {
            return false;
        }
    }
    const auto rest = pattern.substr(at);
    return rest.find_first_not_of('*') == std::string_view::npos;
}

std::string_view glob_literal(std::string_view pattern) { return pattern.substr(0, pattern.find_first_of("*?[\\")); }

}  // namespace weir
