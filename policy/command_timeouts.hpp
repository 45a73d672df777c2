#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "policy/command_set.hpp"
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

    /// Of a built-in row one load; of any other what the words say. Never `never`: only the request shows whether a command
    /// blocks.
    [[nodiscard]] time_class class_of(const command_spec& command) const {
        return command.number < by_number_.size() ? by_number_[command.number] : judge(command);
    }
    /// Not for `never`.
    [[nodiscard]] std::chrono::milliseconds of(time_class which) const { return times_[which]; }
    /// Of all that a command may have, command_timeout among them.
    [[nodiscard]] std::chrono::milliseconds shortest() const;
    /// Whether all commands have the same, as far as the words show.
    [[nodiscard]] bool uniform() const { return times_.size() == 1; }

private:
    struct rule {
        command_set commands;
        time_class which;
    };

    [[nodiscard]] time_class judge(const command_spec& command) const;
    [[nodiscard]] time_class class_for(std::chrono::milliseconds time);

    std::vector<std::chrono::milliseconds> times_;  ///< by class, each once
    std::vector<rule> rules_;                       ///< the one that counts most last
    std::vector<time_class> by_number_;             ///< by command_spec::number; empty without words
};

}  // namespace weir
