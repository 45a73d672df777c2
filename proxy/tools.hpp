#pragma once

#include <iosfwd>
#include <string>

#include "config/options.hpp"

namespace weir {

/// What `weir` does besides serving. Each gives the exit code: 0, or 2 after saying what is wrong.

/// --hash-password: a line for a passwords_file from the password on standard input, of which one newline at
/// the end is no part. At a terminal it asks, without showing what is typed.
[[nodiscard]] int print_password_hash(bool sha256, std::ostream& out, std::ostream& err);

/// --script-user: two commands for redis-cli. ACL SETUSER makes the user for a tenant's scripts; the EVAL
/// behind it must answer 1, or scripts of one tenant can meddle with those of others on this server.
/// `version`: its redis_version, empty when it is not known.
[[nodiscard]] int print_script_user(const options& settings, const std::string& tenant_name,
                                    const std::string& version, std::ostream& out, std::ostream& err);

}  // namespace weir
