#include "config/identity_checks.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "config/document.hpp"

namespace weir {
namespace {

std::string at(const std::string& tenant, std::string_view option) {
    return "tenants/" + tenant + '/' + std::string(option);
}

bool has_listener_from(const options& configured, tenant_source source) {
    return std::ranges::any_of(configured.listeners,
                               [source](const listener_options& one) { return one.from == source; });
}

/// TLS comes with its own options for a listener; until then a certificate cannot be seen.
void check_sources(const options& configured, document& file) {
    for (std::size_t i = 0; i < configured.listeners.size(); ++i)
        if (configured.listeners[i].from == tenant_source::tls)
            file.fail("listeners[" + std::to_string(i) + "]/tenant_from",
                      "tls needs a listener that speaks TLS, which weir does not have yet; valid: auth, or "
                      "tenant: and a name instead");
}

/// A tenant whom no listener names is there for AUTH.
void check_passwords(const options& configured, document& file) {
    const bool asked = has_listener_from(configured, tenant_source::auth);
    std::set<std::string_view> named;
    for (const auto& listener : configured.listeners) named.insert(listener.tenant);
    for (const auto& [name, tenant] : configured.tenants) {
        const bool file_set = file.has(at(name, "passwords_file"));
        if (!asked && (file_set || !tenant.users.empty()))
            file.fail(
                at(name, file_set ? "passwords_file" : "users"),
                "no listener has tenant_from: auth, so nobody would be asked for a password; valid: such "
                "a listener, or neither users nor passwords_file");
        else if (asked && !file_set && !tenant.users.empty())
            file.fail(at(name, "users"), "users cannot authenticate without passwords_file");
        else if (asked && !file_set && !named.contains(name))
            file.fail(
                "tenants/" + name,
                "no client could become this tenant: no listener names it, and it has no passwords_file, "
                "which the listener with tenant_from: auth needs");
    }
}

/// What tenants show to say who they are, each with the first who has it.
class claims {
public:
    explicit claims(document& file) : file_(file) {}

    /// `what` is fit to be shown. A tenant that claims the same thing twice is fine.
    void claim(const std::string& key, const std::string& tenant, std::string_view option,
               const std::string& what) {
        const auto [first, is_new] = holders_.emplace(key, tenant);
        if (!is_new && first->second != tenant)
            file_.fail(at(tenant, option),
                       what + " is one of tenant '" + first->second + "' too; a client would be either");
    }

private:
    document& file_;
    std::map<std::string, std::string> holders_;
};

void check_claims(const options& configured, document& file) {
    claims users(file);
    claims passwords(file);
    claims certificates(file);
    for (const auto& [name, tenant] : configured.tenants) {
        // Without passwords a tenant's own name is nobody's user.
        if (!tenant.passwords.empty() || !tenant.users.empty())
            for (const auto& user : user_names(name, tenant))
                users.claim(user, name, "users", "user '" + user + "'");
        // Equal scrypt lines are no clash: they count together with a user's name alone.
        for (const auto& hash : tenant.passwords)
            if (!hash.is_slow())
                passwords.claim(hash.digest, name, "passwords_file", "a sha256 hash in this file");
        for (const auto& certificate : tenant.certificates)
            certificates.claim(certificate, name, "certificates", "'" + certificate + "'");
    }
}

void check_scripts(const options& configured, document& file) {
    for (const auto& [name, tenant] : configured.tenants) {
        const auto& scripts = tenant.scripts;
        const bool has_user = !scripts.username.empty();
        const bool has_password =
            file.has(at(name, "scripts/password_file")) || file.has(at(name, "scripts/password_env"));
        if (scripts.mode != script_mode::acl && (has_user || has_password))
            file.fail(at(name, "scripts/mode"), "a user and password for scripts are of use with acl alone");
        else if (has_user && !has_password)
            file.fail(at(name, "scripts/username"), "the user needs password_file or password_env");
        else if (has_password && !has_user)
            file.fail(at(name, "scripts"),
                      "the password needs username; without both weir makes a user itself");
    }
}

}  // namespace

void check_identities(const options& configured, document& file) {
    check_sources(configured, file);
    check_passwords(configured, file);
    check_claims(configured, file);
    check_scripts(configured, file);
}

}  // namespace weir
