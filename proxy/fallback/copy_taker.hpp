#pragma once

#include <cstdint>
#include <string_view>

#include "config/options.hpp"
#include "proxy/fallback/memory_answers.hpp"
#include "proxy/fallback/observation.hpp"
#include "proxy/fallback/write_stamps.hpp"

namespace weir {

/// Takes copies of what tenants read and wrote through weir, and looks after them. Belongs to the fallback's thread.
class copy_taker {
public:
    /// Both outlive this.
    copy_taker(const remember_options& what, memory_answers& memory)
        : what_(what), memory_(memory) {}

    void take(const observation& seen);
    [[nodiscard]] bool wants(std::string_view key) const;
    [[nodiscard]] std::int64_t stale_at(std::int64_t at) const { return at + what_.max_age.count(); }
    [[nodiscard]] std::uint64_t taken_total() const { return taken_total_; }

private:
    const remember_options& what_;
    memory_answers& memory_;
    std::uint64_t taken_total_ = 0;
};

}  // namespace weir
