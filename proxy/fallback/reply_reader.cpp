#include "proxy/fallback/reply_reader.hpp"

#include "protocol/ascii.hpp"

namespace weir {

namespace {

constexpr std::string_view line_end = "\r\n";

}  // namespace

std::optional<std::string_view> reply_reader::line() {
    const auto end = rest_.find(line_end);
    if (end == std::string_view::npos) return std::nullopt;
    const auto found = rest_.substr(0, end);
    rest_.remove_prefix(end + line_end.size());
    return found;
}

std::optional<reply_reader::element> reply_reader::next() {
    const auto header = line();
    if (!header || header->empty()) return std::nullopt;
    element read{.type = header->front()};
    const auto rest = header->substr(1);
    switch (read.type) {
        case '_':
            read.is_null = true;
            return read;
        case '+':
        case '-':
        case ':':
        case ',':
            read.text = rest;
            return read;
        case '$':
        case '!':
        case '*':
        case '~':
        case '%': break;
        default: return std::nullopt;
    }
    const auto length = parse_integer(rest);
    if (length == -1) {
        read.is_null = true;
        return read;
    }
    if (!length || *length < 0 || static_cast<std::uint64_t>(*length) > rest_.size()) return std::nullopt;
    const auto count = static_cast<std::size_t>(*length);
    if (read.type == '*' || read.type == '~' || read.type == '%') {
        read.elements = read.type == '%' ? 2 * count : count;
        return read;
    }
    if (rest_.substr(count, line_end.size()) != line_end) return std::nullopt;
    read.text = rest_.substr(0, count);
    rest_.remove_prefix(count + line_end.size());
    return read;
}

}  // namespace weir
