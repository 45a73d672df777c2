#pragma once

#include <optional>
#include <string_view>

#include "proxy/fallback/engine/dense_map.hpp"
#include "proxy/fallback/engine/score_index.hpp"

namespace weir::engine {

/// Members with scores, in the order of the latter; no score is a NaN. Small is what Redis means by it
/// (zset-max-listpack-entries and -value, by default): it matters to ZSCAN, and to ranges by name over unequal scores.
class sorted_set_value {
public:
    static constexpr std::size_t max_small_members = 128;
    static constexpr std::size_t max_small_bytes = 64;

    [[nodiscard]] std::size_t size() const { return scores_.size(); }
    [[nodiscard]] bool is_small() const { return small_; }
    [[nodiscard]] const score_index& order() const { return order_; }
    /// In no order, by place, 0 to size() - 1. A SCAN goes from the last to the first.
    [[nodiscard]] const dense_map<double>::item& operator[](std::size_t place) const { return scores_[place]; }
    [[nodiscard]] std::optional<double> score(std::string_view member) const;
    [[nodiscard]] std::optional<std::size_t> rank(std::string_view member) const;

    bool set(std::string_view member, double score);  ///< true: the member is new
    /// Before the outcome of ZUNIONSTORE and its kin is set: Redis looks at all of it first.
    void outgrow_by(std::size_t members, std::size_t longest_member);
    void outgrow() { small_ = false; }
    bool erase(std::string_view member);
    [[nodiscard]] std::size_t payload_bytes() const { return payload_bytes_; }

private:
    dense_map<double> scores_;
    score_index order_;
    std::size_t payload_bytes_ = 0;
    bool small_ = true;
};

}  // namespace weir::engine
