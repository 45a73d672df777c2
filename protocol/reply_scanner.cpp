#include "protocol/reply_scanner.hpp"

#include <algorithm>
#include <cstring>

#include "protocol/ascii.hpp"

namespace weir {

namespace {

/// missing_ of a streamed aggregate (`*?`, ends with `.`): it never counts down.
constexpr std::uint64_t until_end_marker = ~std::uint64_t{0};
/// No reply has more elements; a larger count is an attack or a fault, and sums cannot wrap.
constexpr std::int64_t max_elements = std::int64_t{1} << 40;

}  // namespace

// All nested aggregates share one count: an array of n is one element done and n more to come, so the reply ends when
// the count is 0. Only streamed aggregates, which say no count, need the count around them kept aside.
scan_status reply_scanner::scan(std::string_view input) {
    const char* const start = input.data();
    const char* at = start;
    const char* const end = start + input.size();
    consumed_ = 0;
    const bool begins = !in_reply();
    if (begins) {
        if (input.empty()) return scan_status::need_more;
        type_ = *at;
        missing_ = 1;
    }
    while (true) {
        if (body_bytes_ > 0) {
            const auto taken = std::min<std::uint64_t>(body_bytes_, static_cast<std::uint64_t>(end - at));
            at += taken;
            body_bytes_ -= taken;
            if (body_bytes_ > 0) break;
            if (!streamed_string_) end_element();
        }
        if (missing_ == 0) {
            consumed_ = static_cast<std::size_t>(at - start);
            return scan_status::complete;
        }
        const auto* line_end = static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at)));
        if (line_end == nullptr) {
            if (end - at > static_cast<std::ptrdiff_t>(max_line_bytes)) return scan_status::error;
            break;
        }
        if (line_end == at || line_end[-1] != '\r') return scan_status::error;
        const std::string_view line(at, static_cast<std::size_t>(line_end - 1 - at));
        // An attribute stands in front of the reply it belongs to, which decides what the reply is.
        if (missing_ == 1 && outer_.empty() && type_ == '|' && !line.empty() && line[0] != '|') type_ = line[0];
        if (!take_header(line)) return scan_status::error;
        at = line_end + 1;
    }
    consumed_ = static_cast<std::size_t>(at - start);
    if (begins && consumed_ == 0) missing_ = 0;  // not even its first line is here
    return scan_status::need_more;
}

void reply_scanner::end_element() {
    if (missing_ != until_end_marker) --missing_;
    while (missing_ == 0 && !outer_.empty()) {
        missing_ = outer_.back();
        outer_.pop_back();
        if (missing_ != until_end_marker) --missing_;
    }
}

bool reply_scanner::take_header(std::string_view line) {
    if (line.empty()) return false;
    if (streamed_string_) {
        if (line[0] != ';') return false;
        if (line == ";0") {
            streamed_string_ = false;
            end_element();
            return true;
        }
        return take_bulk_length(';', line.substr(1));
    }
    switch (line[0]) {
        case '+':
        case '-':
        case ':':
        case ',':
        case '#':
        case '_':
        case '(':
            end_element();
            return true;
        case '.':
            if (line.size() != 1 || missing_ != until_end_marker || outer_.empty()) return false;
            missing_ = outer_.back();
            outer_.pop_back();
            end_element();
            return true;
        default:
            return take_length(line);
    }
}

bool reply_scanner::take_length(std::string_view line) {
    const char type = line[0];
    const std::string_view text = line.substr(1);
    if (type == '$' || type == '=' || type == '!') return take_bulk_length(type, text);
    if (type != '*' && type != '%' && type != '~' && type != '>' && type != '|') return false;
    if (text == "?") {
        outer_.push_back(missing_);
        missing_ = until_end_marker;
        return true;
    }
    const auto count = parse_integer(text);
    if (!count || *count > max_elements || *count < -1) return false;
    if (*count == -1) {
        end_element();  // RESP2's null array
        return true;
    }
    const bool pairs = type == '%' || type == '|';
    const auto elements = static_cast<std::uint64_t>(*count) * (pairs ? 2 : 1);
    if (missing_ == until_end_marker) {
        if (type == '|') {
            // Inside a streamed aggregate: the attribute's own parts are elements that the end marker closes as well.
            return true;
        }
        if (elements == 0) return true;
        outer_.push_back(missing_);
        missing_ = elements;
        return true;
    }
    if (missing_ > static_cast<std::uint64_t>(max_elements)) return false;
    missing_ += elements;
    if (type != '|') {
        // end_element would look past an enclosing streamed aggregate only at zero, which is right for empty ones.
        end_element();
    }
    return true;
}

bool reply_scanner::take_bulk_length(char type, std::string_view text) {
    if (type == '$' && text == "?") {
        streamed_string_ = true;
        return true;
    }
    const auto length = parse_integer(text);
    if (!length || *length < -1) return false;
    if (*length == -1) {
        if (type != '$') return false;
        end_element();  // RESP2's null bulk string
        return true;
    }
    body_bytes_ = static_cast<std::uint64_t>(*length) + 2;
    return true;
}

}  // namespace weir
