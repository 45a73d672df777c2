#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

/// "'gld' is not declared under plans (did you mean 'gold'?); valid: free, gold". `kind` is what one of them
/// is.
[[nodiscard]] std::string undeclared(std::string_view name, std::string_view kind,
                                     const std::vector<std::string_view>& declared);

template <typename Value>
[[nodiscard]] std::string undeclared(std::string_view name, std::string_view kind,
                                     const std::map<std::string, Value>& declared) {
    std::vector<std::string_view> names;
    for (const auto& [each, value] : declared) names.push_back(each);
    return undeclared(name, kind, names);
}

}  // namespace weir
