#include "config/reload.hpp"

#include <string_view>
#include <utility>

#include "config/checks.hpp"
#include "config/document.hpp"

namespace weir {
namespace {

template <auto First, auto... Rest>
auto& member(auto& of) {
    if constexpr (sizeof...(Rest) == 0)
        return of.*First;
    else
        return member<Rest...>(of.*First);
}

/// An option that stays as it was until a restart; Path leads to it, member by member.
template <typename Struct>
struct kept_option {
    std::string_view name;
    bool (*differs)(const Struct&, const Struct&);
    void (*keep)(Struct& into, const Struct& from);
};

template <typename Struct, auto... Path>
constexpr kept_option<Struct> kept(std::string_view name) {
    return {name, [](const Struct& a, const Struct& b) { return member<Path...>(a) != member<Path...>(b); },
            [](Struct& into, const Struct& from) { member<Path...>(into) = member<Path...>(from); }};
}

constexpr auto upstream = &options::upstream;
constexpr auto pool = &upstream_options::pool;
constexpr auto fallback = &options::fallback;
constexpr auto postgres = &fallback_options::postgres;
constexpr auto postgres_pool = &postgres_options::pool;
constexpr auto memory = &fallback_options::memory;
constexpr auto remember = &fallback_options::remember;
constexpr auto clients = &options::clients;
using all = options;
using pooled = pool_options;
using stored = postgres_options;
using store_pool = postgres_pool_options;
using remembered = remember_options;
using client = client_options;

/// In the order of the schema.
constexpr kept_option<options> kept_of_all[] = {
    kept<all, &options::workers>("workers"),
    kept<all, &options::drain_timeout>("drain_timeout"),
    kept<all, &options::listeners>("listeners"),
    kept<all, upstream, &upstream_options::address>("upstream.url"),
    kept<all, upstream, &upstream_options::database>("upstream.url"),
    kept<all, upstream, &upstream_options::username>("upstream.username"),
    kept<all, upstream, &upstream_options::password>("upstream.password"),
    kept<all, upstream, &upstream_options::command_timeout>("upstream.command_timeout"),
    kept<all, upstream, &upstream_options::timeouts>("upstream.timeouts"),
    kept<all, upstream, &upstream_options::retry>("upstream.retry"),
    kept<all, upstream, &upstream_options::shared_connections>("upstream.shared_connections"),
    kept<all, upstream, pool, &pooled::min>("upstream.pool.min"),
    kept<all, upstream, pool, &pooled::max>("upstream.pool.max"),
    kept<all, upstream, pool, &pooled::acquire_timeout>("upstream.pool.acquire_timeout"),
    kept<all, upstream, pool, &pooled::connect_timeout>("upstream.pool.connect_timeout"),
    kept<all, upstream, pool, &pooled::idle_timeout>("upstream.pool.idle_timeout"),
    kept<all, fallback, &fallback_options::order>("fallback.order"),
    kept<all, fallback, &fallback_options::last_resort>("fallback.last_resort"),
    kept<all, fallback, postgres, &stored::dsn>("fallback.postgres.dsn"),
    kept<all, fallback, postgres, &stored::schema>("fallback.postgres.schema"),
    kept<all, fallback, postgres, &stored::statement_timeout>("fallback.postgres.statement_timeout"),
    kept<all, fallback, postgres, &stored::start_timeout>("fallback.postgres.start_timeout"),
    kept<all, fallback, postgres, &stored::max_journal_bytes>("fallback.postgres.max_journal"),
    kept<all, fallback, postgres, postgres_pool, &store_pool::min>("fallback.postgres.pool.min"),
    kept<all, fallback, postgres, postgres_pool, &store_pool::max>("fallback.postgres.pool.max"),
    kept<all, fallback, postgres, postgres_pool, &store_pool::acquire_timeout>("fallback.postgres.pool.acquire_timeout"),
    kept<all, fallback, postgres, postgres_pool, &store_pool::connect_timeout>("fallback.postgres.pool.connect_timeout"),
    kept<all, fallback, postgres, postgres_pool, &store_pool::idle_timeout>("fallback.postgres.pool.idle_timeout"),
    kept<all, fallback, memory, &memory_options::max_bytes>("fallback.memory.max_bytes"),
    kept<all, fallback, memory, &memory_options::replay>("fallback.memory.replay"),
    kept<all, fallback, memory, &memory_options::max_journal_bytes>("fallback.memory.max_journal"),
    kept<all, fallback, remember, &remembered::reads>("fallback.remember.what"),
    kept<all, fallback, remember, &remembered::writes>("fallback.remember.what"),
    kept<all, fallback, remember, &remembered::keys>("fallback.remember.keys"),
    kept<all, fallback, remember, &remembered::max_age>("fallback.remember.max_age"),
    kept<all, fallback, remember, &remembered::max_value_bytes>("fallback.remember.max_value"),
    kept<all, fallback, remember, &remembered::rate>("fallback.remember.rate"),
    kept<all, clients, &client::max_connections>("clients.max_connections"),
    kept<all, clients, &client::idle_timeout>("clients.idle_timeout"),
    kept<all, clients, &client::tcp_keepalive>("clients.tcp_keepalive"),
    kept<all, clients, &client::max_in_flight>("clients.max_in_flight"),
    kept<all, clients, &client::pause_reading_over_bytes>("clients.pause_reading_over"),
    kept<all, clients, &client::max_unsent_bytes>("clients.max_unsent"),
    kept<all, clients, &client::max_bulk_bytes>("clients.max_bulk"),
    kept<all, clients, &client::max_request_bytes>("clients.max_request"),
    kept<all, clients, &client::stream_over_bytes>("clients.stream_over"),
    kept<all, clients, &client::unauthenticated_timeout>("clients.unauthenticated_timeout"),
    kept<all, clients, &client::subscriber_max_unsent_bytes>("clients.subscriber_max_unsent"),
    kept<all, clients, &client::subscriber_soft_unsent_bytes>("clients.subscriber_soft_unsent"),
    kept<all, clients, &client::subscriber_soft_time>("clients.subscriber_soft_time"),
    kept<all, &options::admin, &admin_options::bind>("admin.bind"),
    kept<all, &options::log, &log_options::level>("log.level"),
    kept<all, &options::log, &log_options::format>("log.format"),
};

constexpr kept_option<tenant_options> kept_of_a_tenant[] = {
    kept<tenant_options, &tenant_options::prefix>("prefix"),
    kept<tenant_options, &tenant_options::long_keys>("long_keys"),
    kept<tenant_options, &tenant_options::scripts>("scripts"),
};

void note(std::vector<std::string>& names, std::string name) {
    if (names.empty() || names.back() != name) names.push_back(std::move(name));
}

void compare_all(const options& loaded, reload_plan& plan) {
    for (const auto& option : kept_of_all)
        if (option.differs(plan.next, loaded)) note(plan.needs_restart, std::string(option.name));
}

/// A breaker that is there takes other options; there is no way to get one, or to be rid of it.
void compare_breaker(const options& loaded, reload_plan& plan) {
    if (loaded.breaker == plan.next.breaker) return;
    if (loaded.breaker && plan.next.breaker) {
        plan.next.breaker = loaded.breaker;
        plan.breaker_changed = true;
    } else {
        plan.needs_restart.emplace_back("breaker");
    }
}

/// `next` is what was loaded of a tenant that was there before.
void keep(const std::string& name, const tenant_options& running, tenant_options& next, reload_plan& plan) {
    for (const auto& option : kept_of_a_tenant) {
        if (!option.differs(running, next)) continue;
        plan.needs_restart.push_back("tenants." + name + "." + std::string(option.name));
        option.keep(next, running);
    }
    if (next != running) plan.changed.push_back(name);
}

void compare_tenants(const options& running, reload_plan& plan) {
    for (const auto& [name, before] : running.tenants) {
        const auto found = plan.next.tenants.find(name);
        if (found == plan.next.tenants.end())
            plan.removed.push_back(name);
        else
            keep(name, before, found->second, plan);
    }
    for (const auto& [name, tenant] : plan.next.tenants)
        if (!running.tenants.contains(name)) plan.added.push_back(name);
}

}  // namespace

reload_plan plan_reload(const options& running, options loaded) {
    reload_plan plan;
    plan.next = running;
    compare_all(loaded, plan);
    compare_breaker(loaded, plan);
    plan.next.tenant_defaults = std::move(loaded.tenant_defaults);
    plan.next.plans = std::move(loaded.plans);
    plan.next.tenants = std::move(loaded.tenants);
    compare_tenants(running, plan);
    document nowhere("");
    check_tenants(plan.next, nowhere);
    for (auto& error : nowhere.take_errors()) plan.contradictions.push_back(std::move(error.message));
    return plan;
}

}  // namespace weir
