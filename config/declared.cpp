#include "config/declared.hpp"

#include <algorithm>
#include <span>

#include "policy/suggest.hpp"

namespace weir {
namespace {

/// There may be a hundred thousand.
std::string some_of(std::span<const std::string_view> names) {
    constexpr std::size_t most_shown = 20;
    const auto shown = names.first(std::min(names.size(), most_shown));
    const auto rest = names.size() - shown.size();
    return join(shown) + (rest == 0 ? "" : " and " + std::to_string(rest) + " more");
}

}  // namespace

std::string undeclared(std::string_view name, std::string_view kind,
                       const std::vector<std::string_view>& declared) {
    const auto meant = nearest(name, declared);
    return "'" + std::string(name) + "' is not declared under " + std::string(kind) + "s" +
           (meant.empty() ? "" : " (did you mean '" + std::string(meant) + "'?)") + "; valid: " +
           (declared.empty() ? "none, as no " + std::string(kind) + " is declared" : some_of(declared));
}

}  // namespace weir
