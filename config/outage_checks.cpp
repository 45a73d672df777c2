#include "config/outage_checks.hpp"

#include <algorithm>
#include <chrono>
#include <set>
#include <span>

#include "config/document.hpp"
#include "config/ordered_pair.hpp"
#include "config/units.hpp"
#include "config/word_rows.hpp"
#include "policy/command_set.hpp"
#include "policy/command_timeouts.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;

bool is_sent(const command_spec& command) {
    return command.route == command_route::forward || command.route == command_route::emulate;
}

/// Whether a command that the word means goes to the upstream; of a module's nobody knows.
bool means_a_sent_command(const std::string& word) {
    const command_set named(std::span(&word, 1));
    const auto rows = command_table::built_in()->rows();
    const auto means = [&](const command_spec* row) { return named.contains(*row); };
    return std::ranges::none_of(rows, means) ||
           std::ranges::any_of(rows, [&](const auto* row) { return means(row) && is_sent(*row); });
}

void check_timeouts(const upstream_options& upstream, document& file) {
    std::set<std::chrono::milliseconds> different;
    for (const auto& [word, time] : upstream.timeouts) {
        different.insert(time);
        if (word == "nocommands" || !means_a_sent_command(word))
            file.fail("upstream/timeouts/" + word,
                      "would have no effect, as these commands never go to the upstream; valid: words of "
                      "those that do");
    }
    if (different.size() > command_timeouts::max_classes)
        file.fail("upstream/timeouts", "holds " + std::to_string(different.size()) +
                                           " different times; valid: " +
                                           std::to_string(command_timeouts::max_classes) + " at most");
}

std::string show_duration(std::size_t milliseconds) {
    return format_duration(std::chrono::milliseconds(milliseconds));
}

void check_breaker(const breaker_options& breaker, document& file) {
    const bool never =
        breaker.failure_rate == 0 && breaker.consecutive_failures == 0 && breaker.slow_over == 0ms;
    if (never && breaker.mode != breaker_mode::disabled)
        file.fail("breaker/failure_rate",
                  "is 0%, consecutive_failures 0 and slow_over 0s, so it would never open; valid: one of "
                  "them above "
                  "that, or mode: disabled");
    check_order({"breaker/open_for", static_cast<std::size_t>(breaker.open_for.count()),
                 "breaker/max_open_for", static_cast<std::size_t>(breaker.max_open_for.count()),
                 show_duration, "it would stay open for longer than it may"},
                file);
}

/// What would have no effect without a store, or with nothing that answers at all.
void check_stores(const options& configured, document& file) {
    const auto& fallback = configured.fallback;
    const auto needs_order = [&](bool is_set, const std::string& path) {
        if (is_set)
            file.fail(
                path,
                "would have no effect, as no store answers; valid: with fallback.order, such as [memory]");
    };
    needs_order(fallback.memory.replay, "fallback/memory/replay");
    needs_order(fallback.remember.reads || fallback.remember.writes, "fallback/remember/what");
    if (fallback.exists()) return;
    const auto check_rules = [&](const shared_terms& terms, const std::string& path) {
        needs_order(!terms->fallback.empty() && file.has(path), path);
    };
    check_rules(configured.tenant_defaults, "tenant_defaults/fallback");
    for (const auto& [name, plan] : configured.plans) check_rules(plan, "plans/" + name + "/fallback");
    for (const auto& [name, tenant] : configured.tenants)
        check_rules(tenant.terms, "tenants/" + name + "/fallback");
}

void check_order_of_stores(const fallback_options& fallback, document& file) {
    const bool has_postgres = fallback.has(fallback_store::postgres);
    if (has_postgres && fallback.order.front() != fallback_store::postgres)
        file.fail("fallback/order", "has postgres behind memory, which answers everything; valid: [postgres, memory]");
    if (has_postgres && !fallback.postgres.dsn && !file.has("fallback/postgres/dsn") &&
        !file.has("fallback/postgres/dsn_file") && !file.has("fallback/postgres/dsn_env"))
        file.fail("fallback/order", "has postgres, but nothing says where that is; valid: with "
                                    "fallback.postgres.dsn, dsn_file or dsn_env");
    for (const std::string name : {"dsn_file", "dsn_env", "dsn"})
        if (!has_postgres && file.has("fallback/postgres/" + name))
            file.fail("fallback/postgres/" + name, "would have no effect; valid: with postgres in fallback.order");
    check_order({"fallback/postgres/pool/min", fallback.postgres.pool.min, "fallback/postgres/pool/max",
                 fallback.postgres.pool.max, [](std::size_t n) { return std::to_string(n); }, "there would never be so many"},
                file);
}

/// What would have no effect, or another one than it says, without the memory.
void check_memory(const options& configured, document& file) {
    const auto& fallback = configured.fallback;
    if (fallback.has(fallback_store::memory)) return;
    const auto needs_memory = [&](bool is_set, const std::string& path) {
        if (is_set) file.fail(path, "would have no effect; valid: with memory in fallback.order");
    };
    needs_memory(fallback.memory.replay, "fallback/memory/replay");
    needs_memory(fallback.remember.reads || fallback.remember.writes, "fallback/remember/what");
    const auto check_rules = [&](const shared_terms& terms, const std::string& path) {
        for (std::size_t i = 0; i < terms->fallback.size(); ++i) {
            const auto at = path + "/fallback[" + std::to_string(i) + "]/writes";
            if (terms->fallback[i].writes == fallback_writes::memory && file.has(at))
                file.fail(at, "'memory' is no store that is asked; valid: with memory in fallback.order");
        }
    };
    check_rules(configured.tenant_defaults, "tenant_defaults");
    for (const auto& [name, plan] : configured.plans) check_rules(plan, "plans/" + name);
    for (const auto& [name, tenant] : configured.tenants) check_rules(tenant.terms, "tenants/" + name);
}

void check_copies(const fallback_options& fallback, document& file) {
    if (!fallback.remember.reads && !fallback.remember.writes) return;
    check_order(
        {"fallback/remember/max_value", fallback.remember.max_value_bytes, "fallback/memory/max_bytes",
         fallback.memory.max_bytes, format_size, "such a copy would not fit"},
        file);
}

}  // namespace

void check_outages(const options& configured, document& file) {
    check_timeouts(configured.upstream, file);
    if (configured.breaker) check_breaker(*configured.breaker, file);
    // A store that is not known has had its error.
    if (configured.fallback.order.empty() && !file.has("fallback/order[0]")) check_stores(configured, file);
    if (!configured.fallback.order.empty()) check_memory(configured, file);
    check_order_of_stores(configured.fallback, file);
    check_copies(configured.fallback, file);
}

}  // namespace weir
