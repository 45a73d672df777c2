#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "protocol/command_table.hpp"

namespace weir {

/// upstream.timeouts, compiled: how long a command may take, as a class that fits in a byte. Immutable.
class command_timeouts {
public:
    using time_class = std::uint8_t;
    static constexpr time_class standard = 0;  ///< command_timeout
    static constexpr time_class never = 255;   ///< it blocks for as long as the client said
    static constexpr std::size_t max_classes = 254;

    /// `words` have been checked (by the configuration): at most max_classes different times.
    command_timeouts(std::chrono::milliseconds command_timeout, const std::map<std::string, std::chrono::milliseconds>& words);

    /// Of a built-in row by its number; of any other `standard`, or what `*` says.
    [[nodiscard]] time_class class_of(const command_spec& command) const;
    /// Not for `never`.
    [[nodiscard]] std::chrono::milliseconds of(time_class which) const { return times_[which]; }
    [[nodiscard]] std::chrono::milliseconds shortest() const;
    /// Whether all commands have the same.
    [[nodiscard]] bool uniform() const { return times_.size() == 1; }

private:
    std::vector<std::chrono::milliseconds> times_;  ///< by class
    std::vector<time_class> by_number_;
};

}  // namespace weir
