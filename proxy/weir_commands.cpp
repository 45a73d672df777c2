#include "proxy/weir_commands.hpp"

#include <array>
#include <chrono>
#include <optional>
#include <string_view>

#include "protocol/errors.hpp"
#include "proxy/breaker_actions.hpp"
#include "proxy/fallback/fallback_service.hpp"
#include "proxy/health_verdict.hpp"
#include "proxy/limits/limit_clock.hpp"
#include "proxy/local_answer.hpp"
#include "proxy/tenants/worker_tenant.hpp"
#include "proxy/worker.hpp"

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

void write_text(reply_writer& reply, std::string_view name, std::string_view value) {
    reply.bulk(name);
    value.empty() ? reply.null() : reply.bulk(value);
}

void write_number(reply_writer& reply, std::string_view name, std::uint64_t value) {
    reply.bulk(name);
    reply.integer(static_cast<std::int64_t>(value));
}

void write_breaker(reply_writer& reply, const breaker& circuit) {
    const breaker_numbers numbers = circuit.numbers(std::chrono::steady_clock::now());
    reply.map(5);
    write_text(reply, "state", to_string(numbers.state));
    write_number(reply, "failures", numbers.failed);
    write_number(reply, "calls", numbers.calls);
    write_number(reply, "retry_in_ms", static_cast<std::uint64_t>(numbers.retry_in.count()));
    write_text(reply, "reason", numbers.reason);
}

std::string_view store_in_use(session& client) {
    const process_state& process = client.owner().process();
    if (process.circuit == nullptr || process.circuit->passes()) return "redis";
    return process.fallback != nullptr ? process.fallback->numbers().store : "none";
}

}  // namespace

void weir_breaker(session& client, const arguments& request) {
    const command_spec& command = *command_table::built_in()->find_row("weir|breaker");
    breaker* const circuit = client.owner().process().circuit;
    if (request.size() > 3) return client.reply_error(errors::wrong_arity(command));
    if (request.size() == 3) {
        if (!client.whose().rules().permits().names(command)) return client.reply_error(errors::command_not_permitted(command));
        const breaker_action* const action = find_breaker_action(request[2]);
        if (action == nullptr) return client.reply_error(errors::unknown_breaker_action);
        if (circuit != nullptr) perform(*action, *circuit, "a tenant", client.whose().name());
    }
    if (circuit == nullptr) return client.reply_error(errors::no_breaker);
    local_answer reply(client);
    write_breaker(reply.writer(), *circuit);
}

void weir_help(session& client, const arguments&) {
    constexpr std::array<std::string_view, 14> lines{
        "WEIR <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "BREAKER [FORCE-OPEN|DISABLE|DRY-RUN|RESET]",
        "    Return the state of the circuit breaker, after changing it where that is given and you may.",
        "LIMITS",
        "    Return the limits of your tenant: what remains of each now, and when it resets.",
        "STATUS",
        "    Return whether Redis is there, and what answers while it is not.",
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

void weir_status(session& client, const arguments&) {
    const process_state& process = client.owner().process();
    const fallback_numbers numbers = process.fallback != nullptr ? process.fallback->numbers() : fallback_numbers{};
    const shared_store_numbers shared = numbers.postgres.value_or(shared_store_numbers{});
    const health_verdict verdict = judge_health({.upstream = client.owner().snapshot(),
                                                 .circuit = process.circuit,
                                                 .has_fallback = process.fallback != nullptr,
                                                 .store_trouble = shared.trouble});
    const tenant_account& account = *client.account();
    local_answer reply(client);
    reply->map(9);
    write_text(reply.writer(), "status", to_string(verdict.status));
    write_text(reply.writer(), "reason", verdict.reason);
    write_text(reply.writer(), "breaker", process.circuit != nullptr ? to_string(process.circuit->state()) : std::string_view{});
    write_text(reply.writer(), "store", store_in_use(client));
    write_number(reply.writer(), "fallback_answers",
                 account.total(&tenant_counters::fallback_postgres) + account.total(&tenant_counters::fallback_memory) +
                     account.total(&tenant_counters::fallback_empty));
    write_number(reply.writer(), "journal", numbers.journal_operations + shared.journal_rows);
    write_number(reply.writer(), "journal_oldest_ms", static_cast<std::uint64_t>(shared.oldest.count()));
    write_number(reply.writer(), "dead_letters", shared.dead_letters);
    write_number(reply.writer(), "replaying", numbers.replaying ? 1 : 0);
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
