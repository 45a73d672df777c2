#include "policy/digest.hpp"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

namespace weir {
namespace {

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

sha1_digest sha1(std::string_view text) {
    sha1_digest digest{};
    SHA1(bytes_of(text), text.size(), digest.data());
    return digest;
}

sha256_digest sha256(std::string_view text) {
    sha256_digest digest{};
    SHA256(bytes_of(text), text.size(), digest.data());
    return digest;
}

sha256_digest hmac_sha256(std::string_view key, std::string_view text) {
    sha256_digest digest{};
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(text), text.size(), digest.data(),
         nullptr);
    return digest;
}

sha256_digest hmac_sha256_of_parts(std::string_view key, std::initializer_list<std::string_view> parts) {
    std::string joined;
    for (const std::string_view part : parts) {
        joined += std::to_string(part.size());
        joined += ':';
        joined += part;
    }
    const sha256_digest digest = hmac_sha256(key, joined);
    OPENSSL_cleanse(joined.data(), joined.size());
    return digest;
}

std::string to_hex(std::span<const unsigned char> bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const unsigned char byte : bytes) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

}  // namespace weir
