#include "proxy/fallback/engine/sorted_set_value.hpp"

namespace weir::engine {

std::optional<double> sorted_set_value::score(std::string_view member) const {
    const std::size_t place = scores_.find(member);
    return place == scores_.none ? std::nullopt : std::optional(scores_[place].mapped);
}

std::optional<std::size_t> sorted_set_value::rank(std::string_view member) const {
    const auto known = score(member);
    if (!known) return std::nullopt;
    return order_.rank(order_.lower_bound(*known, member));
}

bool sorted_set_value::set(std::string_view member, double score) {
    const std::size_t place = scores_.find(member);
    const bool is_new = place == scores_.none;
    small_ = small_ && (!is_new || (scores_.size() < max_small_members && member.size() <= max_small_bytes));
    if (small_ && score == 0) score = 0;  // Redis keeps whole scores of a small set as integers, so a zero has no sign
    if (!is_new) {
        order_.erase(scores_[place].mapped, member);
        order_.insert(score, member);
        scores_.mapped(place) = score;
        return false;
    }
    scores_.insert(member, score);
    order_.insert(score, member);
    payload_bytes_ += member.size();
    return true;
}

bool sorted_set_value::erase(std::string_view member) {
    const std::size_t place = scores_.find(member);
    if (place == scores_.none) return false;
    order_.erase(scores_[place].mapped, member);
    payload_bytes_ -= member.size();
    scores_.swap_erase(place);
    return true;
}

}  // namespace weir::engine
