#pragma once

#include <string>
#include <vector>

#include "config/options.hpp"

namespace weir {

struct field;

/// One option as a manual shows it.
struct option_summary {
    std::string path;      ///< "upstream.pool.max", "listeners[].bind", "tenants.NAME.prefix"
    std::string valid;     ///< type, unit and range in words
    std::string standard;  ///< the default as it is written; empty: none
    std::string help;      ///< what it does, in one sentence
};

/// Every option there is, in the order of the schema.
[[nodiscard]] std::vector<option_summary> describe_options();

/// Fills `into`, which holds the defaults, from the root of a file. What single values are is checked here;
/// how they fit together is check_consistency()'s. A fallback that nobody said a breaker for gets one
/// with the defaults. Whatever is refused keeps its default.
void read_options(const field& root, options& into);

}  // namespace weir
