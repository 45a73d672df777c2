#pragma once

#include <string>
#include <utility>
#include <variant>

namespace weir {

/// Why a text was refused. It goes on a sentence that begins with that text ("'12KB'" + "has an unknown
/// unit"), and does not repeat it: the text may be a secret, so whoever reports decides whether to show it.
struct fault {
    std::string text;
};

/// What reading a text gave: a value, or why there is none.
template <typename T>
class [[nodiscard]] parsed {
public:
    parsed(T value) : held_(std::in_place_index<0>, std::move(value)) {}
    parsed(fault why) : held_(std::in_place_index<1>, std::move(why)) {}

    explicit operator bool() const { return held_.index() == 0; }
    /// Only when it is true.
    [[nodiscard]] const T& operator*() const { return std::get<0>(held_); }
    [[nodiscard]] const T* operator->() const { return &std::get<0>(held_); }
    /// Only when it is false.
    [[nodiscard]] const std::string& why() const { return std::get<1>(held_).text; }

private:
    std::variant<T, fault> held_;
};

}  // namespace weir
