#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "proxy/upstream/ring.hpp"

namespace weir {

/// The places in write_stamps of the keys that commands in flight write, in the commands' order. A command's record holds a
/// byte that says how many are its own.
class written_slots {
public:
    /// Of one more command, behind the others; returns its byte.
    [[nodiscard]] std::uint8_t push(std::span<const std::uint32_t> slots) {
        for (const auto slot : slots) slots_.push_back(slot);
        if (slots.size() < many) return static_cast<std::uint8_t>(slots.size());
        counts_.push_back(slots.size());
        return many;
    }
    /// Takes those of the oldest command, which has this byte, away: visit(slot).
    template <typename Visit>
    void pop(std::uint8_t byte, Visit visit) {
        std::size_t count = byte;
        if (byte == many) {
            count = counts_.front();
            counts_.pop_front();
        }
        for (; count > 0; --count) {
            visit(slots_.front());
            slots_.pop_front();
        }
    }
    [[nodiscard]] std::size_t size() const { return slots_.size(); }
    /// From the front.
    [[nodiscard]] std::uint32_t operator[](std::size_t i) { return slots_[i]; }

private:
    static constexpr std::uint8_t many = 255;  ///< this or more: counted beside

    ring<std::uint32_t> slots_;
    ring<std::size_t> counts_;
};

}  // namespace weir
