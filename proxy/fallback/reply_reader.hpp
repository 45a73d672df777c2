#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace weir {

/// Reads a whole RESP2 or RESP3 reply element by element, from the front. What a server sends is believed in nothing: lengths
/// are held against the bytes that there are.
class reply_reader {
public:
    struct element {
        char type = 0;            ///< its first byte: `$`, `*`, …
        bool is_null = false;     ///< also those of RESP2
        std::string_view text = {};  ///< of a string, error, number; valid as long as the reply
        std::size_t elements = 0; ///< of an aggregate, that follow; of a map twice its pairs
    };

    explicit reply_reader(std::string_view reply) : rest_(reply) {}

    /// nullopt: that is no element, or one that is not read here (attributes, streamed strings and aggregates).
    [[nodiscard]] std::optional<element> next();
    /// Everything was read.
    [[nodiscard]] bool at_end() const { return rest_.empty(); }

private:
    [[nodiscard]] std::optional<std::string_view> line();

    std::string_view rest_;
};

}  // namespace weir
