#include "proxy/fallback/postgres/key_places.hpp"

#include <string>

#include "policy/digest.hpp"

namespace weir::pg {

namespace {

/// The first bytes, big-endian.
std::uint64_t first_bytes(const sha256_digest& digest, std::size_t count) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i) value = value << 8 | digest[i];
    return value;
}

constexpr std::uint64_t sign_bit = std::uint64_t{1} << 63;

}  // namespace

std::uint64_t place_of(std::string_view key) { return first_bytes(sha256(key), place_bits / 8); }

std::int64_t tenant_lock(std::string_view prefix) {
    return static_cast<std::int64_t>(first_bytes(sha256(prefix), 8) | sign_bit);
}

std::int64_t key_lock(std::string_view prefix, std::int64_t database, std::string_view key) {
    std::string all(prefix);
    // A prefix has no control characters, so nothing else has the same bytes.
    all += '\0';
    all += std::to_string(database);
    all += '\0';
    all += key;
    return static_cast<std::int64_t>(first_bytes(sha256(all), 8) & ~sign_bit);
}

std::optional<std::int64_t> hashed_over(const tenant& whose) {
    const long_key_options& rule = whose.long_keys();
    if (rule.action != long_key_action::sha256) return std::nullopt;
    return static_cast<std::int64_t>(rule.over_bytes);
}

}  // namespace weir::pg
