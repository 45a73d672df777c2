#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "protocol/command_table.hpp"

namespace weir::fuzz {

/// The positions of the arguments that a Redis server would take for a key, a key pattern or a channel;
/// nullopt when it would refuse the request and touch nothing. Written after the server's own argument
/// parsing (sort.c, geo.c, db.c, t_stream.c of 7.0), not after ours, so that the two can be held against each
/// other. Options are C strings to the server: they end at a NUL.
[[nodiscard]] std::optional<std::vector<std::size_t>> server_names(const command_spec& command,
                                                                   std::span<const std::string> words);

}  // namespace weir::fuzz
