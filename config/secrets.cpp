#include "config/secrets.hpp"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "config/text_file.hpp"

namespace weir {
namespace {

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view space = " \t\r";
    const auto first = text.find_first_not_of(space);
    return first == std::string_view::npos ? ""
                                           : text.substr(first, text.find_last_not_of(space) + 1 - first);
}

/// `#` and 64 hex digits: how Redis' own ACL files write a SHA-256, and here a comment that somebody takes
/// for a password.
bool is_redis_hash(std::string_view line) {
    return line.size() == 65 && line.find_first_not_of("0123456789abcdefABCDEF", 1) == std::string_view::npos;
}

}  // namespace

parsed<std::string> read_password_file(const std::string& path) {
    constexpr std::size_t max_password_bytes = 64 << 10;
    const auto text = read_text_file(path, max_password_bytes);
    if (!text) return fault{text.why()};
    std::string password = *text;
    if (password.ends_with('\n')) password.pop_back();
    if (password.ends_with('\r')) password.pop_back();
    if (password.empty()) return fault{"is empty"};
    return password;
}

parsed<std::string> read_password_env(const std::string& name) {
    const char* const value = std::getenv(name.c_str());
    if (value == nullptr) return fault{"is not set in the environment"};
    if (*value == '\0') return fault{"is set in the environment, but empty"};
    return std::string(value);
}

parsed<std::vector<password_hash>> read_password_hashes(const std::string& path) {
    constexpr std::size_t max_file_bytes = 64 << 10;
    constexpr std::size_t max_hashes = 16;  // a wrong password is compared with all of them
    const auto text = read_text_file(path, max_file_bytes);
    if (!text) return fault{text.why()};
    std::vector<password_hash> hashes;
    std::string_view rest = *text;
    for (std::size_t number = 1; !rest.empty(); ++number) {
        const auto end = std::min(rest.find('\n'), rest.size());
        const auto line = trimmed(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
        const auto place = "has a line " + std::to_string(number) + " that ";
        if (line.starts_with('#') && is_redis_hash(line))
            return fault{place +
                         "is a comment, but looks like a hash of Redis; write sha256: instead of the #"};
        if (line.empty() || line.starts_with('#')) continue;
        auto read = read_password_hash(line);
        if (!read.hash) return fault{place + read.why};
        hashes.push_back(std::move(*read.hash));
    }
    if (hashes.empty()) return fault{"holds no hash, so nobody could authenticate"};
    if (hashes.size() > max_hashes) return fault{"holds more than 16 hashes"};
    return hashes;
}

}  // namespace weir
