#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir {

/// What scrypt costs: 128 · 2^log2_n · r bytes of memory, and time that grows with 2^log2_n · r · p.
struct scrypt_cost {
    unsigned log2_n = 15;
    unsigned r = 8;
    unsigned p = 1;
    [[nodiscard]] std::uint64_t memory_bytes() const { return (std::uint64_t{128} << log2_n) * r; }
    bool operator==(const scrypt_cost&) const = default;
};

/// What a password is checked against; the password cannot be had from it. As text it is one of
///
///     sha256:<64 hex digits>
///     $scrypt$ln=<log2 of N>,r=<r>,p=<p>$<salt>$<hash>       both base64 without '=' (the PHC string format)
///
/// SHA-256 is instant, and good for random passwords alone: a guessed one is tried a billion times a second.
/// scrypt takes tens of milliseconds, which is too long for a thread that serves others.
struct password_hash {
    std::string digest;               ///< bytes
    std::string salt;                 ///< bytes; scrypt's
    std::optional<scrypt_cost> cost;  ///< scrypt's; none: the digest is SHA-256
    [[nodiscard]] bool is_slow() const { return cost.has_value(); }
    bool operator==(const password_hash&) const = default;
};

/// A hash, or why a text is none: "is …", without the text itself, as it may be a password in the wrong
/// place.
struct [[nodiscard]] password_hash_reading {
    std::optional<password_hash> hash;
    std::string why;
};

/// scrypt that needs more than 64 MiB, or 16 times the default's time, is refused, as is Argon2, which the
/// OpenSSL that weir uses does not have.
password_hash_reading read_password_hash(std::string_view text);

/// Compares in constant time. Slow for a slow hash; safe on any thread.
[[nodiscard]] bool matches(const password_hash& hash, std::string_view password);

[[nodiscard]] std::string to_string(const password_hash& hash);
[[nodiscard]] password_hash sha256_password_hash(std::string_view password);
/// `salt`: 16 random bytes. Slow.
[[nodiscard]] password_hash scrypt_password_hash(std::string_view password, std::string salt,
                                                 const scrypt_cost& cost = {});

}  // namespace weir
