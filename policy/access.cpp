#include "policy/access.hpp"

#include <algorithm>
#include <array>

#include "protocol/ascii.hpp"
#include "protocol/command_keys.hpp"
#include "protocol/errors.hpp"

namespace weir {

namespace {

decision refuse(const command_spec* command, std::string error) {
    return {command_route::refuse, command, std::move(error)};
}

decision unknown(const arguments& request) {
    decision result = refuse(nullptr, errors::unknown_command(request));
    result.hang_up = equals_ignoring_case(request[0], "post") || equals_ignoring_case(request[0], "host:");
    return result;
}

/// COPY source destination [DB n] and MOVE key n reach another database than the session's.
bool reaches_forbidden_database(const command_spec& command, const arguments& request, const tenant& owner) {
    const auto forbidden = [&](std::string_view number) {
        const auto database = parse_integer(number);
        return database && !owner.may_select(*database);
    };
    if (command.name == "move") return request.size() > 2 && forbidden(request[2]);
    if (command.name != "copy") return false;
    for (std::size_t i = 3; i + 1 < request.size(); ++i) {
        if (is_option(request[i], "db") && forbidden(request[i + 1])) return true;
    }
    return false;
}

bool may_block(const command_spec& command, const arguments& request) {
    return command.has(command_flag::blocking) &&
           (command.reply != reply_rule::streams || reads_stream_blocking(request));
}

/// Why the tenant may not do this with scripts; empty when it may. Without names of its own for them (mode acl) it shares
/// the server's scripts with all others.
std::string_view script_refusal(const command_spec& command, const tenant& owner) {
    const bool flush = command.name == "script|flush";
    const bool concerned = flush || command.runs_script() || command.request == request_rule::script ||
                           command.request == request_rule::script_name;
    if (!concerned || owner.scripts().mode == script_mode::acl) return {};
    if (owner.scripts().mode == script_mode::deny) return "this tenant may not run scripts";
    // The configuration does not let it come to this.
    if (owner.permits().restricts()) return "nothing would hold its scripts to this tenant's permissions";
    return flush ? "it concerns the scripts of every tenant" : "";
}

/// Why the tenant may not touch the keys; empty when it may, or when that cannot be said yet.
std::string_view key_refusal(const command_spec& command, const arguments& request, std::size_t count,
                             const tenant& owner) {
    if (!owner.permits().restricts_keys()) return {};
    switch (owner.permits().judge_keys(request, command, count)) {
        case key_verdict::allowed:
        case key_verdict::undecided: return {};
        case key_verdict::refused: return errors::key_not_permitted;
        case key_verdict::refused_sort_by: return errors::sort_by_not_permitted;
        case key_verdict::refused_sort_get: return errors::sort_get_not_permitted;
    }
    return errors::key_not_permitted;
}

/// FUNCTION LIST WITHCODE shows what the operator may have written for others.
bool shows_code(const command_spec& command, const arguments& request) {
    if (command.name != "function|list") return false;
    for (std::size_t i = 2; i < request.size(); ++i) {
        if (is_option(request[i], "withcode")) return true;
    }
    return false;
}

}  // namespace

bool may_run_confined(const command_spec& command, const tenant& owner, int server_major) {
    // What weir answers by itself, and passes on in transactions alone (SELECT, PING), that user may do as well.
    if (command.route == command_route::local || command.runs_script()) return true;
    // SORT it may do but for BY and GET.
    if (command.request == request_rule::sort) return false;
    constexpr std::array keyless = {std::string_view("time"), std::string_view("script|load"), std::string_view("script|exists")};
    if (script_user_may(command, owner)) return script_user_has_all_keys(owner, server_major);
    return command.request == request_rule::channel ||
           (owner.scripts().made_by_weir && std::ranges::find(keyless, command.name) != keyless.end());
}

bool needs_all_arguments(const command_spec& command, const arguments& request, std::size_t count,
                         const tenant& owner) {
    if (command.name == "copy" || command.name == "move") return true;
    return owner.permits().restricts_keys() &&
           owner.permits().judge_keys(request, command, count) == key_verdict::undecided;
}

decision decide(const command_table& table, const arguments& request, std::size_t count, const tenant& owner) {
    const command_spec* command = table.find(request[0]);
    if (command == nullptr) return unknown(request);
    if (command->container && count > 1) {
        if (request.size() < 2) return refuse(command, std::string(errors::syntax));
        const command_spec* sub = table.find_subcommand(*command, request[1]);
        if (sub == nullptr) return refuse(command, errors::unknown_subcommand(request));
        command = sub;
    }
    if (!command->accepts_argument_count(count)) return refuse(command, errors::wrong_arity(*command));
    if (owner.is_nobody() && !command->has(command_flag::no_auth)) return refuse(command, std::string(errors::no_auth));
    if (!owner.permits().may_run(*command)) return refuse(command, errors::command_not_permitted(*command));
    if (const auto reason = key_refusal(*command, request, count, owner); !reason.empty()) {
        return refuse(command, std::string(reason));
    }
    if (const auto reason = script_refusal(*command, owner); !reason.empty()) {
        return refuse(command, errors::not_permitted(*command, reason));
    }
    switch (command->route) {
        case command_route::refuse: return refuse(command, errors::not_permitted(*command));
        case command_route::local:
        case command_route::emulate: return {command->route, command, {}};
        case command_route::forward: break;
    }
    if (shows_code(*command, request)) {
        return refuse(command, errors::not_permitted(*command, "code may be other tenants'"));
    }
    if (reaches_forbidden_database(*command, request, owner)) {
        return refuse(command, std::string(errors::database_not_allowed));
    }
    decision result{command_route::forward, command, {}};
    result.waits = may_block(*command, request);
    const bool confined = command->runs_script() && owner.scripts().mode == script_mode::acl;
    result.user = confined ? command_user::confined : command_user::any;
    return result;
}

}  // namespace weir
