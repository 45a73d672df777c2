#include "proxy/fallback/engine/commands.hpp"
namespace weir::engine {
std::span<const command_row> sorted_set_commands() { return {}; }
std::span<const command_row> sorted_set_range_commands() { return {}; }
std::span<const command_row> sorted_set_algebra_commands() { return {}; }
std::span<const command_row> sort_commands() { return {}; }
}
