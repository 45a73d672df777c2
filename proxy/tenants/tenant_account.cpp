#include "proxy/tenants/tenant_account.hpp"

#include <algorithm>
#include <limits>

namespace weir {

namespace {

std::unique_ptr<script_registry> scripts_for(const tenant& whose) {
    return whose.scripts().mode == script_mode::acl && !whose.is_nobody()
               ? std::make_unique<script_registry>(whose.prefix())
               : nullptr;
}

std::size_t max_clients_of(const tenant& whose) {
    return whose.rules().quotas().max_connections.value_or(std::numeric_limits<std::size_t>::max());
}

bool counts_alike(const limit_rule& one, const limit_rule& other) {
    return one.algorithm == other.algorithm && one.scope == other.scope;
}

}  // namespace

tenant_account::tenant_account(std::shared_ptr<const tenant> whose, std::size_t workers, const limit_counter_factory& make)
    : name_(whose->name()),
      prefix_(whose->prefix()),
      counters_(workers),
      scripts_(scripts_for(*whose)),
      max_clients_(max_clients_of(*whose)) {
    terms_.limits = open_limits(*whose, limit_time{}, make);
    terms_.whose = std::move(whose);
}

tenant_account::terms tenant_account::present() const {
    const std::lock_guard lock(mutex_);
    return terms_;
}

void tenant_account::change(std::shared_ptr<const tenant> fresh, limit_time now, const limit_counter_factory& make) {
    const std::lock_guard lock(mutex_);
    terms_.limits = open_limits(*fresh, now, make);
    terms_.whose = std::move(fresh);
    max_clients_ = max_clients_of(*terms_.whose);
}

std::vector<std::shared_ptr<limit_account>> tenant_account::open_limits(const tenant& whose, limit_time now,
                                                                        const limit_counter_factory& make) const {
    std::vector<std::shared_ptr<limit_account>> opened;
    const auto earlier = terms_.whose ? terms_.whose->rules().limits() : std::span<const tenant_limit>();
    for (const tenant_limit& limit : whose.rules().limits()) {
        const auto same = std::ranges::find_if(earlier, [&](const tenant_limit& one) {
            return one.name() == limit.name() && counts_alike(one.rule(), limit.rule());
        });
        if (same == earlier.end()) {
            opened.push_back(std::make_shared<limit_account>(make(name_, limit), counters_.size()));
            continue;
        }
        opened.push_back(terms_.limits[static_cast<std::size_t>(same - earlier.begin())]);
        if (same->rule() != limit.rule()) opened.back()->counter->change(same->rule(), limit.rule(), now);
    }
    return opened;
}

std::uint64_t tenant_account::total(counter tenant_counters::*which) const {
    std::uint64_t sum = 0;
    for (const tenant_counters& one : counters_) sum += (one.*which).get();
    // Parts of a gauge are read one after the other, so a sum may be seen short of zero for a moment.
    return static_cast<std::int64_t>(sum) < 0 ? 0 : sum;
}

bool tenant_account::admit_client() {
    if (clients_.fetch_add(1, std::memory_order_relaxed) < max_clients_.load(std::memory_order_relaxed)) return true;
    leave_client();
    return false;
}

bool tenant_account::is_idle(limit_time now) const {
    if (clients_.load() > 0) return false;
    const terms current = present();
    for (std::size_t i = 0; i < current.limits.size(); ++i) {
        if (!current.limits[i]->counter->is_idle(current.whose->rules().limits()[i].rule(), now)) return false;
    }
    return true;
}

}  // namespace weir
