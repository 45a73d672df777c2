#include "proxy/weir_commands.hpp"

#include <array>
#include <chrono>
#include <optional>
#include <string_view>

#include "proxy/limits/limit_clock.hpp"
#include "proxy/local_answer.hpp"
#include "proxy/tenants/worker_tenant.hpp"

namespace weir {

namespace {

std::string_view name_of(limit_algorithm algorithm) {
    constexpr std::array<std::string_view, 3> names{"gcra", "sliding_window", "fixed_window"};
    return names[static_cast<std::size_t>(algorithm)];
}

std::int64_t whole_milliseconds(std::chrono::nanoseconds time) {
    return std::chrono::ceil<std::chrono::milliseconds>(time).count();
}

/// Until a call that costs one unit passes; -1: it does not, as it is not known what is left.
std::int64_t retry_of(const tenant_limit& limit, const limit_counter& counter, const limit_standing& standing,
                      limit_time now) {
    if (standing.remaining > 0) return 0;
    const limit_refusal refusal = counter.refusal(limit.rule(), now, 1);
    return refusal.retry_after && !refusal.store_down ? whole_milliseconds(*refusal.retry_after) : -1;
}

void write_limit(reply_writer& reply, const tenant_limit& limit, const limit_counter& counter, limit_time now) {
    const limit_standing standing = counter.standing(limit.rule(), now);
    const auto text = [&](std::string_view name, std::string_view value) {
        reply.bulk(name);
        reply.bulk(value);
    };
    const auto number = [&](std::string_view name, std::int64_t value) {
        reply.bulk(name);
        reply.integer(value);
    };
    reply.map(10);
    text("name", limit.name());
    text("rate", limit.rate_text());
    text("algorithm", name_of(limit.rule().algorithm));
    text("scope", limit.rule().scope == limit_scope::global ? "global" : "local");
    text("action", limit.delays() ? "delay" : "refuse");
    number("limit", static_cast<std::int64_t>(limit.rule().count));
    number("burst", static_cast<std::int64_t>(limit.rule().burst));
    number("remaining", static_cast<std::int64_t>(standing.remaining));
    number("reset_ms", whole_milliseconds(standing.reset_after));
    number("retry_ms", retry_of(limit, counter, standing, now));
}

void write_words(reply_writer& reply, std::string_view name, const std::vector<std::string>& words) {
    reply.bulk(name);
    reply.array(words.size());
    for (const auto& word : words) reply.bulk(word);
}

void write_quotas(reply_writer& reply, const quota_options& quotas) {
    const auto bound = [&](std::string_view name, std::optional<std::uint64_t> value) {
        reply.bulk(name);
        value ? reply.integer(static_cast<std::int64_t>(*value)) : reply.null();
    };
    const auto bytes_a_second = [&](std::string_view name, const std::optional<limit_rate>& rate) {
        const auto milliseconds = rate ? static_cast<std::uint64_t>(rate->period.count()) : 1;
        bound(name, rate ? std::optional(rate->count * 1'000 / milliseconds) : std::nullopt);
    };
    reply.map(6);
    bound("max_connections", quotas.max_connections);
    bound("max_in_flight", quotas.max_in_flight);
    bound("max_request", quotas.max_request_bytes);
    bound("max_arguments", quotas.max_arguments);
    bytes_a_second("received_per_second", quotas.received);
    bytes_a_second("sent_per_second", quotas.sent);
}

}  // namespace

void weir_help(session& client, const arguments&) {
    constexpr std::array<std::string_view, 9> lines{
        "WEIR <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "LIMITS",
        "    Return the limits of your tenant: what remains of each now, and when it resets.",
        "TENANT",
        "    Return whose keys you see, and what your tenant may do and have.",
        "HELP",
        "    Print this help.",
        "Limits and quotas are those of the tenant: all of its clients share them.",
        "Commands of WEIR count to no limit.",
    };
    local_answer reply(client);
    reply->array(lines.size());
    for (const auto line : lines) reply->simple(line);
}

void weir_limits(session& client, const arguments&) {
    const tenant_account::terms& terms = client.tenant_here().terms();
    const auto limits = terms.whose->rules().limits();
    client.tenant_here().settle_limits();
    const limit_time now = limit_now();
    local_answer reply(client);
    reply->array(limits.size());
    for (std::size_t i = 0; i < limits.size(); ++i) write_limit(reply.writer(), limits[i], *terms.limits[i]->counter, now);
}

void weir_tenant(session& client, const arguments&) {
    const tenant& whose = client.whose();
    const tenant_terms& terms = whose.rules().terms();
    local_answer reply(client);
    reply->map(9);
    reply->bulk("name");
    reply->bulk(whose.name());
    reply->bulk("plan");
    whose.plan().empty() ? reply->null() : reply->bulk(whose.plan());
    reply->bulk("connections");
    reply->integer(static_cast<std::int64_t>(client.account()->total(&tenant_counters::connections)));
    reply->bulk("databases");
    reply->array(whose.databases().size());
    for (const int database : whose.databases()) reply->integer(database);
    reply->bulk("read_only");
    reply->integer(terms.permissions.read_only ? 1 : 0);
    write_words(reply.writer(), "allow", terms.permissions.allow);
    write_words(reply.writer(), "deny", terms.permissions.deny);
    write_words(reply.writer(), "keys", terms.permissions.keys);
    reply->bulk("quotas");
    write_quotas(reply.writer(), terms.quotas);
}

}  // namespace weir
