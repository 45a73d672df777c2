#include "config/checks.hpp"

#include <algorithm>
#include <map>

#include "config/declared.hpp"
#include "config/document.hpp"
#include "config/endpoint.hpp"
#include "config/identity_checks.hpp"
#include "config/ordered_pair.hpp"
#include "config/outage_checks.hpp"
#include "config/terms_checks.hpp"
#include "config/units.hpp"

namespace weir {
namespace {

std::string listener_path(std::size_t index, std::string_view option) {
    return "listeners[" + std::to_string(index) + "]/" + std::string(option);
}

std::string tenant_path(const std::string& name) {
    return "tenants/" + name;
}

void check_listener_tenants(const options& configured, document& file) {
    for (std::size_t i = 0; i < configured.listeners.size(); ++i) {
        const auto& name = configured.listeners[i].tenant;
        // An empty name has had its error where it was read.
        if (name.empty() || configured.tenants.contains(name)) continue;
        file.fail(listener_path(i, "tenant"), undeclared(name, "tenant", configured.tenants));
    }
}

/// Every address once. With SO_REUSEPORT the kernel would let two listeners have the same one, and hand a
/// tenant's clients to either.
void check_addresses(const options& configured, document& file) {
    std::map<std::string, std::string> taken_by;
    const auto take = [&](const endpoint& address, const std::string& path) {
        const bool none = address.host.empty() && !address.is_unix();
        if (none || (!address.is_unix() && address.port == 0)) return;
        const auto [first, is_new] = taken_by.emplace(canonical(address), path);
        if (!is_new)
            file.fail(path, address.to_string() + " is taken by " + shown(first->second) +
                                "; each address may stand once");
    };
    for (std::size_t i = 0; i < configured.listeners.size(); ++i)
        take(configured.listeners[i].bind, listener_path(i, "bind"));
    if (configured.admin.bind) take(*configured.admin.bind, "admin/bind");
    if (const auto self = taken_by.find(canonical(configured.upstream.address)); self != taken_by.end())
        file.fail(self->second, "is the upstream's own address; weir would talk to itself");
}

/// Two prefixes of which one begins with the other would show one tenant the other's keys. Sorted, everything
/// that begins with a prefix follows it at once, so a stack of the prefixes still open finds each clash.
void check_prefixes(const options& configured, document& file) {
    std::vector<std::pair<std::string, std::string>> prefixes;  // and whose
    for (const auto& [name, tenant] : configured.tenants) {
        auto prefix = expand_prefix(tenant.prefix, name);
        const auto why = prefix_fault(prefix);
        if (why.empty())
            prefixes.emplace_back(std::move(prefix), name);
        else
            file.fail(tenant_path(name) + "/prefix", "the prefix " + why);
    }
    std::ranges::sort(prefixes);
    std::vector<const std::pair<std::string, std::string>*> open;
    for (const auto& each : prefixes) {
        while (!open.empty() && !each.first.starts_with(open.back()->first)) open.pop_back();
        if (!open.empty())
            file.fail(tenant_path(each.second) + "/prefix",
                      "the prefix is '" + each.first + "', and '" + open.back()->first + "' of tenant '" +
                          open.back()->second +
                          "' is the beginning of it or the same: it would see these keys; valid: prefixes of "
                          "which none begins with another");
        open.push_back(&each);
    }
}

/// A tenant's connections start in the URL's database, without a SELECT that could be refused.
void check_databases(const options& configured, document& file) {
    const auto start = configured.upstream.database;
    for (const auto& [name, tenant] : configured.tenants) {
        if (tenant.databases.empty() || std::ranges::find(tenant.databases, start) != tenant.databases.end())
            continue;
        file.fail(
            tenant_path(name) + "/databases",
            "the list lacks database " + std::to_string(start) +
                ", in which every connection starts (upstream.url says so); valid: all, or a list with it");
    }
}

void check_limits(const options& configured, document& file) {
    const auto& pool = configured.upstream.pool;
    const auto& clients = configured.clients;
    const auto number = +[](std::size_t value) { return std::to_string(value); };
    // `min` is each worker's and `max` the process'. How many workers `auto` gives is known at start only.
    const auto workers = std::max<std::size_t>(1, configured.workers);
    const ordered_pair pairs[] = {
        {"upstream/pool/min", pool.min * workers, "upstream/pool/max", pool.max, number,
         "the workers could not keep that many connections open"},
        {"clients/pause_reading_over", clients.pause_reading_over_bytes, "clients/max_unsent",
         clients.max_unsent_bytes, format_size, "a client would be cut off before it is slowed down"},
        {"clients/subscriber_soft_unsent", clients.subscriber_soft_unsent_bytes,
         "clients/subscriber_max_unsent", clients.subscriber_max_unsent_bytes, format_size,
         "a subscriber would be cut off before the softer limit counts"},
        {"clients/stream_over", clients.stream_over_bytes, "clients/max_request", clients.max_request_bytes,
         format_size, "commands in between could neither be held nor passed on"},
    };
    for (const auto& pair : pairs) check_order(pair, file);
}

}  // namespace

void check_tenants(const options& configured, document& file) {
    check_listener_tenants(configured, file);
    check_prefixes(configured, file);
    check_databases(configured, file);
    check_terms(configured, file);
}

void check_consistency(const options& configured, document& file) {
    check_tenants(configured, file);
    check_addresses(configured, file);
    check_identities(configured, file);
    check_limits(configured, file);
    check_outages(configured, file);
}

}  // namespace weir
