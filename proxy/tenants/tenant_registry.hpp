#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/options.hpp"
#include "policy/credentials.hpp"
#include "proxy/tenants/tenant_account.hpp"

namespace weir {

/// The tenants of the process: those that are configured, and the accounts of those that have clients, or had some lately.
/// An account is made when its first client comes, so that a tenant without clients costs what its configuration does. Any
/// thread; asked when a client comes or authenticates, never on the way of a command.
class tenant_registry {
public:
    /// So many accounts are kept for the sake of what they have counted; of more, those go that have no clients and whose
    /// limits remember nothing.
    static constexpr std::size_t default_kept = 10'000;
    /// A look at that many takes a millisecond or two, in which no client can come.
    static constexpr std::size_t swept_at_once = 5'000;

    /// `secret`: 32 random bytes, for credential_table.
    tenant_registry(std::shared_ptr<const options> configured, std::size_t workers, std::string secret,
                    limit_counter_factory make, std::size_t kept = default_kept);

    /// nullptr: the configuration has no such tenant.
    [[nodiscard]] std::shared_ptr<tenant_account> find(std::string_view name);
    /// Whose a client is that has not said who it is.
    [[nodiscard]] const std::shared_ptr<tenant_account>& nobody() const { return nobody_; }
    [[nodiscard]] std::shared_ptr<const credential_table> credentials() const;
    /// By name; those that there are now.
    [[nodiscard]] std::vector<std::shared_ptr<tenant_account>> accounts() const;
    [[nodiscard]] std::shared_ptr<const options> configured() const;

    /// Takes another configuration. Of a tenant that stays, prefix, long keys and scripts are what they were
    /// (config/reload). Accounts are changed, or ended; sessions have to look.
    void load(std::shared_ptr<const options> fresh, limit_time now);
    /// Looks at the next swept_at_once accounts and forgets those that need not be kept.
    void sweep(limit_time now);

private:
    [[nodiscard]] std::shared_ptr<const tenant> make_tenant(const std::string& name, const tenant_options& from);
    [[nodiscard]] std::shared_ptr<const tenant_rules> rules_for(const shared_terms& terms);

    const std::size_t workers_;
    const std::string secret_;
    const limit_counter_factory make_counter_;
    const std::size_t kept_;
    const std::shared_ptr<tenant_account> nobody_;

    mutable std::mutex mutex_;  ///< of all below
    std::shared_ptr<const options> configured_;
    std::shared_ptr<const credential_table> credentials_;
    std::map<std::string, std::shared_ptr<tenant_account>, std::less<>> accounts_;
    std::string swept_up_to_;
    /// Of the terms in `configured_`.
    std::unordered_map<const tenant_terms*, std::weak_ptr<const tenant_rules>> rules_;
};

}  // namespace weir
