#include "protocol/errors.hpp"

#include <algorithm>

namespace weir::errors {

namespace {

/// Redis cuts what it quotes of a request to this many bytes.
constexpr std::size_t max_quoted_bytes = 128;

/// printf's `%s`.
std::string_view until_nul(std::string_view text) { return text.substr(0, text.find('\0')); }

/// printf's `%.128s`: up to the limit, and up to a NUL.
std::string_view quoted(std::string_view text, std::size_t limit = max_quoted_bytes) {
    return until_nul(text.substr(0, limit));
}

std::string in_capitals(std::string_view text) {
    std::string capitals(text);
    std::ranges::transform(capitals, capitals.begin(),
                           [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 0x20) : c; });
    return capitals;
}

/// Redis says of an EXEC that it rejects what becomes of the transaction (server.c, rejectCommand).
constexpr std::string_view exec_abort = "EXECABORT Transaction discarded because of: ";
bool is_exec(const command_spec& command) { return command.name == "exec"; }

}  // namespace

std::string not_without_upstream(std::string_view breaker_state, std::string_view what, std::string_view reason) {
    std::string text = "FALLBACK breaker ";
    text.append(breaker_state).append(": ").append(what).append(" cannot be answered while Redis is away");
    if (!reason.empty()) text.append(" (").append(reason).append(")");
    return text;
}

std::string upstream_down(std::string_view what) { return "UPSTREAM down: " + std::string(what); }

std::string unknown_command(const arguments& request) {
    std::string arguments_text;
    for (std::size_t i = 1; i < request.size() && arguments_text.size() < max_quoted_bytes; ++i) {
        arguments_text += "'";
        arguments_text += quoted(request[i], max_quoted_bytes - arguments_text.size() + 1);
        arguments_text += "' ";
    }
    return "ERR unknown command '" + std::string(quoted(request[0])) + "', with args beginning with: " + arguments_text;
}

std::string unknown_subcommand(const arguments& request) {
    return "ERR unknown subcommand '" + std::string(quoted(request[1])) + "'. Try " + in_capitals(request[0]) + " HELP.";
}

std::string subcommand_syntax(const arguments& request) {
    return "ERR unknown subcommand or wrong number of arguments for '" + std::string(quoted(request[1])) + "'. Try " +
           in_capitals(request[0]) + " HELP.";
}

std::string unknown_client_type(std::string_view name) {
    return "ERR Unknown client type '" + std::string(until_nul(name)) + "'";
}

std::string no_such_user(std::string_view name) { return "ERR No such user '" + std::string(until_nul(name)) + "'"; }

std::string wrong_arity(const command_spec& command) {
    const std::string text = "wrong number of arguments for '" + std::string(command.name) + "' command";
    return is_exec(command) ? std::string(exec_abort) + text : "ERR " + text;
}

std::string command_not_permitted(const command_spec& command) {
    const std::string text =
        "NOPERM this user has no permissions to run the '" + std::string(command.name) + "' command";
    return is_exec(command) ? std::string(exec_abort) + text : text;
}

std::string not_permitted(const command_spec& command) { return not_permitted(command, command.reason); }

std::string not_permitted(const command_spec& command, std::string_view reason) {
    return command_not_permitted(command) + ": " + std::string(reason);
}

std::string over_limit(const limit_facts& facts) {
    std::string text = "RATELIMITED limit '";
    text.append(facts.limit).append("' of tenant '").append(facts.tenant).append("': ").append(facts.rate);
    if (facts.store_down) {
        text += ", its count is in Redis, which does not answer";
    } else if (facts.retry_after) {
        text += ", retry in " + std::to_string(facts.retry_after->count()) + " ms";
    } else {
        text += ", the command costs more than that";
    }
    return text + " (limit=" + std::to_string(facts.count) + " remaining=" + std::to_string(facts.remaining) +
           " reset_ms=" + std::to_string(facts.reset_after.count()) + ")";
}

std::string too_many_arguments(std::size_t most) {
    return "ERR the command has more arguments than this tenant's quotas.max_arguments allows (" + std::to_string(most) + ")";
}

std::string request_too_long(std::size_t most_bytes) {
    return "ERR the command is longer than this tenant's quotas.max_request allows (" + std::to_string(most_bytes) + " bytes)";
}

std::string only_while_subscribed(const command_spec& command) {
    return "ERR Can't execute '" + std::string(command.name) +
           "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context";
}

std::string not_in_transaction(const command_spec& command) {
    return "ERR '" + std::string(command.name) + "' cannot be part of a transaction here";
}

}  // namespace weir::errors
