#include "proxy/client_filter.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/ascii.hpp"
#include "protocol/errors.hpp"

namespace weir {

namespace {

/// What a C string ends at.
std::string_view c_string(std::string_view text) {
    return text.substr(0, text.find('\0'));
}

std::optional<client_type> type_named(std::string_view name) {
    constexpr std::array<std::pair<std::string_view, client_type>, 5> names{{
        {"normal", client_type::normal},
        {"slave", client_type::replica},
        {"replica", client_type::replica},
        {"pubsub", client_type::pubsub},
        {"master", client_type::master},
    }};
    const auto found =
        std::ranges::find_if(names, [&](const auto& entry) { return is_option(name, entry.first); });
    return found == names.end() ? std::nullopt : std::optional(found->second);
}

client_type type_of(const client_facts& client) {
    return client.subscriber ? client_type::pubsub : client_type::normal;
}

/// Reads the value of one of CLIENT KILL's filters; returns what is wrong with it.
using filter_reader = std::string (*)(std::string_view value, client_filter& into);

std::string read_id(std::string_view value, client_filter& into) {
    const auto id = parse_integer(value);
    if (!id || *id < 1) return std::string(errors::client_id_not_positive);
    into.ids = {static_cast<std::uint64_t>(*id)};
    return {};
}

std::string read_type(std::string_view value, client_filter& into) {
    into.type = type_named(value);
    return into.type ? std::string{} : errors::unknown_client_type(value);
}

std::string read_address(std::string_view value, client_filter& into) {
    into.address = c_string(value);
    return {};
}

std::string read_local_address(std::string_view value, client_filter& into) {
    into.local_address = c_string(value);
    return {};
}

std::string read_user(std::string_view value, client_filter& into) {
    into.user = value;
    return {};
}

std::string read_max_age(std::string_view value, client_filter& into) {
    const auto seconds = parse_integer(value);
    if (!seconds) return std::string(errors::max_age_not_an_integer);
    if (*seconds <= 0) return std::string(errors::max_age_not_positive);
    into.min_age = std::chrono::seconds(*seconds);
    return {};
}

constexpr std::array<std::pair<std::string_view, filter_reader>, 6> filters{{
    {"id", read_id},
    {"type", read_type},
    {"addr", read_address},
    {"laddr", read_local_address},
    {"user", read_user},
    {"maxage", read_max_age},
}};

}  // namespace

bool client_filter::may_be(std::uint64_t id) const {
    return id != but && (!ids || std::ranges::binary_search(*ids, id));
}

bool client_filter::matches(const client_facts& client) const {
    return may_be(client.id) && (!type || *type == type_of(client)) &&
           (!address || *address == client.address) &&
           (!local_address || *local_address == client.local_address) && (!user || *user == client.user) &&
           client.age >= min_age;
}

client_list_request read_client_list(const arguments& request) {
    client_list_request wanted;
    const std::size_t count = request.size();
    if (count == 2) return wanted;
    if (count == 4 && is_option(request[2], "type")) {
        wanted.error = read_type(request[3], wanted.filter);
        return wanted;
    }
    if (count < 4 || !is_option(request[2], "id")) {
        wanted.error = errors::syntax;
        return wanted;
    }
    for (std::size_t i = 3; i < count; ++i) {
        const auto id = parse_integer(request[i]);
        if (!id) {
            wanted.error = errors::invalid_client_id;
            return wanted;
        }
        if (*id > 0) wanted.order.push_back(static_cast<std::uint64_t>(*id));
    }
    wanted.filter.ids = wanted.order;
    std::ranges::sort(*wanted.filter.ids);
    return wanted;
}

client_kill_request read_client_kill(const arguments& request, std::uint64_t asking,
                                     const std::function<bool(std::string_view)>& is_user) {
    client_kill_request wanted;
    client_filter& filter = wanted.filter;
    wanted.old_form = request.size() == 3;
    if (wanted.old_form) {
        filter.address = c_string(request[2]);
        return wanted;
    }
    filter.but = asking;
    for (std::size_t i = 2; i < request.size() && wanted.error.empty(); i += 2) {
        const std::string_view option = request[i];
        const auto known =
            std::ranges::find_if(filters, [&](const auto& f) { return is_option(option, f.first); });
        if (i + 1 == request.size()) {
            wanted.error = errors::syntax;
        } else if (known != filters.end()) {
            wanted.error = known->second(request[i + 1], filter);
            if (filter.user && !is_user(*filter.user)) wanted.error = errors::no_such_user(*filter.user);
        } else if (is_option(option, "skipme") && is_option(request[i + 1], "yes")) {
            filter.but = asking;
        } else if (is_option(option, "skipme") && is_option(request[i + 1], "no")) {
            filter.but.reset();
        } else {
            wanted.error = errors::syntax;
        }
    }
    return wanted;
}

client_unblock_request read_client_unblock(const arguments& request) {
    client_unblock_request wanted;
    if (request.size() > 4) {
        wanted.error = errors::subcommand_syntax(request);
        return wanted;
    }
    if (request.size() == 4) {
        wanted.with_error = is_option(request[3], "error");
        if (!wanted.with_error && !is_option(request[3], "timeout")) {
            wanted.error = errors::unblock_reason;
            return wanted;
        }
    }
    const auto id = parse_integer(request[2]);
    if (!id) {
        wanted.error = errors::not_an_integer;
    } else if (*id > 0) {
        wanted.id = static_cast<std::uint64_t>(*id);
    }
    return wanted;
}

}  // namespace weir
