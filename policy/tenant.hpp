#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "policy/password_hash.hpp"
#include "policy/permissions.hpp"
#include "policy/script_user.hpp"
#include "policy/tenant_rules.hpp"
#include "policy/tenant_terms.hpp"

namespace weir {

/// What happens to a key longer than `over_bytes`.
/// - `keep`: it is prefixed like any other, and stays a private Redis' key in every way.
/// - `refuse`: the command gets an error.
/// - `sha256`: the server stores it as prefix + "sha256:" + 64 hex digits; replies that list keys show that
/// short
///   name, as nothing can turn it back.
enum class long_key_action : std::uint8_t { keep, refuse, sha256 };

struct long_key_options {
    std::size_t over_bytes = 1'024;
    long_key_action action = long_key_action::keep;
    bool operator==(const long_key_options&) const = default;
};

struct tenant_options {
    std::string prefix = "tenant:{tenant}:";  ///< `{tenant}` stands for the tenant's name
    long_key_options long_keys;
    std::vector<int> databases;  ///< that it may SELECT; empty: all
    /// Who a client may say it is, to become this tenant by AUTH; empty: the tenant's own name.
    std::vector<std::string> users;
    /// Any of them will do; empty: nobody becomes this tenant by AUTH.
    std::vector<password_hash> passwords;
    /// Names in client certificates that make a client this tenant.
    std::vector<std::string> certificates;
    script_options scripts;
    std::string plan;    ///< of `plans`; empty: none
    shared_terms terms;  ///< what holds for it: the defaults, its plan and its own options put together
    bool operator==(const tenant_options&) const = default;
};

/// A tenant as it is configured now. Immutable once built: a change of its configuration makes another, with the same name
/// and prefix.
class tenant {
public:
    /// Without a user of their own, its scripts' password follows from the upstream's. `rules` are what the options' terms
    /// become, if there is one already.
    tenant(std::string name, const tenant_options& options, std::string_view upstream_password = {},
           std::shared_ptr<const tenant_rules> rules = nullptr);

    /// Of clients that have not said who they are; it has no name, and they may do nothing but say it.
    [[nodiscard]] bool is_nobody() const { return name_.empty(); }
    [[nodiscard]] const std::string& name() const { return name_; }
    /// What stands before every key and channel of this tenant on the server.
    [[nodiscard]] std::string_view prefix() const { return prefix_; }
    /// The prefix as the front of a glob pattern: `*?[]\` are escaped.
    [[nodiscard]] std::string_view prefix_pattern() const { return prefix_pattern_; }
    [[nodiscard]] const long_key_options& long_keys() const { return long_keys_; }
    [[nodiscard]] bool may_select(long long database) const;
    /// That it may SELECT; empty: all.
    [[nodiscard]] const std::vector<int>& databases() const { return databases_; }
    [[nodiscard]] const script_login& scripts() const { return scripts_; }
    [[nodiscard]] const std::string& plan() const { return plan_; }
    /// What it may do, and how much. Never null.
    [[nodiscard]] const std::shared_ptr<const tenant_rules>& shared_rules() const { return rules_; }
    [[nodiscard]] const tenant_rules& rules() const { return *rules_; }
    [[nodiscard]] const permissions& permits() const { return rules_->permits(); }

private:
    std::string name_;
    std::string prefix_;
    std::string prefix_pattern_;
    long_key_options long_keys_;
    std::vector<int> databases_;
    std::shared_ptr<const tenant_rules> rules_;
    script_login scripts_;
    std::string plan_;
};

/// The names that stand in `users`, or the tenant's own.
[[nodiscard]] std::vector<std::string> user_names(const std::string& tenant_name, const tenant_options& options);

/// `{tenant}` replaced by the name.
[[nodiscard]] std::string expand_prefix(std::string_view prefix_template, std::string_view name);

/// Why a prefix template cannot keep tenants apart, or empty when it can: it must hold something in front of
/// the key, and no `*` (SORT BY/GET patterns have no escape for it), space or control character.
[[nodiscard]] std::string prefix_fault(std::string_view expanded_prefix);

}  // namespace weir
