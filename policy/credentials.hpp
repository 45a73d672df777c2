#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "policy/tenant.hpp"

namespace weir {

class credential_index;

/// The part of a check that takes tens of milliseconds (scrypt), to be run away from the threads that serve
/// clients. Stands on its own: the table it came from may be gone by then. Wipes the password when it goes.
class slow_check {
public:
    slow_check(std::shared_ptr<const credential_index> index, std::string_view user,
               std::string_view password, std::chrono::steady_clock::time_point began);
    ~slow_check();
    slow_check(const slow_check&) = delete;
    slow_check& operator=(const slow_check&) = delete;

    /// The tenant's name, or none. On any thread, beside others'; this one's once.
    [[nodiscard]] std::optional<std::string> run() const;

private:
    std::shared_ptr<const credential_index> index_;
    std::string user_;
    std::string password_;
    std::chrono::steady_clock::time_point began_;
};

/// What is known at once: with `slow` nothing yet; without it the tenant, or none for a wrong user or
/// password.
struct [[nodiscard]] credential_check {
    std::optional<std::string> tenant;  ///< its name
    std::unique_ptr<slow_check> slow;
};

/// Which tenant a user and password make a client. Immutable; all threads share one.
///
/// How long an answer takes tells nothing worth knowing:
/// - digests are compared in constant time; the index of all tenants' SHA-256 digests is looked up under an
/// HMAC with a
///   secret of this process, so that where a lookup ends does not depend on the password in a way that can be
///   computed;
/// - where any tenant has scrypt hashes, a failed check runs as many as the tenant with the most of them has,
/// whether the
///   user exists or not and whatever hashes it has. That costs each attempt the same time as long as all
///   scrypt hashes have the same parameters; where they differ, unknown users cost as much as the dearest.
///
/// Nobody who fails is slowed down here: the caller bounds how many slow checks wait.
class credential_table {
public:
    /// Tenants without passwords are not there. `secret`: 32 random bytes.
    credential_table(const std::map<std::string, tenant_options>& tenants, std::string secret);

    /// Takes microseconds. `now` may come from the caller's cached clock.
    ///
    /// A password alone is the user `default`, as in Redis: any tenant's SHA-256 hash will do for it, and the
    /// hashes of the tenant that has `default` among its users. A password of more than 64 KiB is wrong.
    credential_check begin(std::string_view user, std::string_view password,
                           std::chrono::steady_clock::time_point now) const;
    credential_check begin(std::string_view password, std::chrono::steady_clock::time_point now) const {
        return begin("default", password, now);
    }

private:
    std::shared_ptr<const credential_index> index_;
};

}  // namespace weir
