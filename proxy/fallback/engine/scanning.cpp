#include "proxy/fallback/engine/scanning.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace weir::engine {

/// By strtoul, so a sign, and nothing at all, are taken too.
std::optional<std::uint64_t> read_cursor(const call& c, std::size_t argument) {
    const std::string text(c[argument].substr(0, c[argument].find('\0')));
    char* end = nullptr;
    errno = 0;
    const std::uint64_t cursor = std::strtoul(text.c_str(), &end, 10);
    const bool begins_with_space = !text.empty() && (text[0] == ' ' || (text[0] >= '\t' && text[0] <= '\r'));
    if (!begins_with_space && *end == '\0' && errno != ERANGE) return cursor;
    c.fail(texts::invalid_cursor);
    return std::nullopt;
}

std::optional<scan_options> read_scan_options(const call& c, std::size_t first, bool with_type) {
    scan_options options;
    for (std::size_t i = first; i < c.size(); i += 2) {
        const bool has_value = i + 1 < c.size();
        if (has_value && c.is(i, "count")) {
            const auto count = c.integer(i + 1);
            if (!count) return std::nullopt;
            if (*count < 1) {
                c.fail_syntax();
                return std::nullopt;
            }
            options.count = static_cast<std::uint64_t>(*count);
        } else if (has_value && c.is(i, "match")) {
            options.pattern = c[i + 1] == "*" ? std::nullopt : std::optional(c[i + 1]);
        } else if (has_value && with_type && c.is(i, "type")) {
            options.type = c[i + 1];
        } else {
            c.fail_syntax();
            return std::nullopt;
        }
    }
    return options;
}

place_page page_of(std::size_t size, bool small, std::uint64_t cursor, std::uint64_t count) {
    if (small) return {0, size, 0};
    const std::size_t end = cursor == 0 ? size : static_cast<std::size_t>(std::min<std::uint64_t>(cursor, size));
    const std::size_t begin = end - static_cast<std::size_t>(std::min<std::uint64_t>(count, end));
    return {begin, end, begin};
}

void write_page(const call& c, std::uint64_t next, const std::vector<std::string>& elements) {
    c.reply().array(2);
    c.reply().bulk(std::to_string(next));
    c.reply().array(elements.size());
    for (const auto& each : elements) c.reply().bulk(each);
}

}  // namespace weir::engine
