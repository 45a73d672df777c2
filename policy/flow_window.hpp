#pragma once

#include <algorithm>
#include <cstddef>

namespace weir {

/// How many commands a session may have in flight. Replies already asked for must be taken from the upstream, whether
/// the client reads them or not, so what is in flight is memory that may be needed: the window shrinks as replies grow,
/// to keep their sum near `budget_bytes`, but lets a few through whatever their size.
class flow_window {
public:
    static constexpr std::size_t min_commands = 4;

    flow_window(std::size_t max_commands, std::size_t budget_bytes)
        : max_commands_(max_commands), budget_bytes_(budget_bytes), commands_(max_commands) {}

    /// `replies` >= 1 replies came with `bytes` bytes in all.
    void observe(std::size_t replies, std::size_t bytes) {
        // Grows at once, since memory is at stake, and forgets slowly.
        average_bytes_ = std::max(bytes / replies, average_bytes_ - average_bytes_ / 8);
        if (average_bytes_ == 0) return;
        commands_ = std::clamp(budget_bytes_ / average_bytes_, std::min(min_commands, max_commands_), max_commands_);
    }

    [[nodiscard]] std::size_t commands() const { return commands_; }

private:
    std::size_t max_commands_;
    std::size_t budget_bytes_;
    std::size_t average_bytes_ = 0;
    std::size_t commands_;
};

}  // namespace weir
