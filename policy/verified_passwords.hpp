#pragma once

#include <chrono>
#include <cstddef>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "policy/digest.hpp"

namespace weir {

/// A digest under a key that nobody else has is as good as random already.
struct keyed_digest_hash {
    std::size_t operator()(const sha256_digest& digest) const noexcept {
        std::size_t value = 0;
        std::memcpy(&value, digest.data(), sizeof value);
        return value;
    }
};

/// Passwords that were found right a short while ago, so that a thousand clients that come back at once cost
/// one slow check and not a thousand. Holds HMACs under a key of this process, no passwords; `capacity` at
/// most, the oldest go first. Wrong passwords are not kept. Any thread may call any of it.
class verified_passwords {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// `secret`: 32 random bytes.
    verified_passwords(std::string secret, std::size_t capacity, std::chrono::milliseconds lifetime)
        : secret_(std::move(secret)), capacity_(capacity), lifetime_(lifetime) {}

    void remember(std::string_view user, std::string_view password, std::size_t tenant, time_point now);
    [[nodiscard]] std::optional<std::size_t> find(std::string_view user, std::string_view password,
                                                  time_point now) const;
    [[nodiscard]] std::size_t size() const;

private:
    struct entry {
        std::size_t tenant;
        time_point expires;
    };

    [[nodiscard]] sha256_digest key_of(std::string_view user, std::string_view password) const {
        return hmac_sha256_of_parts(secret_, {user, password});
    }
    void make_room(time_point now);

    const std::string secret_;
    const std::size_t capacity_;
    const std::chrono::milliseconds lifetime_;
    mutable std::mutex mutex_;
    std::unordered_map<sha256_digest, entry, keyed_digest_hash> entries_;
    std::deque<sha256_digest> by_age_;  ///< the keys of entries_, oldest first: all live equally long
};

}  // namespace weir
