#pragma once

#include <string>
#include <string_view>

#include "proxy/fallback/engine/dense_map.hpp"

namespace weir::engine {

/// Fields and their values. While it is small, as Redis means it (hash-max-listpack-entries and -value, by default),
/// the fields keep the order in which they came, which clients see; from then on they have none, for good.
class hash_value {
public:
    static constexpr std::size_t max_small_fields = 128;
    static constexpr std::size_t max_small_bytes = 64;

    [[nodiscard]] std::size_t size() const { return fields_.size(); }
    [[nodiscard]] bool is_small() const { return small_; }
    /// By place, 0 to size() - 1. A SCAN goes from the last to the first.
    [[nodiscard]] std::string_view field(std::size_t place) const { return fields_[place].key; }
    [[nodiscard]] const std::string& value_at(std::size_t place) const { return fields_[place].mapped; }
    /// nullptr when there is no such field.
    [[nodiscard]] const std::string* find(std::string_view field) const;

    bool set(std::string_view field, std::string_view value);  ///< true: the field is new
    bool erase(std::string_view field);
    /// Before many are set: Redis looks at all of HSET's arguments first.
    void outgrow_by(std::string_view longest_word);
    void outgrow() { small_ = false; }
    [[nodiscard]] std::size_t payload_bytes() const { return payload_bytes_; }

private:
    dense_map<std::string> fields_;
    std::size_t payload_bytes_ = 0;
    bool small_ = true;
};

}  // namespace weir::engine
