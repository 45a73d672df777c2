#pragma once

#include <string>
#include <utility>
#include <vector>

#include "policy/permissions.hpp"
#include "policy/tenant.hpp"

namespace weir::test {

using permission_words = std::vector<std::string>;

inline permission_options allowing(permission_words allow, permission_words deny = {},
                                   permission_words protect = {}) {
    permission_options options;
    options.allow = std::move(allow);
    options.deny = std::move(deny);
    options.protect = std::move(protect);
    return options;
}

inline permission_options denying(permission_words deny) {
    return allowing({}, std::move(deny));
}

inline permission_options with_keys(permission_words keys) {
    permission_options options;
    options.keys = std::move(keys);
    return options;
}

inline permission_options reading_only() {
    permission_options options;
    options.read_only = true;
    return options;
}

/// The tenant acme, who may do this.
inline tenant permitted(const permission_options& permits, tenant_options options = {}) {
    tenant_terms terms;
    terms.permissions = permits;
    options.terms = shared_terms(std::move(terms));
    return tenant("acme", options, "upstream secret");
}

}  // namespace weir::test
