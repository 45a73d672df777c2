#include "config/terms_checks.hpp"

#include <string>

#include "config/document.hpp"

namespace weir {
namespace {

bool restricts(const permission_options& permissions) {
    const permission_options everything;
    return permissions != everything;
}

/// Scripts in mode trust run as weir's own user, whom the server allows everything.
void check_trust(const options& configured, document& file) {
    for (const auto& [name, tenant] : configured.tenants) {
        if (tenant.scripts.mode == script_mode::trust && restricts(tenant.terms->permissions))
            file.fail("tenants/" + name + "/scripts/mode",
                      "scripts that are trusted could do what allow, deny, keys, protected or read_only of "
                      "this tenant, "
                      "its plan or tenant_defaults forbid; valid: acl, deny, or a tenant that nothing is "
                      "forbidden");
    }
}

}  // namespace

void check_terms(const options& configured, document& file) {
    check_trust(configured, file);
}

}  // namespace weir
