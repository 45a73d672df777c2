#include "policy/access.hpp"

#include "protocol/ascii.hpp"
#include "protocol/command_keys.hpp"
#include "protocol/errors.hpp"

namespace weir {

namespace {

decision refuse(const command_spec* command, std::string error) {
    return {command_route::refuse, command, std::move(error), false};
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

bool blocks(const command_spec& command, const arguments& request) {
    return command.has(command_flag::blocking) && command.reply == reply_rule::streams &&
           reads_stream_blocking(request);
}

}  // namespace

bool needs_all_arguments(const command_spec& command) { return command.name == "copy" || command.name == "move"; }

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
    switch (command->route) {
        case command_route::refuse: return refuse(command, errors::not_permitted(*command));
        case command_route::later: return refuse(command, errors::not_served(command->name, command->reason));
        case command_route::local:
        case command_route::emulate: return {command->route, command, {}, false};
        case command_route::forward: break;
    }
    if (blocks(*command, request)) {
        return refuse(command, errors::not_served("BLOCK", "waiting needs a connection of the client's own"));
    }
    if (reaches_forbidden_database(*command, request, owner)) {
        return refuse(command, std::string(errors::database_not_allowed));
    }
    return {command_route::forward, command, {}, false};
}

}  // namespace weir
