#include "policy/script_user.hpp"

#include <span>

#include "policy/digest.hpp"
#include "policy/tenant.hpp"

namespace weir {

script_login make_script_login(const script_options& options, std::string_view tenant_name,
                               std::string_view prefix, std::string_view upstream_password) {
    if (!options.username.empty())
        return {options.mode, options.username, options.password.value_or(""), false};
    constexpr std::size_t shown_bytes = 8;
    const sha256_digest digest = sha256(prefix);
    const std::string secret = "weir scripts " + std::string(prefix);
    return {options.mode,
            "weir:" + std::string(tenant_name) + ':' + to_hex(std::span(digest).first(shown_bytes)),
            to_hex(hmac_sha256(upstream_password, secret)), true};
}

std::vector<std::string> script_user_rules(const tenant& owner, int server_major, int /*server_minor*/) {
    const std::string pattern = std::string(owner.prefix_pattern()) + "*";
    std::vector<std::string> rules{"reset", "on", "#" + to_hex(sha256(owner.scripts().password)), "~" + pattern,
                                   "&" + pattern};
    for (const auto* rule : {"+@all", "-@admin", "-@dangerous", "-@connection", "-@pubsub", "-scan", "-randomkey", "-dbsize",
                             "-function", "-command", "-lolwut", "+auth", "+select", "+hello", "+client|setname", "+client|id",
                             "+publish", "+spublish", "+ping", "+echo", "+restore", "-script", "+script|load", "+script|exists"}) {
        rules.emplace_back(rule);
    }
    if (server_major >= 7) rules.emplace_back("+sort");
    return rules;
}

}  // namespace weir
