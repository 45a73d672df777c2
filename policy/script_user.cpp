#include "policy/script_user.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <span>

#include "policy/digest.hpp"
#include "policy/tenant.hpp"
#include "protocol/ascii.hpp"
#include "protocol/command_table.hpp"

namespace weir {
namespace {

using version = std::array<int, 3>;
constexpr version first_with_users{6, 0, 0};
constexpr version first_with_channels{6, 2, 0};
constexpr int first_major_with_key_permissions = 7;
constexpr version every_modern{6, 2, 0};

/// Of no tenant's keys and nobody's data, or confined by the channel patterns.
constexpr std::string_view in_scripts[] = {"echo", "ping", "publish", "spublish", "time"};

/// Of these the one that weir sends too, for what it answers itself in a transaction.
constexpr std::string_view sent_by_weir = "ping";

/// What weir itself sends on these connections. Scripts may call none of them but SELECT, which is dealt with
/// apart.
constexpr std::string_view for_the_connection[] = {
    "client|caching", "client|id", "client|setinfo", "client|setname", "client|tracking", "discard", "eval",     "evalsha",
    "eval_ro",     "evalsha_ro",     "exec",           "fcall",   "fcall_ro", "multi",
    "script|load", "script|exists",  "unwatch",        "watch"};

/// Since when the server has a command, or can be trusted with it; those not named are as old as 6.0.
struct since {
    version first;
    std::string_view name;
};
constexpr since newcomers[] = {
    {{6, 2, 0}, "blmove"},         {{6, 2, 0}, "copy"},           {{6, 2, 0}, "geosearch"},
    {{6, 2, 0}, "geosearchstore"}, {{6, 2, 0}, "getdel"},         {{6, 2, 0}, "getex"},
    {{6, 2, 0}, "hrandfield"},     {{6, 2, 0}, "lmove"},          {{6, 2, 0}, "lpos"},
    {{6, 2, 0}, "publish"},        {{6, 2, 0}, "smismember"},     {{6, 2, 0}, "xautoclaim"},
    {{6, 2, 0}, "zdiff"},          {{6, 2, 0}, "zdiffstore"},     {{6, 2, 0}, "zinter"},
    {{6, 2, 0}, "zmscore"},        {{6, 2, 0}, "zrandmember"},    {{6, 2, 0}, "zunion"},
    {{6, 2, 0}, "zrangestore"},    {{7, 0, 0}, "blmpop"},         {{7, 0, 0}, "bzmpop"},
    {{7, 0, 0}, "eval_ro"},        {{7, 0, 0}, "evalsha_ro"},     {{7, 0, 0}, "expiretime"},
    {{7, 0, 0}, "fcall"},          {{7, 0, 0}, "fcall_ro"},       {{7, 0, 0}, "lcs"},
    {{7, 0, 0}, "lmpop"},          {{7, 0, 0}, "pexpiretime"},    {{7, 0, 0}, "sintercard"},
    {{7, 0, 0}, "sort"},           {{7, 0, 13}, "sort_ro"},       {{7, 0, 0}, "spublish"},
    {{7, 0, 0}, "zintercard"},     {{7, 2, 0}, "client|setinfo"}, {{7, 0, 0}, "zmpop"}};

bool has(const version& server, std::string_view name) {
    if (name == "sort_ro" && server == version{7, 2, 0}) return false;
    const auto found = std::ranges::find(newcomers, name, &since::name);
    return found == std::end(newcomers) || server >= found->first;
}

/// Whether keys of this prefix can be mistaken for an option where the server looks for keys.
bool is_like_an_option(std::string_view prefix) {
    constexpr std::string_view options[] = {"by",    "get",   "limit", "store", "streams",
                                            "group", "count", "block", "noack"};
    return std::ranges::any_of(options, [&](std::string_view option) {
        return equals_ignoring_case(prefix, option.substr(0, prefix.size()));
    });
}

/// By key specifications, SORT's apart, which the server has code for.
bool names_its_keys(const command_spec& row) {
    const auto is_key = [&](const key_spec& spec) {
        return !(spec.flags & key_spec::not_key) && (spec.locatable() || row.request == request_rule::sort);
    };
    return row.key_spec_count > 0 && std::ranges::all_of(row.keys(), is_key);
}

/// A server that does not find what one specification speaks of takes the request for one without keys, and
/// lets it pass.
bool always_has_all_of_them(const command_spec& row) {
    return std::ranges::all_of(row.keys(), [&](const key_spec& spec) {
        return spec.begin != key_spec::begin_kind::index || spec.index < std::abs(row.arity);
    });
}

bool is_confined(const command_spec& row, const tenant& whose) {
    if (row.request == request_rule::georadius || !always_has_all_of_them(row)) return false;
    const bool searches = row.request == request_rule::sort || row.reply == reply_rule::streams;
    if (searches && whose.scripts().prefix_is_like_an_option) return false;
    return whose.databases().empty() || (row.name != "move" && row.name != "copy");
}

bool may_run(const tenant& whose, std::string_view name) {
    return whose.permits().may_run(*command_table::built_in()->find_row(name));
}

void allow_selecting(const tenant& whose, std::vector<std::string>& rules) {
    if (!may_run(whose, "select") && whose.databases().size() != 1) return;
    if (whose.databases().empty()) rules.emplace_back("+select");
    for (const int database : whose.databases()) rules.push_back("+select|" + std::to_string(database));
}

/// As ACL SETUSER takes them.
void allow_keys(const tenant& whose, const version& server, std::vector<std::string>& rules) {
    const std::string prefix(whose.prefix_pattern());
    if (!whose.permits().restricts_keys()) rules.push_back('~' + prefix + '*');
    for (const key_pattern& one : whose.permits().patterns()) {
        if (one.read && one.write) {
            rules.push_back('~' + prefix + one.glob);
        } else if ((one.read || one.write) && server[0] >= first_major_with_key_permissions) {
            rules.push_back((one.read ? "%R~" : "%W~") + prefix + one.glob);
        }
    }
}

}  // namespace

script_login make_script_login(const script_options& options, std::string_view tenant_name,
                               std::string_view prefix, std::string_view upstream_password,
                               const permissions& permits) {
    const bool mistaken = is_like_an_option(prefix);
    if (!options.username.empty())
        return {options.mode, options.username, options.password.value_or(""), false, mistaken,
                options.accepts_shared_interpreter};
    constexpr std::size_t shown_bytes = 8;
    // A prefix holds no NUL, so no other prefix and permissions are the same text.
    std::string identity(prefix);
    if (permits.restricts()) identity.append(1, '\0').append(permits.fingerprint());
    const sha256_digest digest = sha256(identity);
    const std::string secret = "weir scripts " + std::string(prefix);
    return {options.mode,
            "weir:" + std::string(tenant_name) + ':' + to_hex(std::span(digest).first(shown_bytes)),
            to_hex(hmac_sha256(upstream_password, secret)), true, mistaken, options.accepts_shared_interpreter};
}

bool script_user_may(const command_spec& row, const tenant& whose) {
    return row.route == command_route::forward && !row.learned && !row.has(command_flag::noscript) &&
           names_its_keys(row) && is_confined(row, whose) && whose.permits().may_run(row);
}

bool script_user_has_all_keys(const tenant& whose, int server_major) {
    if (!whose.permits().restricts_keys()) return true;
    if (whose.long_keys().action == long_key_action::sha256) return false;
    if (server_major >= first_major_with_key_permissions) return true;
    return std::ranges::all_of(whose.permits().patterns(), [](const key_pattern& one) { return one.read && one.write; });
}

std::vector<std::string> script_user_rules(const tenant& whose, int server_major, int server_minor,
                                           int server_patch) {
    const version server =
        server_major == 0 ? every_modern : version{server_major, server_minor, server_patch};
    if (server < first_with_users) return {};
    const std::string pattern = std::string(whose.prefix_pattern()) + '*';
    std::vector<std::string> rules = {"reset", "on", '#' + to_hex(sha256(whose.scripts().password))};
    allow_keys(whose, server, rules);
    if (server >= first_with_channels) rules.insert(rules.end(), {"resetchannels", '&' + pattern});
    const auto allow = [&](std::string_view name) {
        if (has(server, name)) rules.push_back('+' + std::string(name));
    };
    for (const command_spec* row : command_table::built_in()->rows())
        if (script_user_may(*row, whose)) allow(row->name);
    for (const std::string_view name : in_scripts)
        if (name == sent_by_weir || may_run(whose, name)) allow(name);
    std::ranges::for_each(for_the_connection, allow);
    allow_selecting(whose, rules);
    return rules;
}

std::string_view script_isolation_probe() {
    // One line, as redis-cli takes it. KEYS and ARGV are made anew for each script.
    return "local function is_open(one) "
           "return type(one) == 'table' and pcall(rawset, one, 'weir_probe', nil) "
           "end "
           "if rawget(_G, 'setfenv') then return 0 end "
           "if is_open(_G) or is_open(getmetatable(_G)) or is_open(getmetatable('')) then return 0 end "
           "for name, one in pairs(_G) do "
           "if name ~= 'KEYS' and name ~= 'ARGV' and is_open(one) then return 0 end "
           "end "
           "return 1";
}

}  // namespace weir
