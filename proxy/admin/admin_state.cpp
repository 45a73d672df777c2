#include "proxy/admin/admin_state.hpp"

namespace weir {
namespace {

/// Parts of a gauge are read one after the other, so a sum may be seen short of zero for a moment.
std::uint64_t at_least_zero(std::uint64_t sum) {
    return static_cast<std::int64_t>(sum) < 0 ? 0 : sum;
}

}  // namespace

std::shared_ptr<const upstream_snapshot> admin_state::upstream() const {
    auto current = snapshot ? snapshot() : nullptr;
    return current ? current : std::make_shared<const upstream_snapshot>();
}

std::uint64_t admin_state::total(counter worker_counters::*which) const {
    std::uint64_t sum = 0;
    for (const worker_counters* worker : workers) sum += (worker->*which).get();
    return at_least_zero(sum);
}

std::vector<std::shared_ptr<tenant_account>> admin_state::tenants() const {
    return accounts ? accounts() : std::vector<std::shared_ptr<tenant_account>>{};
}

std::uint64_t admin_state::client_connections() const {
    std::uint64_t sum = 0;
    for (const auto& account : tenants()) sum += account->total(&tenant_counters::connections);
    return sum;
}

std::string_view admin_state::store_in_use() const {
    if (circuit == nullptr || circuit->passes()) return "redis";
    return fallback ? fallback().store : "none";
}

}  // namespace weir
