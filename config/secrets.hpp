#pragma once

#include <string>
#include <vector>

#include "config/parsed.hpp"
#include "policy/password_hash.hpp"

namespace weir {

/// The whole of a file but for one newline at its end, which editors add and passwords do not have. Empty
/// files are refused: a password that is not there yet must not become "no password".
[[nodiscard]] parsed<std::string> read_password_file(const std::string& path);

/// An environment variable as it stands; refused when it is not set or empty.
[[nodiscard]] parsed<std::string> read_password_env(const std::string& name);

/// One hash on each line; empty lines and lines that begin with '#' count for nothing. Faults name the line,
/// never what stands on it.
[[nodiscard]] parsed<std::vector<password_hash>> read_password_hashes(const std::string& path);

}  // namespace weir
