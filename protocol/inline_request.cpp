#include "protocol/inline_request.hpp"

#include <cstdint>
#include <optional>

namespace weir {

namespace {

/// C's isspace: what is skipped before an argument.
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// What ends an argument: fewer characters than are skipped, as in Redis.
bool ends_argument(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\0'; }

std::optional<unsigned> hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = to_lower(c);
    if (lower >= 'a' && lower <= 'f') return lower - 'a' + 10;
    return std::nullopt;
}

char unescape(char c) {
    switch (c) {
        case 'n': return '\n';
        case 'r': return '\r';
        case 't': return '\t';
        case 'b': return '\b';
        case 'a': return '\a';
        default: return c;
    }
}

/// Reads one argument off the front of `rest`; nullopt for unbalanced quotes.
class argument_reader {
public:
    explicit argument_reader(std::string_view& rest) : rest_(rest) {}

    std::optional<std::string> read() {
        while (!rest_.empty() && !ends_argument(rest_.front())) {
            const char c = take();
            if (c == '"' || c == '\'') {
                if (!(c == '"' ? read_double_quoted() : read_single_quoted())) return std::nullopt;
                // A closing quote ends the argument: a space or nothing at all must follow.
                if (!rest_.empty() && !is_space(rest_.front())) return std::nullopt;
                break;
            }
            text_ += c;
        }
        return std::move(text_);
    }

private:
    char take() {
        const char c = rest_.front();
        rest_.remove_prefix(1);
        return c;
    }

    bool read_double_quoted() {
        while (!rest_.empty()) {
            const char c = take();
            if (c == '"') return true;
            text_ += c == '\\' && !rest_.empty() ? read_escape() : c;
        }
        return false;
    }

    char read_escape() {
        if (rest_.size() >= 3 && rest_[0] == 'x') {
            const auto high = hex_digit(rest_[1]);
            const auto low = hex_digit(rest_[2]);
            if (high && low) {
                rest_.remove_prefix(3);
                return static_cast<char>(*high * 16 + *low);
            }
        }
        return unescape(take());
    }

    bool read_single_quoted() {
        while (!rest_.empty()) {
            const char c = take();
            if (c == '\'') return true;
            text_ += c == '\\' && !rest_.empty() && rest_.front() == '\'' ? take() : c;
        }
        return false;
    }

    std::string_view& rest_;
    std::string text_;
};

}  // namespace

bool split_inline_request(std::string_view line, std::string& canonical, std::vector<argument_slice>& slices) {
    std::vector<std::string> found;
    while (true) {
        while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
        // Redis reads the line as a C string: a NUL ends it.
        if (line.empty() || line.front() == '\0') break;
        auto argument = argument_reader{line}.read();
        if (!argument) return false;
        found.push_back(std::move(*argument));
    }
    canonical = "*" + std::to_string(found.size()) + "\r\n";
    slices.clear();
    for (const auto& argument : found) {
        canonical += "$" + std::to_string(argument.size()) + "\r\n";
        slices.push_back({static_cast<std::uint32_t>(canonical.size()), static_cast<std::uint32_t>(argument.size())});
        canonical += argument + "\r\n";
    }
    return true;
}

}  // namespace weir
