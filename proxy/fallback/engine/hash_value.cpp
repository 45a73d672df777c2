#include "proxy/fallback/engine/hash_value.hpp"

namespace weir::engine {

const std::string* hash_value::find(std::string_view field) const {
    const std::size_t place = fields_.find(field);
    return place == fields_.none ? nullptr : &fields_[place].mapped;
}

bool hash_value::set(std::string_view field, std::string_view value) {
    outgrow_by(field);
    outgrow_by(value);
    const std::size_t place = fields_.find(field);
    if (place != fields_.none) {
        std::string& held = fields_.mapped(place);
        payload_bytes_ = payload_bytes_ - held.size() + value.size();
        held = value;
        return false;
    }
    fields_.insert(field, std::string(value));
    payload_bytes_ += field.size() + value.size();
    small_ = small_ && fields_.size() <= max_small_fields;
    return true;
}

bool hash_value::erase(std::string_view field) {
    const std::size_t place = fields_.find(field);
    if (place == fields_.none) return false;
    payload_bytes_ -= field.size() + fields_[place].mapped.size();
    if (small_) {
        fields_.ordered_erase(place);
    } else {
        fields_.swap_erase(place);
    }
    return true;
}

void hash_value::outgrow_by(std::string_view longest_word) {
    small_ = small_ && longest_word.size() <= max_small_bytes;
}

}  // namespace weir::engine
