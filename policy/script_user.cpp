#include "policy/script_user.hpp"

#include <span>

#include "policy/digest.hpp"

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

}  // namespace weir
