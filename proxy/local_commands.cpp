#include "proxy/local_commands.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "policy/command_listing.hpp"
#include "protocol/ascii.hpp"
#include "protocol/errors.hpp"
#include "proxy/local_answer.hpp"
#include "proxy/session.hpp"
#include "proxy/tracking.hpp"
#include "proxy/weir_commands.hpp"
#include "proxy/worker.hpp"

namespace weir {

namespace {

/// What the command table describes; said until the upstream has told its own version.
constexpr std::string_view assumed_version = "7.0.15";

void ok(session& client) { local_answer(client)->simple("OK"); }

void ping(session& client, const arguments& request) {
    if (request.size() > 2) return client.reply_error("ERR wrong number of arguments for 'ping' command");
    if (client.is_confined_to_subscribing()) {
        local_answer reply(client);
        reply->array(2);
        reply->bulk("pong");
        reply->bulk(request.size() == 2 ? request[1] : std::string_view());
    } else if (request.size() == 2) {
        local_answer(client)->bulk(request[1]);
    } else {
        local_answer(client)->simple("PONG");
    }
}

void echo(session& client, const arguments& request) { local_answer(client)->bulk(request[1]); }

void quit(session& client, const arguments&) {
    ok(client);
    client.close_after_replies();
}

void reset(session& client, const arguments&) {
    client.forget_state();
    if (client.gets_no_replies()) client.switch_replies(session::client_replies::on);
    client.forget_tenant();
    client.use_lane({resp_version::resp2, client.owner().settings().upstream.database});
    client.client().name.clear();
    local_answer(client)->simple("RESET");
}

/// AUTH's and HELLO's way to a tenant. True: it is proven; else the client has been told, or `outcome` says wait.
bool authenticate(session& client, std::string_view user, std::string_view password, session::progress& outcome) {
    outcome = session::progress::next;
    switch (client.authenticate(user, password)) {
        case session::identity::proven: return true;
        case session::identity::unknown: outcome = session::progress::wait; break;
        case session::identity::refused: client.reply_error(errors::wrong_password); break;
        case session::identity::busy: client.reply_error(errors::too_many_logins); break;
        case session::identity::crowded: client.reply_error(errors::max_clients); break;
    }
    return false;
}

session::progress auth(session& client, const arguments& request, const command_spec&) {
    auto outcome = session::progress::next;
    if (request.size() > 3) {
        client.reply_error(errors::syntax);
    } else if (request.size() == 2 && client.tenant_is_given()) {
        client.reply_error(errors::auth_not_configured);
    } else if (authenticate(client, request.size() == 3 ? request[1] : "default", request[request.size() - 1], outcome)) {
        ok(client);
    }
    return outcome;
}

bool is_client_name(std::string_view name) {
    return std::ranges::all_of(name, [](char c) { return c >= '!' && c <= '~'; });
}

constexpr std::string_view bad_client_name =
    "ERR Client names cannot contain spaces, newlines or special characters.";

/// What HELLO's options ask for; `fault` says what is wrong with them.
struct hello_options {
    struct login {
        std::string_view user;
        std::string_view password;
    };
    std::optional<login> auth;
    std::optional<std::string> name;
    std::string fault;
};

hello_options read_hello_options(const arguments& request) {
    hello_options options;
    for (std::size_t i = 2; i < request.size(); ++i) {
        const std::size_t following = request.size() - i - 1;
        if (equals_ignoring_case(request[i], "auth") && following >= 2) {
            options.auth = {request[i + 1], request[i + 2]};
            i += 2;
        } else if (equals_ignoring_case(request[i], "setname") && following >= 1) {
            options.name = request[++i];
            if (!is_client_name(*options.name)) options.fault = bad_client_name;
        } else {
            options.fault = "ERR Syntax error in HELLO option '" + std::string(request[i]) + "'";
        }
        if (!options.fault.empty()) break;
    }
    return options;
}

void greet(session& client);

session::progress hello(session& client, const arguments& request, const command_spec&) {
    auto outcome = session::progress::next;
    const auto fail = [&](std::string_view error) {
        client.reply_error(error);
        return outcome;
    };
    std::optional<resp_version> version;
    if (request.size() > 1) {
        const auto wanted = parse_integer(request[1]);
        if (!wanted) return fail(errors::protocol_not_an_integer);
        if (*wanted != 2 && *wanted != 3) return fail(errors::unsupported_protocol);
        version = *wanted == 3 ? resp_version::resp3 : resp_version::resp2;
    }
    const hello_options options = read_hello_options(request);
    if (!options.fault.empty()) return fail(options.fault);
    if (options.auth && !authenticate(client, options.auth->user, options.auth->password, outcome)) return outcome;
    if (!client.authenticated()) return fail(errors::hello_without_auth);
    if (options.name) client.client().name = *options.name;
    if (version) client.use_lane({*version, client.client().database});
    greet(client);
    return outcome;
}

void greet(session& client) {
    const std::string_view known_version = client.owner().snapshot().server_version();
    local_answer reply(client);
    reply->map(7);
    reply->bulk("server");
    reply->bulk("redis");
    reply->bulk("version");
    reply->bulk(known_version.empty() ? assumed_version : known_version);
    reply->bulk("proto");
    reply->integer(client.client().version == resp_version::resp3 ? 3 : 2);
    reply->bulk("id");
    reply->integer(static_cast<std::int64_t>(client.id()));
    reply->bulk("mode");
    reply->bulk("standalone");
    reply->bulk("role");
    reply->bulk("master");
    reply->bulk("modules");
    reply->array(0);
}

void select(session& client, const arguments& request) {
    const database_choice database = selected_database(client, request);
    if (!database.fault.empty()) return client.reply_error(database.fault);
    client.select_database(database.number);
}

/// What all workers count of the client's tenant.
tenant_view view_of_tenant(session& client) {
    tenant_view view;
    view.max_clients = client.owner().settings().clients.max_connections;
    const tenant_account& account = *client.account();
    for (std::size_t worker = 0; worker < account.workers(); ++worker) {
        const tenant_counters& own = account.counters(worker);
        view.connected_clients += own.connections.get();
        view.blocked_clients += own.blocked.get();
        view.tracking_clients += own.tracking.get();
        view.pubsub_clients += own.subscribers.get();
        view.connections_total += own.connections_total.get();
        view.received_bytes += own.received_bytes.get();
        view.sent_bytes += own.sent_bytes.get();
        for (const counter& result : own.commands) view.commands_total += result.get();
    }
    view.channels = account.subscribers.channels();
    view.patterns = account.subscribers.patterns();
    return view;
}

void info(session& client, const arguments& request) {
    std::vector<std::string_view> sections;
    for (std::size_t i = 1; i < request.size(); ++i) sections.push_back(request[i]);
    local_answer(client)->verbatim(tenant_info(client.owner().snapshot(), sections, view_of_tenant(client)));
}

void role(session& client, const arguments&) {
    local_answer reply(client);
    reply->array(3);
    reply->bulk("master");
    reply->integer(0);
    reply->array(0);
}

void no_cluster(session& client, const arguments&) { client.reply_error(errors::no_cluster); }

/// READONLY and READWRITE: Valkey 8 takes them without a cluster too, where they mean nothing on a primary.
void replica_reads(session& client, const arguments& request) {
    const bool taken = !client.owner().snapshot().info_value("server", "valkey_version").empty();
    taken ? ok(client) : no_cluster(client, request);
}

// ---- CLIENT --------------------------------------------------------------------------------------------------------

void client_id(session& client, const arguments&) { local_answer(client)->integer(static_cast<std::int64_t>(client.id())); }

void client_getname(session& client, const arguments&) {
    if (client.client().name.empty()) {
        local_answer(client)->null();
    } else {
        local_answer(client)->bulk(client.client().name);
    }
}

void client_setname(session& client, const arguments& request) {
    if (!is_client_name(request[2])) return client.reply_error(bad_client_name);
    client.client().name = request[2];
    ok(client);
}

void client_setinfo(session& client, const arguments& request) {
    const bool name = equals_ignoring_case(request[2], "lib-name");
    if (!name && !equals_ignoring_case(request[2], "lib-ver")) {
        return client.reply_error("ERR Unrecognized option '" + std::string(request[2]) + "'");
    }
    if (!is_client_name(request[3])) {
        return client.reply_error("ERR " + std::string(name ? "lib-name" : "lib-ver") +
                                  " cannot contain spaces, newlines or special characters.");
    }
    (name ? client.client().library_name : client.client().library_version) = request[3];
    ok(client);
}

void client_info(session& client, const arguments&) { local_answer(client)->verbatim(client_line(client.describe())); }

/// CLIENT NO-EVICT and NO-TOUCH ON|OFF: weir evicts no clients, and a shared connection cannot hold a client's choice.
template <bool client_state::*Choice>
void client_switch(session& client, const arguments& request) {
    const bool on = is_option(request[2], "on");
    if (!on && !is_option(request[2], "off")) return client.reply_error(errors::syntax);
    client.client().*Choice = on;
    ok(client);
}

void client_getredir(session& client, const arguments&) {
    const tracking_state* const tracking = client.tracking();
    if (tracking == nullptr) return local_answer(client)->integer(-1);
    local_answer(client)->integer(tracking->redirect ? static_cast<std::int64_t>(*tracking->redirect) : 0);
}

/// CLIENT CAPA: what a client could do in a cluster or behind a primary, which weir never asks of it.
void client_capa(session& client, const arguments&) { ok(client); }

/// CLIENT REPLY ON|OFF|SKIP: ON alone is answered.
void client_reply(session& client, const arguments& request) {
    using replies = session::client_replies;
    if (equals_ignoring_case(request[2], "on")) {
        client.switch_replies(replies::on);
        ok(client);
    } else if (equals_ignoring_case(request[2], "off")) {
        client.switch_replies(replies::off);
    } else if (equals_ignoring_case(request[2], "skip")) {
        if (!client.gets_no_replies()) client.switch_replies(replies::skip_next);
    } else {
        client.reply_error(errors::syntax);
    }
}

void client_trackinginfo(session& client, const arguments&) {
    const tracking_state* const tracking = client.tracking();
    std::vector<std::string_view> flags{tracking == nullptr ? "off" : "on"};
    if (tracking != nullptr) {
        if (tracking->broadcast) flags.emplace_back("bcast");
        if (tracking->caching == tracking_state::choice::opt_in) flags.emplace_back("optin");
        if (tracking->caching == tracking_state::choice::opt_out) flags.emplace_back("optout");
        if (tracking->chosen) {
            const bool opted_in = tracking->caching == tracking_state::choice::opt_in;
            flags.emplace_back(opted_in ? "caching-yes" : "caching-no");
        }
        if (tracking->no_loop) flags.emplace_back("noloop");
        if (tracking->redirect_broken) flags.emplace_back("broken_redirect");
    }
    local_answer reply(client);
    reply->map(3);
    reply->bulk("flags");
    reply->set(flags.size());
    for (const auto flag : flags) reply->bulk(flag);
    reply->bulk("redirect");
    if (tracking == nullptr) {
        reply->integer(-1);
    } else {
        reply->integer(tracking->redirect ? static_cast<std::int64_t>(*tracking->redirect) : 0);
    }
    reply->bulk("prefixes");
    reply->array(tracking == nullptr ? 0 : tracking->prefixes.size());
    if (tracking == nullptr) return;
    for (const auto& prefix : tracking->prefixes) reply->bulk(prefix);
}

// ---- what a session keeps --------------------------------------------------------------------------------------------

session::progress multi(session& client, const arguments&, const command_spec&) { return client.multi(); }
session::progress exec(session& client, const arguments&, const command_spec&) { return client.exec(); }
session::progress discard(session& client, const arguments&, const command_spec&) { return client.discard(); }
session::progress unwatch(session& client, const arguments&, const command_spec&) { return client.unwatch(); }
session::progress watch(session& client, const arguments& request, const command_spec& command) {
    return client.watch(request, command);
}

session::progress client_tracking(session& client, const arguments& request, const command_spec&) {
    if (equals_ignoring_case(request[2], "on")) return client.track(request);
    if (equals_ignoring_case(request[2], "off")) return client.stop_tracking();
    client.reply_error(errors::syntax);
    return session::progress::next;
}

session::progress client_caching(session& client, const arguments& request, const command_spec&) {
    return client.choose_caching(request);
}

session::progress change_subscriptions(session& client, const arguments& request, const command_spec& command) {
    return client.change_subscriptions(request, command);
}

void pubsub_numpat(session& client, const arguments&) {
    local_answer(client)->integer(static_cast<std::int64_t>(client.account()->subscribers.patterns()));
}

// ---- CONFIG, ACL ---------------------------------------------------------------------------------------------------

/// What client libraries ask for at their start, as far as it is true of a tenant's Redis.
std::map<std::string, std::string> visible_configuration(session& client) {
    const options& settings = client.owner().settings();
    const upstream_snapshot& upstream = client.owner().snapshot();
    const auto in_seconds = [](std::chrono::milliseconds time) { return std::to_string(time.count() / 1000); };
    std::map<std::string, std::string> known = upstream.settings;
    known["maxclients"] = std::to_string(settings.clients.max_connections);
    known["proto-max-bulk-len"] = std::to_string(settings.clients.max_bulk_bytes);
    known["tcp-keepalive"] = in_seconds(settings.clients.tcp_keepalive);
    known["timeout"] = in_seconds(settings.clients.idle_timeout);
    for (const auto& [name, field] : {std::pair{"maxmemory", "maxmemory"}, {"maxmemory-policy", "maxmemory_policy"}}) {
        if (const auto value = upstream.info_value("memory", field); !value.empty()) known.emplace(name, value);
    }
    return known;
}

// Matching costs time with a pattern's length and with their number, and others wait for this thread.
constexpr std::size_t max_pattern_bytes = 256;
constexpr std::size_t max_patterns = 64;

bool is_pattern(std::string_view name) { return name.find_first_of("*?[\\") != std::string_view::npos; }

void config_get(session& client, const arguments& request) {
    std::map<std::string, std::string_view> matching;  // by name: its spelling, which is the client's if that is no pattern
    const auto visible = visible_configuration(client);
    std::size_t patterns = 0;
    for (std::size_t i = 2; i < request.size(); ++i) {
        if (request[i].size() > max_pattern_bytes) continue;
        std::string pattern(request[i]);
        if (!is_pattern(pattern)) {
            std::ranges::transform(pattern, pattern.begin(), to_lower);
            if (visible.contains(pattern)) matching.emplace(pattern, request[i]);
            continue;
        }
        if (++patterns > max_patterns) return client.reply_error(errors::too_many_patterns);
        for (const auto& [name, value] : visible) {
            if (::fnmatch(pattern.c_str(), name.c_str(), FNM_CASEFOLD) == 0) matching.emplace(name, name);
        }
    }
    local_answer reply(client);
    reply->map(matching.size());
    for (const auto& [name, spelling] : matching) {
        reply->bulk(spelling);
        reply->bulk(visible.at(name));
    }
}

/// The tenant's scripts alone: the server keeps their text, under names that no client has.
void script_flush(session& client, const arguments& request) {
    const bool fits = request.size() == 2 ||
                      (request.size() == 3 && (is_option(request[2], "sync") || is_option(request[2], "async")));
    if (!fits) return client.reply_error(errors::script_flush_options);
    if (script_registry* const scripts = client.account()->scripts()) scripts->forget_all();
    ok(client);
}

/// Of what the server has, as it said when weir connected to it; before that, of what weir knows.
void command_count(session& client, const arguments&) {
    const upstream_snapshot& upstream = client.owner().snapshot();
    local_answer(client)->integer(static_cast<std::int64_t>(upstream.listed_commands.value_or(count_listed(*upstream.commands))));
}

void acl_whoami(session& client, const arguments&) { local_answer(client)->bulk("default"); }

using handler = void (*)(session&, const arguments&);
using lasting_handler = session::progress (*)(session&, const arguments&, const command_spec&);

struct local_command {
    std::string_view name;
    handler perform = nullptr;
    in_multi between_multi_and_exec = in_multi::answered;
    bool quiet = false;                ///< nothing may be in flight
    lasting_handler perform_lasting = nullptr;  ///< instead of `perform`: it may have to wait
};

constexpr local_command lasting(std::string_view name, lasting_handler perform, in_multi rule, bool quiet = false) {
    return {name, nullptr, rule, quiet, perform};
}

constexpr std::array local_commands = {
    local_command{"ping", ping, in_multi::forwarded},
    local_command{"echo", echo, in_multi::forwarded},
    local_command{"quit", quit, in_multi::at_once},
    local_command{"reset", reset, in_multi::at_once, true},
    local_command{"select", select, in_multi::forwarded, true},
    local_command{"info", info},
    local_command{"role", role},
    local_command{"readonly", replica_reads},
    local_command{"readwrite", replica_reads},
    local_command{"asking", no_cluster},
    local_command{"client|id", client_id},
    local_command{"client|getname", client_getname},
    local_command{"client|setname", client_setname},
    local_command{"client|setinfo", client_setinfo},
    local_command{"client|info", client_info},
    local_command{"client|no-evict", client_switch<&client_state::no_evict>},
    local_command{"client|no-touch", client_switch<&client_state::no_touch>},
    local_command{"client|capa", client_capa},
    local_command{"client|getredir", client_getredir},
    local_command{"client|reply", client_reply, in_multi::refused, true},
    local_command{"client|trackinginfo", client_trackinginfo},
    local_command{"command|count", command_count},
    local_command{"config|get", config_get},
    local_command{"acl|whoami", acl_whoami},
    local_command{"weir|breaker", weir_breaker},
    local_command{"weir|help", weir_help},
    local_command{"weir|limits", weir_limits},
    local_command{"weir|status", weir_status},
    local_command{"weir|tenant", weir_tenant},
    lasting("auth", auth, in_multi::refused, true),
    lasting("hello", hello, in_multi::refused, true),
    local_command{"pubsub|numpat", pubsub_numpat},
    lasting("subscribe", change_subscriptions, in_multi::refused, true),
    lasting("psubscribe", change_subscriptions, in_multi::refused, true),
    lasting("ssubscribe", change_subscriptions, in_multi::refused, true),
    lasting("unsubscribe", change_subscriptions, in_multi::refused, true),
    lasting("punsubscribe", change_subscriptions, in_multi::refused, true),
    lasting("sunsubscribe", change_subscriptions, in_multi::refused, true),
    local_command{"script|flush", script_flush},
    lasting("multi", multi, in_multi::at_once),
    lasting("exec", exec, in_multi::at_once),
    lasting("discard", discard, in_multi::at_once),
    lasting("watch", watch, in_multi::at_once),
    lasting("unwatch", unwatch, in_multi::forwarded),
    lasting("client|tracking", client_tracking, in_multi::refused, true),
    lasting("client|caching", client_caching, in_multi::refused),
};

constexpr local_command cluster_commands{"cluster|", no_cluster};

const local_command* find_local(const command_spec& command) {
    if (command.name.starts_with(cluster_commands.name)) return &cluster_commands;
    const auto* const found = std::ranges::find(local_commands, command.name, &local_command::name);
    return found == local_commands.end() ? nullptr : found;
}

}  // namespace

bool needs_quiet(const command_spec& command) {
    const local_command* const found = find_local(command);
    return found != nullptr && found->quiet;
}

bool has_local_answer(const command_spec& command) { return find_local(command) != nullptr; }

in_multi in_transaction_rule(const command_spec& command) {
    if (command.route == command_route::forward) return in_multi::forwarded;
    const local_command* const found = find_local(command);
    return found == nullptr ? in_multi::refused : found->between_multi_and_exec;
}

bool is_for_subscribers(const command_spec& command) {
    const local_command* const found = find_local(command);
    return found != nullptr && (found->perform_lasting == change_subscriptions || found->perform == ping ||
                                found->perform == quit || found->perform == reset);
}

database_choice selected_database(session& client, const arguments& request) {
    const auto database = parse_integer(request[1]);
    if (!database || *database > INT32_MAX || *database < INT32_MIN) return {0, errors::not_an_integer};
    if (*database < 0) return {0, errors::database_out_of_range};
    if (!client.whose().may_select(*database)) return {0, errors::database_not_allowed};
    return {static_cast<int>(*database), {}};
}

session::progress perform_local(session& client, const command_spec& command, const arguments& request) {
    const local_command* const found = find_local(command);
    if (found == nullptr) {
        client.reply_error(errors::unknown_command(request));
        return session::progress::next;
    }
    if (found->perform_lasting != nullptr) return found->perform_lasting(client, request, command);
    found->perform(client, request);
    return session::progress::next;
}

}  // namespace weir
