#include "policy/command_timeouts.hpp"

#include <algorithm>
#include <cassert>
#include <ranges>
#include <span>
#include <utility>

namespace weir {

command_timeouts::command_timeouts(std::chrono::milliseconds command_timeout,
                                   const std::map<std::string, std::chrono::milliseconds>& words)
    : times_{command_timeout} {
    std::vector<std::pair<std::string, std::chrono::milliseconds>> sorted(words.begin(), words.end());
    std::ranges::stable_sort(sorted, [](const auto& a, const auto& b) {
        const int of_a = command_set::exactness(a.first);
        const int of_b = command_set::exactness(b.first);
        return of_a != of_b ? of_a < of_b : a.second > b.second;
    });
    for (const auto& [word, time] : sorted) rules_.push_back({command_set(std::span(&word, 1)), class_for(time)});
    if (rules_.empty()) return;
    for (const command_spec* row : command_table::built_in()->rows()) {
        by_number_.resize(std::max<std::size_t>(by_number_.size(), row->number + 1u), standard);
        by_number_[row->number] = judge(*row);
    }
}

command_timeouts::time_class command_timeouts::class_for(std::chrono::milliseconds time) {
    const auto found = std::ranges::find(times_, time);
    if (found != times_.end()) return static_cast<time_class>(found - times_.begin());
    assert(times_.size() <= max_classes);
    times_.push_back(time);
    return static_cast<time_class>(times_.size() - 1);
}

command_timeouts::time_class command_timeouts::judge(const command_spec& command) const {
    for (const rule& last : rules_ | std::views::reverse) {
        if (last.commands.contains(command)) return last.which;
    }
    return standard;
}

std::chrono::milliseconds command_timeouts::shortest() const { return std::ranges::min(times_); }

}  // namespace weir
