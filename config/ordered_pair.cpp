#include "config/ordered_pair.hpp"

#include "config/document.hpp"

namespace weir {

void check_order(const ordered_pair& pair, document& file) {
    if (pair.low <= pair.high) return;
    // Point at one that the file sets: the other may be a default.
    file.fail(file.has(pair.low_path) ? pair.low_path : pair.high_path,
              shown(pair.low_path) + " (" + pair.show(pair.low) + ") is above " + shown(pair.high_path) +
                  " (" + pair.show(pair.high) + "): " + std::string(pair.otherwise));
}

}  // namespace weir
