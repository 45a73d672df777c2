#pragma once

#include <string>

#include "config/parsed.hpp"

namespace weir {

/// The whole of a file but for one newline at its end, which editors add and passwords do not have. Empty
/// files are refused: a password that is not there yet must not become "no password".
[[nodiscard]] parsed<std::string> read_password_file(const std::string& path);

/// An environment variable as it stands; refused when it is not set or empty.
[[nodiscard]] parsed<std::string> read_password_env(const std::string& name);

}  // namespace weir
