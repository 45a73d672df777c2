#include "proxy/tools.hpp"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <iostream>
#include <iterator>
#include <optional>
#include <string_view>

#include "policy/password_hash.hpp"
#include "policy/script_user.hpp"
#include "policy/tenant.hpp"

namespace weir {
namespace {

constexpr int misuse = 2;
constexpr std::size_t max_password_bytes = 64 << 10;

/// A terminal that does not show what is typed, for as long as this lives.
class hidden_input {
public:
    hidden_input() : known_(::tcgetattr(STDIN_FILENO, &before_) == 0) {
        if (!known_) return;
        termios hidden = before_;
        hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    }
    ~hidden_input() {
        if (known_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    }
    hidden_input(const hidden_input&) = delete;
    hidden_input& operator=(const hidden_input&) = delete;

private:
    termios before_{};
    bool known_;
};

/// One line at a terminal, all there is otherwise; more than the longest password shows as one byte too many.
std::string read_password(std::ostream& err) {
    std::string password;
    if (::isatty(STDIN_FILENO) == 1) {
        const hidden_input hidden;
        err << "Password: " << std::flush;
        std::getline(std::cin, password);
        err << '\n';
        return password;
    }
    for (auto at = std::istreambuf_iterator(std::cin); at != std::istreambuf_iterator<char>{}; ++at) {
        password += *at;
        if (password.size() > max_password_bytes + 2) break;
    }
    if (password.ends_with('\n')) password.pop_back();
    if (password.ends_with('\r')) password.pop_back();
    return password;
}

std::string random_salt() {
    std::array<unsigned char, 16> salt{};
    if (RAND_bytes(salt.data(), static_cast<int>(salt.size())) != 1) return {};
    return {salt.begin(), salt.end()};
}

/// One to three numbers with dots between; the rest are 0.
std::optional<std::array<int, 3>> parse_version(std::string_view text) {
    std::array<int, 3> numbers{};
    for (int& number : numbers) {
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc{} || number < 0) return std::nullopt;
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        if (text.empty()) return numbers;
        if (!text.starts_with('.')) return std::nullopt;
        text.remove_prefix(1);
    }
    return std::nullopt;
}

/// As one word of redis-cli's.
std::string quoted(std::string_view word) {
    if (word.find_first_of("\"' ") == std::string_view::npos) return std::string(word);
    std::string text = "\"";
    for (const char c : word) {
        if (c == '"' || c == '\\') text += '\\';
        text += c;
    }
    return text + '"';
}

}  // namespace

int print_password_hash(bool sha256, std::ostream& out, std::ostream& err) {
    std::string password = read_password(err);
    std::string fault;
    if (password.empty()) fault = "there is no password on standard input";
    if (password.size() > max_password_bytes) fault = "the password has more than 64 KiB";
    const std::string salt = random_salt();
    if (salt.empty()) fault = "there are no random numbers to be had";
    if (fault.empty())
        out << to_string(sha256 ? sha256_password_hash(password) : scrypt_password_hash(password, salt))
            << '\n';
    else
        err << "weir --hash-password: " << fault << '\n';
    OPENSSL_cleanse(password.data(), password.size());
    return fault.empty() ? 0 : misuse;
}

int print_script_user(const options& settings, const std::string& tenant_name, const std::string& version,
                      std::ostream& out, std::ostream& err) {
    const auto fail = [&err](const std::string& fault) {
        err << "weir --script-user: " << fault << '\n';
        return misuse;
    };
    const auto found = settings.tenants.find(tenant_name);
    if (found == settings.tenants.end()) return fail("there is no tenant '" + tenant_name + "'");
    const tenant whose(tenant_name, found->second, settings.upstream.password.value_or(""));
    if (whose.scripts().mode != script_mode::acl)
        return fail("scripts of '" + tenant_name + "' have no user of their own");
    const auto numbers = version.empty() ? std::optional(std::array<int, 3>{}) : parse_version(version);
    if (!numbers) return fail("'" + version + "' is no version such as 7.2.4");
    const auto rules = script_user_rules(whose, (*numbers)[0], (*numbers)[1], (*numbers)[2]);
    if (rules.empty()) return fail("before 6.0 the server has no users");
    out << "ACL SETUSER " << quoted(whose.scripts().username);
    for (const auto& rule : rules) out << ' ' << quoted(rule);
    out << "\nEVAL " << quoted(script_isolation_probe()) << " 0\n";
    return 0;
}

}  // namespace weir
