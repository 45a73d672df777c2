#include "config/environment.hpp"

#include <algorithm>
#include <cstdlib>

namespace weir {
namespace {

bool is_variable_name(std::string_view name) {
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    };
    return !name.empty() && std::ranges::all_of(name, fits) && !(name.front() >= '0' && name.front() <= '9');
}

/// Where the brace that closes the one before `text` stands, or npos.
std::size_t closing_brace(std::string_view text) {
    std::size_t depth = 1;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '{') ++depth;
        if (text[i] == '}' && --depth == 0) return i;
    }
    return std::string_view::npos;
}

/// What stands between the braces: NAME or NAME:-default.
parsed<std::string> value_of(std::string_view reference) {
    const auto dash = reference.find(":-");
    const bool has_default = dash != std::string_view::npos;
    const std::string name(reference.substr(0, dash));
    if (!is_variable_name(name)) return fault{"has a ${...} that is neither ${NAME} nor ${NAME:-default}"};
    const char* const value = std::getenv(name.c_str());
    if (has_default && (value == nullptr || *value == '\0')) return std::string(reference.substr(dash + 2));
    if (value == nullptr)
        return fault{"needs " + name + ", which is not set in the environment (${" + name +
                     ":-default} gives a default)"};
    return std::string(value);
}

}  // namespace

parsed<std::string> expand_environment(std::string_view text) {
    std::string expanded;
    for (;;) {
        const auto at = text.find("${");
        expanded += text.substr(0, at);
        if (at == std::string_view::npos) return expanded;
        text.remove_prefix(at + 2);
        if (expanded.ends_with('$')) {
            expanded += '{';
            continue;
        }
        const auto end = closing_brace(text);
        if (end == std::string_view::npos) return fault{"has a ${ without its }"};
        const auto value = value_of(text.substr(0, end));
        if (!value) return fault{value.why()};
        expanded += *value;
        text.remove_prefix(end + 1);
    }
}

}  // namespace weir
