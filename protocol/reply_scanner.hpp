#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace weir {

enum class scan_status : std::uint8_t { complete, need_more, error };

/// Finds the end of one RESP2 or RESP3 reply in bytes that arrive in any pieces; values are skipped by their lengths,
/// never looked at.
///
/// Call scan() with the bytes that follow those it consumed before. consumed() of them belong to this reply, also
/// when more is needed; what it left is an incomplete header line and must be shown again with more behind it. So a
/// header, simple string, number or error line is always consumed whole, a bulk string in any pieces. After complete
/// the next scan() begins the next reply. Attributes count as part of the reply behind them; a push is a reply of its
/// own.
class reply_scanner {
public:
    /// A longer header line is no RESP.
    static constexpr std::size_t max_line_bytes = 1 << 20;

    [[nodiscard]] scan_status scan(std::string_view input);

    [[nodiscard]] std::size_t consumed() const { return consumed_; }
    /// In the middle of a reply: some of its bytes were consumed, not all.
    [[nodiscard]] bool in_reply() const { return missing_ > 0 || body_bytes_ > 0; }
    /// The first byte of the reply being scanned, or scanned last: `-`, `$`, `>`, …
    [[nodiscard]] char type() const { return type_; }
    [[nodiscard]] bool is_error() const { return type_ == '-' || type_ == '!'; }
    [[nodiscard]] bool is_push() const { return type_ == '>'; }

private:
    [[nodiscard]] bool take_header(std::string_view line);
    [[nodiscard]] bool take_length(std::string_view line);
    [[nodiscard]] bool take_bulk_length(char type, std::string_view text);
    void end_element();

    std::size_t consumed_ = 0;
    std::uint64_t missing_ = 0;     ///< elements still to come in the innermost aggregate of unknown depth; see .cpp
    std::uint64_t body_bytes_ = 0;  ///< of the current bulk string, its line end included
    bool streamed_string_ = false;  ///< between `$?` and `;0`
    std::vector<std::uint64_t> outer_;  ///< missing_ of what stands around a streamed aggregate
    char type_ = 0;
};

}  // namespace weir
