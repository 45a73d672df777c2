#include "policy/idempotence.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "protocol/ascii.hpp"

namespace weir {

namespace {

bool has_option(const arguments& request, std::size_t first, std::string_view option) {
    for (std::size_t i = first; i < request.size(); ++i) {
        if (is_option(request[i], option)) return true;
    }
    return false;
}

}  // namespace

bool is_idempotent_write(const arguments& request, const command_spec& command) {
    constexpr std::array<std::string_view, 6> always{"hmset", "lset", "ltrim", "mset", "psetex", "setex"};
    if (std::ranges::find(always, command.name) != always.end()) return true;
    if (command.name == "set") return !has_option(request, 3, "nx") && !has_option(request, 3, "get");
    // With a condition the second time may be told otherwise than the first.
    return (command.name == "expireat" || command.name == "pexpireat") && request.size() == 3;
}

}  // namespace weir
