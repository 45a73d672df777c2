#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "config/parsed.hpp"

namespace weir {

/// The whole of a file, or what kept it from being read in the system's words. Pipes and /dev/stdin will do;
/// more than `max_bytes` are refused, so that naming the wrong file costs no memory.
[[nodiscard]] parsed<std::string> read_text_file(const std::filesystem::path& path, std::size_t max_bytes);

}  // namespace weir
