#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proxy/fallback/engine/dense_map.hpp"

namespace weir::engine {

/// Members. While all are integers and not too many, as Redis means it (set-max-intset-entries, by default), they stand
/// in ascending order, which clients see; from then on they have none, for good.
class set_value {
public:
    static constexpr std::size_t max_integers = 512;

    [[nodiscard]] std::size_t size() const { return is_integers() ? integers_.size() : members_.size(); }
    [[nodiscard]] bool is_integers() const { return integers_only_; }
    /// By place, 0 to size() - 1. A SCAN goes from the last to the first.
    [[nodiscard]] std::string member(std::size_t place) const;
    [[nodiscard]] bool contains(std::string_view member) const;

    bool add(std::string_view member);  ///< false: it was there
    bool erase(std::string_view member);
    /// As if its members had just been added: integers may stand in their order again.
    void renew();
    /// Gives up the order of integers.
    void outgrow() {
        if (integers_only_) give_up_order();
    }
    [[nodiscard]] std::size_t payload_bytes() const { return payload_bytes_; }

private:
    bool add_integer(std::int64_t number);
    void give_up_order();

    bool integers_only_ = true;
    std::vector<std::int64_t> integers_;
    dense_map<std::monostate> members_;
    std::size_t payload_bytes_ = 0;
};

}  // namespace weir::engine
