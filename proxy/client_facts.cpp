#include "proxy/client_facts.hpp"

#include <array>
#include <string_view>
#include <utility>

namespace weir {

namespace {

/// In the order of Redis (networking.c, catClientInfoString).
std::string flags_of(const client_facts& client) {
    const std::array<std::pair<bool, char>, 11> flags{{
        {client.subscriber, 'P'},
        {client.queued_commands.has_value(), 'x'},
        {client.blocked, 'b'},
        {client.tracking, 't'},
        {client.broken_redirection, 'R'},
        {client.broadcast, 'B'},
        {client.watch_failed, 'd'},
        {client.closing, 'c'},
        {client.by_unix_socket, 'U'},
        {client.no_evict, 'e'},
        {client.no_touch, 'T'},
    }};
    std::string text;
    for (const auto& [is_set, letter] : flags) {
        if (is_set) text += letter;
    }
    return text.empty() ? "N" : text;
}

}  // namespace

std::string client_line(const client_facts& client) {
    std::string line = "id=" + std::to_string(client.id);
    const auto text = [&line](std::string_view name, std::string_view value) {
        line.append(" ").append(name).append("=").append(value);
    };
    const auto number = [&text](std::string_view name, auto value) { text(name, std::to_string(value)); };
    text("addr", client.address);
    text("laddr", client.local_address);
    number("fd", client.descriptor);
    text("name", client.name);
    number("age", client.age.count());
    number("idle", client.idle.count());
    text("flags", flags_of(client));
    number("db", client.database);
    number("sub", client.channels);
    number("psub", client.patterns);
    number("ssub", client.shard_channels);
    text("multi", client.queued_commands ? std::to_string(*client.queued_commands) : "-1");
    number("qbuf", client.unread_bytes);
    number("qbuf-free", client.unread_room_bytes);
    number("argv-mem", 0);  // arguments are read where they were received
    number("multi-mem", client.queued_bytes);
    for (const auto* name : {"rbs", "rbp", "obl", "oll"})
        number(name, 0);  // replies stand in one buffer: omem
    number("omem", client.unsent_bytes);
    number("tot-mem", client.total_bytes);
    text("events", client.wants_to_write ? "rw" : "r");
    text("cmd", client.command.empty() ? "NULL" : client.command);
    text("user", client.user);
    number("redir", client.redirection);
    text("resp", client.version == resp_version::resp3 ? "3" : "2");
    text("lib-name", client.library_name);
    text("lib-ver", client.library_version);
    return line + '\n';
}

}  // namespace weir
