#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "protocol/buffer.hpp"

namespace weir {

enum class resp_version : std::uint8_t { resp2 = 2, resp3 = 3 };

/// Writes the replies that weir itself gives, in the client's protocol version. Holds no state: every call appends
/// one element, and the caller keeps to the count it announced.
class reply_writer {
public:
    /// Once `out` has more than `max_bytes`, no more strings and headers are written: what is there is no whole reply then.
    reply_writer(buffer& out, resp_version version, std::size_t max_bytes = static_cast<std::size_t>(-1))
        : out_(out), version_(version), max_bytes_(max_bytes) {}

    void simple(std::string_view text);   ///< no CR or LF in it
    void error(std::string_view text);    ///< with its code in front; line breaks become spaces
    void integer(std::int64_t value);
    void bulk(std::string_view bytes);
    void verbatim(std::string_view text);  ///< RESP3 `=…txt:`, RESP2 bulk
    void null();
    void null_array();                     ///< RESP2 `*-1`, RESP3 the same as null()
    void number(std::string_view digits);  ///< RESP3 a double, `,…`, which may be inf; RESP2 a bulk string
    void boolean(bool value);              ///< RESP2: 1 or 0
    void array(std::size_t elements);
    void map(std::size_t pairs);           ///< RESP2: an array of twice as many
    void set(std::size_t elements);
    void push(std::size_t elements);       ///< RESP2: an array

    [[nodiscard]] resp_version version() const { return version_; }

private:
    void header(char type, std::size_t count);

    buffer& out_;
    resp_version version_;
    std::size_t max_bytes_;
};

}  // namespace weir
