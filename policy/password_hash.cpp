#include "policy/password_hash.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <span>
#include <stdexcept>
#include <vector>

#include "policy/digest.hpp"

namespace weir {
namespace {

constexpr std::string_view sha256_front = "sha256:";
constexpr std::string_view scrypt_front = "$scrypt$";
constexpr std::uint64_t max_scrypt_memory = std::uint64_t{64} << 20;
constexpr std::uint64_t max_scrypt_work = std::uint64_t{1} << 22;  ///< N·r·p; the default's is 2^18
constexpr std::size_t min_bytes = 8;                               ///< of a salt; of a hash twice as many
constexpr std::size_t max_bytes = 64;                              ///< of either

password_hash_reading refused(std::string why) {
    return {std::nullopt, std::move(why)};
}

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::optional<std::string> from_hex(std::string_view text) {
    if (text.size() % 2 != 0 || std::ranges::any_of(text, [](char c) { return hex_value(c) < 0; })) return {};
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); i += 2)
        bytes += static_cast<char>(hex_value(text[i]) * 16 + hex_value(text[i + 1]));
    return bytes;
}

bool is_base64(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/// Without '=' at the end.
std::optional<std::string> from_base64(std::string_view text) {
    if (text.empty() || text.size() > 2 * max_bytes || text.size() % 4 == 1 ||
        !std::ranges::all_of(text, is_base64))
        return {};
    const std::size_t padding = (4 - text.size() % 4) % 4;
    const std::string padded = std::string(text) + std::string(padding, '=');
    std::string bytes(padded.size(), '\0');
    const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                     reinterpret_cast<const unsigned char*>(padded.data()),
                                     static_cast<int>(padded.size()));
    if (size < 0) return {};
    bytes.resize(static_cast<std::size_t>(size) - padding);
    return bytes;
}

std::string to_base64(std::string_view bytes) {
    std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');  // and the NUL that EVP_EncodeBlock adds
    const int size =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                        reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    text.resize(static_cast<std::size_t>(size));
    text.resize(text.find_last_not_of('=') + 1);
    return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        const auto end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

/// `name=number`, of 1 to 9 digits.
std::optional<unsigned> setting(std::string_view text, std::string_view name) {
    if (!text.starts_with(name) || !text.substr(name.size()).starts_with('=')) return {};
    const std::string_view digits = text.substr(name.size() + 1);
    unsigned value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc{} || end != digits.data() + digits.size() || digits.size() > 9) return {};
    return value;
}

std::optional<scrypt_cost> read_cost(std::string_view text) {
    const auto parts = split(text, ',');
    if (parts.size() != 3) return {};
    const auto log2_n = setting(parts[0], "ln");
    const auto r = setting(parts[1], "r");
    const auto p = setting(parts[2], "p");
    if (!log2_n || !r || !p) return {};
    return scrypt_cost{*log2_n, *r, *p};
}

/// Checked before anything is computed with them: the numbers come from a file.
std::string cost_fault(const scrypt_cost& cost) {
    if (cost.log2_n < 1 || cost.r < 1 || cost.p < 1) return "is scrypt with a parameter of 0";
    if (cost.log2_n > 20 || cost.r > 1 << 20 || cost.memory_bytes() > max_scrypt_memory)
        return "is scrypt that needs more than 64 MiB of memory for each check";
    if (cost.p > max_scrypt_work || ((std::uint64_t{1} << cost.log2_n) * cost.r * cost.p) > max_scrypt_work)
        return "is scrypt that takes too much time for each check";
    return {};
}

password_hash_reading read_scrypt(std::string_view text) {
    const auto parts = split(text.substr(scrypt_front.size()), '$');
    const auto cost = parts.size() == 3 ? read_cost(parts[0]) : std::nullopt;
    if (!cost) return refused("is not scrypt as $scrypt$ln=15,r=8,p=1$<salt>$<hash>");
    if (auto why = cost_fault(*cost); !why.empty()) return refused(std::move(why));
    const auto salt = from_base64(parts[1]);
    const auto digest = from_base64(parts[2]);
    if (!salt || !digest) return refused("is scrypt whose salt or hash is not base64 without '='");
    if (salt->size() < min_bytes || digest->size() < 2 * min_bytes)
        return refused("is scrypt with a salt of less than 8 bytes or a hash of less than 16");
    return {password_hash{*digest, *salt, cost}, {}};
}

password_hash_reading read_sha256(std::string_view text) {
    const std::string_view digits = text.substr(sha256_front.size());
    const auto digest = from_hex(digits);
    if (!digest || digest->size() != sizeof(sha256_digest))
        return refused("is not sha256: and 64 hex digits behind it");
    return {password_hash{*digest, {}, std::nullopt}, {}};
}

/// As many bytes as `size` says.
std::string scrypt(std::string_view password, std::string_view salt, const scrypt_cost& cost,
                   std::size_t size) {
    std::string derived(size, '\0');
    // OpenSSL counts a little more than memory_bytes(); the bound that counts is cost_fault()'s.
    const std::uint64_t allowed = 2 * max_scrypt_memory;
    if (EVP_PBE_scrypt(password.data(), password.size(), reinterpret_cast<const unsigned char*>(salt.data()),
                       salt.size(), std::uint64_t{1} << cost.log2_n, cost.r, cost.p, allowed,
                       reinterpret_cast<unsigned char*>(derived.data()), derived.size()) != 1)
        derived.clear();
    return derived;
}

std::string sha256_bytes(std::string_view password) {
    const sha256_digest digest = sha256(password);
    return {digest.begin(), digest.end()};
}

}  // namespace

password_hash_reading read_password_hash(std::string_view text) {
    if (text.starts_with(sha256_front)) return read_sha256(text);
    if (text.starts_with(scrypt_front)) return read_scrypt(text);
    if (text.starts_with("$argon2"))
        return refused("is Argon2, which weir's OpenSSL does not have; use scrypt (weir --hash-password)");
    return refused("is neither sha256:<64 hex digits> nor $scrypt$…; weir --hash-password makes either");
}

bool matches(const password_hash& hash, std::string_view password) {
    const std::string derived =
        hash.cost ? scrypt(password, hash.salt, *hash.cost, hash.digest.size()) : sha256_bytes(password);
    // An empty one is scrypt that ran out of memory: nothing matches.
    return !derived.empty() && derived.size() == hash.digest.size() &&
           CRYPTO_memcmp(derived.data(), hash.digest.data(), derived.size()) == 0;
}

std::string to_string(const password_hash& hash) {
    const auto bytes =
        std::span(reinterpret_cast<const unsigned char*>(hash.digest.data()), hash.digest.size());
    if (!hash.cost) return std::string(sha256_front) + to_hex(bytes);
    return std::string(scrypt_front) + "ln=" + std::to_string(hash.cost->log2_n) +
           ",r=" + std::to_string(hash.cost->r) + ",p=" + std::to_string(hash.cost->p) + '$' +
           to_base64(hash.salt) + '$' + to_base64(hash.digest);
}

password_hash sha256_password_hash(std::string_view password) {
    return {sha256_bytes(password), {}, std::nullopt};
}

password_hash scrypt_password_hash(std::string_view password, std::string salt, const scrypt_cost& cost) {
    constexpr std::size_t digest_bytes = 32;
    std::string digest = scrypt(password, salt, cost, digest_bytes);
    if (digest.empty()) throw std::runtime_error("scrypt failed: not enough memory");
    return {std::move(digest), std::move(salt), cost};
}

}  // namespace weir
