#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace weir {

class document;

/// Two options of which the first may not be above the second.
struct ordered_pair {
    std::string low_path;
    std::size_t low;
    std::string high_path;
    std::size_t high;
    std::string (*show)(std::size_t);
    std::string_view otherwise;  ///< what would happen
};

void check_order(const ordered_pair& pair, document& file);

}  // namespace weir
