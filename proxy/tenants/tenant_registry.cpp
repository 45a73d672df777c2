#include "proxy/tenants/tenant_registry.hpp"

#include <utility>

namespace weir {

namespace {

std::shared_ptr<tenant_account> make_nobody(std::size_t workers, const limit_counter_factory& make) {
    return std::make_shared<tenant_account>(std::make_shared<const tenant>("", tenant_options{}), workers, make);
}

}  // namespace

tenant_registry::tenant_registry(std::shared_ptr<const options> configured, std::size_t workers, std::string secret,
                                 limit_counter_factory make, std::size_t kept)
    : workers_(workers),
      secret_(std::move(secret)),
      make_counter_(std::move(make)),
      kept_(kept),
      nobody_(make_nobody(workers, make_counter_)),
      configured_(std::move(configured)),
      credentials_(std::make_shared<const credential_table>(configured_->tenants, secret_)) {}

std::shared_ptr<tenant_account> tenant_registry::find(std::string_view name) {
    const std::lock_guard lock(mutex_);
    if (const auto known = accounts_.find(name); known != accounts_.end()) return known->second;
    const std::string wanted(name);
    const auto declared = configured_->tenants.find(wanted);
    if (declared == configured_->tenants.end()) return nullptr;
    auto account = std::make_shared<tenant_account>(make_tenant(wanted, declared->second), workers_, make_counter_);
    accounts_.emplace(wanted, account);
    return account;
}

std::shared_ptr<const credential_table> tenant_registry::credentials() const {
    const std::lock_guard lock(mutex_);
    return credentials_;
}

std::vector<std::shared_ptr<tenant_account>> tenant_registry::accounts() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<tenant_account>> all;
    all.reserve(accounts_.size());
    for (const auto& [name, account] : accounts_) all.push_back(account);
    return all;
}

std::shared_ptr<const options> tenant_registry::configured() const {
    const std::lock_guard lock(mutex_);
    return configured_;
}

void tenant_registry::load(std::shared_ptr<const options> fresh, limit_time now) {
    auto credentials = std::make_shared<const credential_table>(fresh->tenants, secret_);
    const std::lock_guard lock(mutex_);
    const auto before = std::exchange(configured_, std::move(fresh));
    credentials_ = std::move(credentials);
    rules_.clear();
    std::erase_if(accounts_, [&](const auto& entry) {
        const auto& [name, account] = entry;
        const auto declared = configured_->tenants.find(name);
        if (declared == configured_->tenants.end()) {
            account->end();
            return true;
        }
        if (declared->second != before->tenants.at(name)) {
            account->change(make_tenant(name, declared->second), now, make_counter_);
        }
        return false;
    });
}

void tenant_registry::sweep(limit_time now) {
    const std::lock_guard lock(mutex_);
    auto at = accounts_.upper_bound(swept_up_to_);
    for (std::size_t looked = 0; looked < swept_at_once && at != accounts_.end() && accounts_.size() > kept_; ++looked) {
        swept_up_to_ = at->first;
        // Nobody can come to refer to one meanwhile: that takes the lock.
        const bool needed = at->second.use_count() > 1 || !at->second->is_idle(now);
        at = needed ? std::next(at) : accounts_.erase(at);
    }
    if (at == accounts_.end()) swept_up_to_.clear();
}

std::shared_ptr<const tenant> tenant_registry::make_tenant(const std::string& name, const tenant_options& from) {
    return std::make_shared<const tenant>(name, from, configured_->upstream.password.value_or(""), rules_for(from.terms));
}

std::shared_ptr<const tenant_rules> tenant_registry::rules_for(const shared_terms& terms) {
    auto& known = rules_[terms.pointer().get()];
    auto rules = known.lock();
    if (rules == nullptr) known = rules = std::make_shared<const tenant_rules>(terms);
    return rules;
}

}  // namespace weir
