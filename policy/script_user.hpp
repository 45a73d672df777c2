#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

class permissions;
class tenant;
struct command_spec;

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
    /// Run scripts also where script_isolation_probe() says that they can meddle with each other.
    bool accepts_shared_interpreter = false;
    bool operator==(const script_options&) const = default;
};

/// How a tenant's scripts log in at the server. Name and password are of use in mode `acl` only.
struct script_login {
    script_mode mode = script_mode::acl;
    std::string username;
    std::string password;
    bool made_by_weir = false;  ///< weir gives the server this user, with script_user_rules()
    /// The prefix is the beginning of an option's name: see script_user_rules().
    bool prefix_is_like_an_option = false;
    bool accepts_shared_interpreter = false;
};

/// What the configuration says, completed: a user that weir makes is named after tenant, prefix and permissions, and its
/// password follows from the prefix and the upstream's own password, so that all sidecars of a tenant make the same user.
/// Other permissions are another user, so that neither a connection that is there nor a sidecar that has not reloaded
/// yet changes what the other may do.
[[nodiscard]] script_login make_script_login(const script_options& options, std::string_view tenant_name,
                                             std::string_view prefix, std::string_view upstream_password,
                                             const permissions& permits);

/// Whether the user of script_user_rules() may run a command on the tenant's keys, as far as that does not
/// depend on the server's version (SORT). Cheap: asked for every command.
[[nodiscard]] bool script_user_may(const command_spec& row, const tenant& whose);

/// Whether that user may touch the same keys as the tenant may outside of scripts. `server_major` 0: unknown.
[[nodiscard]] bool script_user_has_all_keys(const tenant& whose, int server_major);

/// What follows `ACL SETUSER name` to make the user of script_login(): the whole user, whatever it was
/// before. Empty when the server is too old to have users (before 6.0).
///
/// The user may touch the tenant's keys and channels, by the commands that name their keys where the server
/// looks for them. A command that is not among those of protocol/command_rows.cpp is not allowed: newer
/// servers and modules have been seen to look in the wrong place. What needs more than that:
/// - GEORADIUS and GEORADIUSBYMEMBER: the server checks the first STORE and obeys the last. Left out; their
/// _RO forms and
///   GEOSEARCHSTORE are there.
/// - PFMERGE: with a destination alone the server finds no keys to check, and writes it. Left out.
/// - SORT: checked for BY and GET since 7.0 only (SORT_RO: 7.0.13, but not 7.2.0).
/// - SORT, XREAD, XREADGROUP take a key that is called like one of their options for the option. No tenant's
/// key is,
///   unless its prefix is the beginning of such a word: then they are left out.
/// - Without channel patterns, before 6.2, there is no PUBLISH.
/// - With a list of databases SELECT reaches these alone, and MOVE and COPY, which name others, are left out.
/// What the tenant's permissions take away is left out too, but PING, which weir sends itself. Its key patterns stand
/// behind the prefix; before 7.0 users know none for reading or writing alone, so such a pattern is left out. A key whose
/// name is hashed (long_keys) matches no pattern. Without the right to SELECT a script stays in database 0, or in the
/// only one of the list.
[[nodiscard]] std::vector<std::string> script_user_rules(const tenant& whose, int server_major,
                                                         int server_minor, int server_patch = 0);

/// A Lua script without keys that returns 1 when what one script does to the interpreter cannot be seen by
/// the next, of another tenant perhaps. Anything else, and any error, means that it can (CVE-2022-24735,
/// CVE-2025-46818; Valkey 8.0.1 for one: `setfenv(0, …)` there gives every later script other globals, and
/// getmetatable('') can be written). On such a server a script can leave a function behind that runs with the
/// rights of whoever comes next, and no ACL keeps tenants apart: scripts must be refused. It changes nothing.
/// Ask before the first script of a tenant runs: whoever is free to change the interpreter may also make it
/// lie.
[[nodiscard]] std::string_view script_isolation_probe();

}  // namespace weir
