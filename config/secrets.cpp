#include "config/secrets.hpp"

#include <cstdlib>

#include "config/text_file.hpp"

namespace weir {

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

}  // namespace weir
