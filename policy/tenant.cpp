#include "policy/tenant.hpp"

#include <algorithm>

#include "protocol/glob.hpp"

namespace weir {

tenant::tenant(std::string name, const tenant_options& options, std::string_view upstream_password,
               std::shared_ptr<const tenant_rules> rules)
    : name_(std::move(name)),
      prefix_(expand_prefix(options.prefix, name_)),
      prefix_pattern_(escape_glob(prefix_)),
      long_keys_(options.long_keys),
      databases_(options.databases),
      rules_(rules ? std::move(rules) : std::make_shared<const tenant_rules>(options.terms)),
      scripts_(make_script_login(options.scripts, name_, prefix_, upstream_password, rules_->permits())),
      plan_(options.plan) {}

bool tenant::may_select(long long database) const {
    return databases_.empty() || std::ranges::find(databases_, database) != databases_.end();
}

std::vector<std::string> user_names(const std::string& tenant_name, const tenant_options& options) {
    return options.users.empty() ? std::vector<std::string>{tenant_name} : options.users;
}

std::string expand_prefix(std::string_view prefix_template, std::string_view name) {
    constexpr std::string_view placeholder = "{tenant}";
    std::string expanded;
    for (;;) {
        const auto at = prefix_template.find(placeholder);
        expanded += prefix_template.substr(0, at);
        if (at == std::string_view::npos) return expanded;
        expanded += name;
        prefix_template.remove_prefix(at + placeholder.size());
    }
}

std::string prefix_fault(std::string_view expanded_prefix) {
    if (expanded_prefix.empty()) return "is empty, so nothing would keep its keys from the others'";
    for (const char c : expanded_prefix) {
        if (c == '*') return "holds a '*', which SORT's BY and GET patterns cannot escape";
        if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f') return "holds a space or control character";
    }
    for (const std::string_view events : {"__keyspace@", "__keyevent@"}) {
        const auto common = std::min(events.size(), expanded_prefix.size());
        if (expanded_prefix.substr(0, common) == events.substr(0, common)) {
            return "begins as the channels of key space and key event messages do, which would show other tenants' keys";
        }
    }
    return {};
}

}  // namespace weir
