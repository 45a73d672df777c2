#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

class tenant;

/// Whether a tenant may run scripts and functions, and as whom.
/// - `acl`: on connections that are logged in as an ACL user of the server who may touch this tenant's keys
/// and
///   channels and nothing else: the server itself stops a script that reaches further.
/// - `deny`: not at all.
/// - `trust`: as weir's own user. The script sees every tenant's keys.
enum class script_mode : std::uint8_t { acl, deny, trust };

struct script_options {
    script_mode mode = script_mode::acl;
    std::string username;  ///< of a confined ACL user that is there already; empty: weir makes one
    std::optional<std::string> password;  ///< of that user
    bool operator==(const script_options&) const = default;
};

/// How a tenant's scripts log in at the server. Name and password are of use in mode `acl` only.
struct script_login {
    script_mode mode = script_mode::acl;
    std::string username;
    std::string password;
    bool made_by_weir = false;  ///< weir gives the server this user, with script_user_rules()
};

/// What the configuration says, completed: a user that weir makes is named after tenant and prefix, and its
/// password follows from the prefix and the upstream's own password, so that all sidecars of a tenant make
/// the same user.
[[nodiscard]] script_login make_script_login(const script_options& options, std::string_view tenant_name,
                                             std::string_view prefix, std::string_view upstream_password);

/// ACL SETUSER's rules for the user that weir makes, on a server of this version (0: not known).
[[nodiscard]] std::vector<std::string> script_user_rules(const tenant& owner, int server_major, int server_minor);

}  // namespace weir
