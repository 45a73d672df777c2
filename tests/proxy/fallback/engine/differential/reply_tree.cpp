#include "tests/proxy/fallback/engine/differential/reply_tree.hpp"

#include <algorithm>
#include <cstdio>

#include "protocol/ascii.hpp"

namespace weir::engine {

namespace {

reply_tree take(std::string_view& rest) {
    const auto line_end = rest.find("\r\n");
    reply_tree made{rest[0], std::string(rest.substr(1, line_end - 1)), {}, false};
    rest.remove_prefix(line_end + 2);
    const std::int64_t count = parse_integer(made.text).value_or(-1);
    made.null = made.type == '_' || ((made.type == '$' || made.type == '*') && count < 0);
    if (made.type == '$' && count >= 0) {
        made.text = rest.substr(0, static_cast<std::size_t>(count));
        rest.remove_prefix(static_cast<std::size_t>(count) + 2);
    }
    if (made.type == '*' || made.type == '~' || made.type == '%') {
        const std::int64_t elements = made.type == '%' ? count * 2 : count;
        for (std::int64_t i = 0; i < elements; ++i) made.elements.push_back(take(rest));
    }
    return made;
}

}  // namespace

bool operator==(const reply_tree& one, const reply_tree& other) {
    return one.type == other.type && one.null == other.null && one.text == other.text && one.elements == other.elements;
}

bool operator<(const reply_tree& one, const reply_tree& other) {
    if (one.type != other.type) return one.type < other.type;
    if (one.text != other.text) return one.text < other.text;
    return std::lexicographical_compare(one.elements.begin(), one.elements.end(), other.elements.begin(),
                                        other.elements.end());
}

reply_tree take_apart(std::string_view reply) { return take(reply); }

reply_tree in_any_order(reply_tree reply, bool pairs) {
    auto& all = reply.elements;
    if (!pairs || all.size() % 2 != 0) {
        std::sort(all.begin(), all.end());
        return reply;
    }
    std::vector<std::pair<reply_tree, reply_tree>> joined;
    for (std::size_t i = 0; i < all.size(); i += 2) joined.emplace_back(all[i], all[i + 1]);
    std::sort(joined.begin(), joined.end());
    all.clear();
    for (auto& [name, value] : joined) {
        all.push_back(std::move(name));
        all.push_back(std::move(value));
    }
    return reply;
}

std::string escaped(std::string_view bytes) {
    std::string text;
    for (const char c : bytes.substr(0, 600)) {
        char piece[8];
        const auto code = static_cast<unsigned char>(c);
        if (c == '\\' || code < 0x20 || code >= 0x7f) {
            std::snprintf(piece, sizeof piece, "\\x%02x", code);
            text += piece;
        } else {
            text += c;
        }
    }
    return bytes.size() > 600 ? text + "... (" + std::to_string(bytes.size()) + ")" : text;
}

}  // namespace weir::engine
