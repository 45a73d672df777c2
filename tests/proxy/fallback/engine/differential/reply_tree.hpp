#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weir::engine {

/// A reply, taken apart: its header line or, for a string, its body; and what is in it.
struct reply_tree {
    char type = 0;
    std::string text;
    std::vector<reply_tree> elements;  ///< of a map: keys and values in turn
    bool null = false;

    [[nodiscard]] bool is_error() const { return type == '-'; }
};

/// Told apart by all they hold.
[[nodiscard]] bool operator==(const reply_tree& one, const reply_tree& other);
[[nodiscard]] bool operator<(const reply_tree& one, const reply_tree& other);

/// Of one whole reply without attributes and streamed parts.
[[nodiscard]] reply_tree take_apart(std::string_view reply);

/// With its elements in an order of their own, so that replies that differ in nothing else are equal. Of one with
/// pairs, names and values stay together.
[[nodiscard]] reply_tree in_any_order(reply_tree reply, bool pairs);

/// As C would write it, cut when it is long.
[[nodiscard]] std::string escaped(std::string_view bytes);

}  // namespace weir::engine
