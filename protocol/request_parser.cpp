#include "protocol/request_parser.hpp"

#include <algorithm>

#include "protocol/inline_request.hpp"

namespace weir {

namespace {

constexpr std::string_view line_end = "\r\n";

/// The text between `from` and the line's end; empty optional while the end has not arrived.
struct line {
    bool whole = false;
    std::string_view text;
};

line find_line(std::string_view input, std::size_t from) {
    const auto end = input.find('\r', from);
    if (end == std::string_view::npos || end + 1 >= input.size()) return {};
    return {true, input.substr(from, end - from)};
}

}  // namespace

void request_parser::reset() {
    slices_.clear();
    position_ = 0;
    announced_ = 0;
    bulk_bytes_ = -1;
    counted_ = false;
    is_inline_ = false;
}

parse_status request_parser::fail(std::string text) {
    error_ = "ERR Protocol error: " + std::move(text);
    return parse_status::error;
}

parse_status request_parser::parse(std::string_view input, const request_limits& limits) {
    if (!counted_) {
        if (input.empty()) return parse_status::need_more;
        if (input.front() != '*') return parse_inline(input);
        if (const auto status = parse_count(input, limits); status != parse_status::complete) return status;
    }
    return parse_arguments(input, limits);
}

parse_status request_parser::parse_count(std::string_view input, const request_limits& limits) {
    const auto [whole, text] = find_line(input, 1);
    if (!whole) {
        if (input.size() > max_inline_bytes) return fail("too big mbulk count string");
        return parse_status::need_more;
    }
    const auto count = parse_integer(text);
    const bool ends_well = input.substr(1 + text.size(), 2) == line_end;
    if (!count || !ends_well || *count > static_cast<std::int64_t>(limits.max_arguments)) {
        return fail("invalid multibulk length");
    }
    if (*count > 10 && !limits.authenticated) return fail("unauthenticated multibulk length");
    position_ = text.size() + 3;
    announced_ = static_cast<std::size_t>(std::max<std::int64_t>(*count, 0));
    counted_ = true;
    return parse_status::complete;
}

parse_status request_parser::parse_bulk_header(std::string_view input, const request_limits& limits) {
    if (position_ >= input.size()) return parse_status::need_more;
    // From the `$` on: an empty line here is whole, and wrong.
    const auto [whole, header] = find_line(input, position_);
    if (!whole) {
        if (input.size() - position_ > max_inline_bytes) return fail("too big bulk count string");
        return parse_status::need_more;
    }
    if (input[position_] != '$') return fail(std::string("expected '$', got '") + input[position_] + "'");
    const auto length = parse_integer(header.substr(1));
    const bool ends_well = input.substr(position_ + header.size(), 2) == line_end;
    if (!length || !ends_well || *length < 0 || *length > static_cast<std::int64_t>(limits.max_bulk_bytes)) {
        return fail("invalid bulk length");
    }
    if (*length > 16'384 && !limits.authenticated) return fail("unauthenticated bulk length");
    position_ += header.size() + line_end.size();
    bulk_bytes_ = *length;
    return parse_status::complete;
}

parse_status request_parser::parse_arguments(std::string_view input, const request_limits& limits) {
    while (slices_.size() < announced_) {
        if (bulk_bytes_ < 0) {
            if (const auto status = parse_bulk_header(input, limits); status != parse_status::complete) return status;
        }
        const auto length = static_cast<std::size_t>(bulk_bytes_);
        if (position_ + length + line_end.size() > limits.max_request_bytes) return fail("too big request");
        if (input.size() < position_ + length + line_end.size()) return parse_status::need_more;
        // Redis skips these two bytes unseen; we must not pass on what another server may take for something else.
        if (input[position_ + length] != '\r' || input[position_ + length + 1] != '\n') {
            return fail("expected CRLF behind a bulk string");
        }
        slices_.push_back({static_cast<std::uint32_t>(position_), static_cast<std::uint32_t>(length)});
        position_ += length + line_end.size();
        bulk_bytes_ = -1;
    }
    return parse_status::complete;
}

parse_status request_parser::parse_inline(std::string_view input) {
    const auto end = input.find('\n');
    if (std::min(end, input.size()) > max_inline_bytes) return fail("too big inline request");
    if (end == std::string_view::npos) return parse_status::need_more;
    std::string_view text = input.substr(0, end);
    if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
    if (!split_inline_request(text, canonical_, slices_)) return fail("unbalanced quotes in request");
    is_inline_ = true;
    position_ = end + 1;
    return parse_status::complete;
}

}  // namespace weir
