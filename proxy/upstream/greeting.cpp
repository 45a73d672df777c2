#include "proxy/upstream/greeting.hpp"

#include <vector>

#include "policy/tenant.hpp"
#include "protocol/ascii.hpp"
#include "protocol/reply_writer.hpp"

namespace weir {

namespace {

template <typename Words>
void append_command(buffer& out, const Words& words) {
    reply_writer writer(out, resp_version::resp2);
    writer.array(words.size());
    for (const std::string_view word : words) writer.bulk(word);
}

std::string_view own_user(const upstream_options& options) {
    return options.username.empty() ? std::string_view("default") : options.username;
}

/// A key that is no tenant's: prefixes hold no control characters.
constexpr std::string_view nobodys_key = "\x01weir";

}  // namespace

greeting::greeting(const upstream_options& options, const lane& wanted, server_version version) {
    const bool resp3 = wanted.version == resp_version::resp3;
    if (wanted.confined_to != nullptr) {
        log_in(options, {resp_version::resp2, 0, nullptr});
        become_script_user(wanted, version);
        if (resp3) say(expect::protocol, {"HELLO", "3"});
    } else {
        log_in(options, wanted);
    }
    if (wanted.database != 0) say(expect::database, {"SELECT", std::to_string(wanted.database)});
    say(expect::anything, {"CLIENT", "SETNAME", "weir"});
    say(expect::client_id, {"CLIENT", "ID"});
}

greeting greeting::change_user(const upstream_options& options, const lane& wanted, server_version version) {
    greeting change;
    if (wanted.confined_to != nullptr) {
        change.become_script_user(wanted, version);
    } else {
        // A user without a password takes any.
        change.say(expect::success, {"AUTH", own_user(options), options.password.value_or("none")});
    }
    return change;
}

void greeting::log_in(const upstream_options& options, const lane& wanted) {
    const bool resp3 = wanted.version == resp_version::resp3;
    const std::string_view user = own_user(options);
    if (resp3 && options.password) {
        say(expect::protocol, {"HELLO", "3", "AUTH", user, *options.password});
    } else if (resp3) {
        say(expect::protocol, {"HELLO", "3"});
    } else if (options.password && options.username.empty()) {
        say(expect::success, {"AUTH", *options.password});
    } else if (options.password) {
        say(expect::success, {"AUTH", user, *options.password});
    }
}

/// The user is made anew by every connection: always the same, so that nothing changes where it is there, and one that
/// the server forgot (a restart, ACL LOAD) is back. Where weir may not do so, it has to be there.
void greeting::become_script_user(const lane& wanted, server_version version) {
    const script_login& user = wanted.confined_to->scripts();
    if (user.made_by_weir) {
        std::vector<std::string> words{"ACL", "SETUSER", user.username};
        for (auto& rule : script_user_rules(*wanted.confined_to, version.major, version.minor, version.patch)) {
            words.push_back(std::move(rule));
        }
        append_command(output_, words);
        expected_.push_back(expect::anything);
    }
    say(expect::success, {"AUTH", user.username, user.password});
    prove_confined();
    if (!user.accepts_shared_interpreter) say(expect::isolation, {"EVAL", script_isolation_probe(), "0"});
}

void greeting::prove_confined() {
    say(expect::refusal, {"EXISTS", nobodys_key});
    say(expect::refusal, {"SCAN", "0", "COUNT", "1"});
    say(expect::refusal, {"RANDOMKEY"});
    say(expect::refusal, {"PUBSUB", "NUMPAT"});
}

void greeting::say(expect answer, std::initializer_list<std::string_view> words) {
    append_command(output_, words);
    expected_.push_back(answer);
}

greeting::verdict greeting::take(std::string_view line, bool refused) {
    const expect expected = expected_.front();
    expected_.pop_front();
    const std::string_view text = line.substr(1, line.find('\r') - 1);
    switch (expected) {
        case expect::anything: break;
        case expect::client_id:
            if (const auto id = parse_integer(text); id && line.front() == ':') client_id_ = *id;
            break;
        case expect::success:
        case expect::database:
        case expect::protocol:
            if (!refused) break;
            fault_ = text;
            database_refused_ = expected == expect::database;
            protocol_refused_ = expected == expect::protocol &&
                                (text.starts_with("ERR unknown command") || text.starts_with("NOPROTO"));
            return verdict::failed;
        case expect::isolation:
            if (line.starts_with(":1\r")) break;
            fault_ = "on this server a script of one tenant can change what the scripts of others do, so none are run "
                     "(scripts.accept_shared_interpreter)";
            return verdict::failed;
        case expect::refusal:
            if (refused) break;
            fault_ = "the user for scripts is not confined to the tenant: it may do what shows other tenants' keys";
            return verdict::failed;
    }
    return expected_.empty() ? verdict::done : verdict::more;
}

}  // namespace weir
