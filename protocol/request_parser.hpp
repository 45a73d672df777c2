#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/arguments.hpp"

namespace weir {

/// What a request may be at most; more is a protocol error, as in Redis (networking.c).
struct request_limits {
    std::size_t max_arguments = 1024 * 1024;
    std::size_t max_bulk_bytes = std::size_t{512} << 20;
    std::size_t max_request_bytes = std::size_t{1} << 30;  ///< below 4 GiB: slices are 32 bits wide
    bool authenticated = true;  ///< before: at most 10 arguments of 16 KiB
};

enum class parse_status : std::uint8_t { complete, need_more, error };

/// Finds one request, array or inline, in bytes that arrive in any pieces, without copying its arguments.
///
/// Call parse() with all bytes from the request's first one on; after need_more call it again with the same bytes and
/// more behind them (they may have moved). What was understood is remembered, so no byte is looked at twice. After
/// complete, consumed() bytes are the request's; call reset() before the next request. After error the connection is
/// to be closed behind error_text().
class request_parser {
public:
    static constexpr std::size_t max_inline_bytes = 64 * 1024;

    [[nodiscard]] parse_status parse(std::string_view input, const request_limits& limits);
    void reset();

    [[nodiscard]] std::size_t consumed() const { return position_; }
    /// After complete. Empty for what Redis ignores: `*0`, `*-1`, a blank line. Valid while `input` and this are.
    [[nodiscard]] arguments request(std::string_view input) const {
        return is_inline_ ? arguments{canonical_, slices_} : arguments{input.substr(0, position_), slices_};
    }
    /// After error: the server's own text, without `-` and line end.
    [[nodiscard]] const std::string& error_text() const { return error_; }

    // While need_more holds: how far it got.
    /// Arguments announced by the header; 0 while that is not known, and for an inline request.
    [[nodiscard]] std::size_t announced_arguments() const { return is_inline_ ? 0 : announced_; }
    /// Arguments already whole.
    [[nodiscard]] std::size_t whole_arguments() const { return slices_.size(); }
    /// The whole arguments so far, as a view like request().
    [[nodiscard]] arguments whole(std::string_view input) const { return {input.substr(0, position_), slices_}; }
    /// Whether the next argument's length is known, and how long it is; its bytes begin at consumed().
    [[nodiscard]] bool bulk_announced() const { return bulk_bytes_ >= 0; }
    [[nodiscard]] std::size_t announced_bulk_bytes() const { return static_cast<std::size_t>(bulk_bytes_); }

private:
    [[nodiscard]] parse_status parse_count(std::string_view input, const request_limits& limits);
    [[nodiscard]] parse_status parse_arguments(std::string_view input, const request_limits& limits);
    [[nodiscard]] parse_status parse_bulk_header(std::string_view input, const request_limits& limits);
    [[nodiscard]] parse_status parse_inline(std::string_view input);
    [[nodiscard]] parse_status fail(std::string text);

    std::vector<argument_slice> slices_;
    std::size_t position_ = 0;   ///< first byte not understood yet
    std::size_t announced_ = 0;
    std::int64_t bulk_bytes_ = -1;  ///< of the argument that begins at position_; -1: its header comes next
    bool counted_ = false;          ///< the request's first line was understood
    bool is_inline_ = false;
    std::string canonical_;  ///< an inline request as an array
    std::string error_;
};

}  // namespace weir
