#include "proxy/fallback/engine/commands.hpp"

#include <algorithm>
#include <vector>

namespace weir::engine {

namespace {

std::vector<command_row> all_in_order() {
    std::vector<command_row> all;
    for (const auto rows : {string_commands(), lcs_commands(), key_commands(), expiry_commands(), keyspace_commands(),
                            hash_commands(), list_commands(), set_commands(), sorted_set_commands(),
                            sorted_set_range_commands(), sorted_set_algebra_commands(), sort_commands()}) {
        all.insert(all.end(), rows.begin(), rows.end());
    }
    std::ranges::sort(all, {}, &command_row::name);
    return all;
}

}  // namespace

std::span<const command_row> commands() {
    static const std::vector<command_row> all = all_in_order();
    return all;
}

const command_row* find_command(std::string_view name) {
    const auto all = commands();
    const auto found = std::ranges::lower_bound(all, name, {}, &command_row::name);
    return found != all.end() && found->name == name ? &*found : nullptr;
}

}  // namespace weir::engine
