#pragma once

#include <string>

#include "config/options.hpp"

namespace weir {

/// Exit codes of the process.
enum class exit_code : int { ok = 0, cannot_start = 1, bad_configuration = 2 };

/// Runs weir until SIGTERM or SIGINT, and drains it then: builds the graph of workers, probe and admin listener, and
/// is the control thread itself. SIGHUP loads `file` again. Once a process.
[[nodiscard]] exit_code run_app(options loaded, const std::string& file);

/// How many workers `auto` means: the cgroup's CPU quota, rounded up, but no more than the processors we may run on.
[[nodiscard]] std::size_t automatic_workers();

}  // namespace weir
