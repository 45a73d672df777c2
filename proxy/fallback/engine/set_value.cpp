#include "proxy/fallback/engine/set_value.hpp"

#include <algorithm>
#include <utility>

#include "protocol/ascii.hpp"

namespace weir::engine {

std::string set_value::member(std::size_t place) const {
    return integers_only_ ? std::to_string(integers_[place]) : members_[place].key;
}

bool set_value::contains(std::string_view member) const {
    if (!integers_only_) return members_.find(member) != members_.none;
    const auto number = parse_integer(member);
    return number && std::ranges::binary_search(integers_, *number);
}

bool set_value::add(std::string_view member) {
    if (integers_only_) {
        if (const auto number = parse_integer(member)) return add_integer(*number);
        give_up_order();
    }
    if (members_.find(member) != members_.none) return false;
    members_.insert(member, {});
    payload_bytes_ += member.size();
    return true;
}

bool set_value::add_integer(std::int64_t number) {
    const auto at = std::ranges::lower_bound(integers_, number);
    if (at != integers_.end() && *at == number) return false;
    integers_.insert(at, number);
    payload_bytes_ += sizeof number;
    if (integers_.size() > max_integers) give_up_order();
    return true;
}

bool set_value::erase(std::string_view member) {
    if (integers_only_) {
        const auto number = parse_integer(member);
        if (!number) return false;
        const auto at = std::ranges::lower_bound(integers_, *number);
        if (at == integers_.end() || *at != *number) return false;
        integers_.erase(at);
        payload_bytes_ -= sizeof *number;
        return true;
    }
    const std::size_t place = members_.find(member);
    if (place == members_.none) return false;
    payload_bytes_ -= member.size();
    members_.swap_erase(place);
    return true;
}

void set_value::renew() {
    set_value anew;
    for (std::size_t place = 0; place < size(); ++place) anew.add(member(place));
    *this = std::move(anew);
}

void set_value::give_up_order() {
    integers_only_ = false;
    payload_bytes_ = 0;
    members_.reserve(integers_.size());
    for (const auto number : integers_) {
        const std::string text = std::to_string(number);
        members_.insert(text, {});
        payload_bytes_ += text.size();
    }
    integers_ = {};
}

}  // namespace weir::engine
