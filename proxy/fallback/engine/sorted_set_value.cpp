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
    if (is_new) outgrow_by(scores_.size() + 1, member.size());
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

void sorted_set_value::outgrow_by(std::size_t members, std::size_t longest_member) {
    small_ = small_ && members <= max_small_members && longest_member <= max_small_bytes;
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
