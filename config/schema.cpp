#include "config/schema.hpp"

#include <algorithm>

#include "config/breaker_schema.hpp"
#include "config/endpoint.hpp"
#include "config/fallback_schema.hpp"
#include "config/secrets.hpp"
#include "config/section.hpp"
#include "config/terms_schema.hpp"
#include "config/word_rows.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;

constexpr auto longest_wait = std::chrono::milliseconds{24h};
constexpr std::size_t kib = 1 << 10;
constexpr std::size_t mib = 1 << 20;
constexpr std::size_t tib = std::size_t{1} << 40;
constexpr std::size_t many = 1'000'000;

/// A URL is never shown in an error, as it may hold the password it should not hold.
option_row<upstream_options> url_row() {
    constexpr auto valid = "redis://[user@]host[:port][/database] or unix:///path";
    const auto read = [](const field& from, upstream_options& into) {
        const auto written = from.scalar(valid);
        if (!written) return;
        const auto url = parse_upstream_url(*written);
        if (!url) return from.fail("the URL " + url.why() + "; valid: " + valid);
        into.address = url->address;
        into.database = url->database;
        into.username = url->username;
    };
    const auto describe = [](const std::string& path, std::vector<option_summary>& into) {
        const auto standard = "redis://" + upstream_options{}.address.to_string();
        into.push_back({path, valid, standard, "the Redis or Valkey server whose keyspace is shared"});
    };
    return {"url", read, describe};
}

option_row<upstream_options> username_row() {
    auto row = leaf("username", &upstream_options::username, text("the name of an ACL user"),
                    "logs in as this ACL user; without it with the password alone");
    row.read = [read = row.read](const field& from, upstream_options& into) {
        // The URL's row stands before this one.
        if (!into.username.empty()) return from.fail("the URL names a user already; keep one of the two");
        read(from, into);
    };
    return row;
}

/// Where a password is, not what it is: `fetch` gets it.
template <typename Struct>
option_row<Struct> password_row(std::string_view name, std::string_view what, std::string_view help,
                                parsed<std::string> (*fetch)(const std::string&)) {
    auto row = leaf(name, &Struct::password, text(what), help);
    row.read = [fetch, kind = text(what)](const field& from, Struct& into) {
        if (into.password) return from.fail("there is a password_file already; keep one of the two");
        read_value(from, kind, [&](const std::string& source) {
            const auto password = fetch(source);
            if (!password) return from.refuse(source, password.why(), kind.valid);
            into.password = *password;
        });
    };
    return row;
}

template <typename Struct>
option_row<Struct> password_file_row() {
    return password_row<Struct>("password_file", "the path of a file with the password in it",
                                "the password is this file's content", &read_password_file);
}

template <typename Struct>
option_row<Struct> password_env_row() {
    return password_row<Struct>("password_env", "the name of an environment variable with the password in it",
                                "the password is this variable's value", &read_password_env);
}

section<pool_options> pool_rows() {
    using o = pool_options;
    return {
        leaf("min", &o::min, count(0, many), "dedicated connections that each worker keeps open"),
        leaf("max", &o::max, count(1, many), "dedicated connections at most, over all workers"),
        leaf("acquire_timeout", &o::acquire_timeout, duration(1ms, longest_wait),
             "a command waits this long for one"),
        leaf("connect_timeout", &o::connect_timeout, duration(1ms, longest_wait),
             "a connection takes this long at most"),
        leaf("idle_timeout", &o::idle_timeout, duration_or_zero("never", 1ms, longest_wait),
             "an unused one above `min` is closed after this"),
    };
}

option_row<upstream_options> timeouts_row() {
    const auto kind = duration(1ms, longest_wait);
    const auto read = [kind](const field& from, upstream_options& into) {
        read_by_word(from, kind, into.timeouts);
    };
    const auto describe = [kind](const std::string& path, std::vector<option_summary>& into) {
        into.push_back({path, std::string(by_word_valid) + " and " + kind.valid + " behind it", "{}",
                        "a reply to these commands takes this long at most, instead of command_timeout"});
    };
    return {"timeouts", read, describe};
}

section<upstream_options> upstream_rows() {
    using o = upstream_options;
    using retry = retry_mode;
    return {
        url_row(),
        username_row(),
        password_file_row<o>(),
        password_env_row<o>(),
        leaf("command_timeout", &o::command_timeout, duration(1ms, longest_wait),
             "a reply takes this long at most"),
        timeouts_row(),
        leaf("retry", &o::retry,
             one_of<retry>({{"never", retry::never},
                            {"reads", retry::reads},
                            {"idempotent_writes", retry::idempotent_writes}}),
             "what is sent once more when its connection broke"),
        leaf("shared_connections", &o::shared_connections, count(1, 1'024),
             "connections that sessions share, per worker, protocol version and database"),
        group("pool", &o::pool, pool_rows()),
    };
}

section<long_key_options> long_key_rows() {
    using o = long_key_options;
    using enum long_key_action;
    return {
        leaf("over", &o::over_bytes, size(1, 512 * mib), "a key with more bytes than this is long"),
        leaf("action", &o::action,
             one_of<long_key_action>({{"keep", keep}, {"refuse", refuse}, {"sha256", sha256}}),
             "what happens to a long key"),
    };
}

option_row<tenant_options> databases_row() {
    constexpr auto valid = "all, or a list of database numbers from 0 to 65535";
    const auto read = [](const field& from, tenant_options& into) {
        if (from.node.IsScalar()) {
            auto all = one_of<bool>({{"all", true}});
            all.valid = valid;
            return read_value(from, all, [&](bool) { into.databases.clear(); });
        }
        const auto items = from.items(valid);
        if (!items) return;
        for (const auto& item : *items)
            read_value(item, database_number(), [&](int number) { into.databases.push_back(number); });
        // Empty means all to the data path, which is not what an empty list says.
        if (items->empty()) from.fail("the list is empty; valid: " + std::string(valid));
    };
    const auto describe = [](const std::string& path, std::vector<option_summary>& into) {
        into.push_back({path, valid, "all", "the databases that this tenant may SELECT"});
    };
    return {"databases", read, describe};
}

/// The file is read here, and what it holds is in the options: nobody reads it again.
option_row<tenant_options> passwords_file_row() {
    constexpr auto valid = "the path of a file with a password's hash on each line";
    const auto read = [kind = text(valid)](const field& from, tenant_options& into) {
        read_value(from, kind, [&](const std::string& path) {
            const auto hashes = read_password_hashes(path);
            if (!hashes) return from.refuse(path, hashes.why(), kind.valid);
            into.passwords = *hashes;
        });
    };
    const auto describe = [](const std::string& path, std::vector<option_summary>& into) {
        into.push_back({path, valid, "", "the hashes of the passwords that make a client this tenant"});
    };
    return {"passwords_file", read, describe};
}

section<script_options> script_rows() {
    using o = script_options;
    using enum script_mode;
    return {
        leaf("mode", &o::mode, one_of<script_mode>({{"acl", acl}, {"deny", deny}, {"trust", trust}}),
             "whether this tenant may run scripts and functions, and what keeps them from others' keys"),
        leaf("username", &o::username, text("the name of an ACL user"),
             "scripts run as this ACL user; without it weir makes one"),
        password_file_row<o>(),
        password_env_row<o>(),
        leaf("shared_interpreter", &o::accepts_shared_interpreter,
             one_of<bool>({{"refuse", false}, {"accept", true}}),
             "scripts on a server where one can change what others do"),
    };
}

section<tenant_options> tenant_rows(const std::map<std::string, shared_terms>& plans) {
    using o = tenant_options;
    section<tenant_options> rows{
        leaf("prefix", &o::prefix, text("a text such as \"tenant:{tenant}:\" (in quotes)"),
             "what stands before this tenant's keys and channels on the server"),
        group("long_keys", &o::long_keys, long_key_rows()),
        databases_row(),
        list_of("users", &o::users, text("the name of a user"), "the tenant's own name",
                "who a client may say it is, to become this tenant by AUTH"),
        passwords_file_row(),
        list_of("certificates", &o::certificates,
                text("the common name, or a DNS or URI name, of a certificate"), "",
                "the client certificates that make a client this tenant"),
        group("scripts", &o::scripts, script_rows()),
    };
    for (auto& row : tenant_terms_rows(plans)) rows.push_back(std::move(row));
    return rows;
}

section<client_options> client_rows() {
    using o = client_options;
    return {
        leaf("max_connections", &o::max_connections, count(1, 10 * many),
             "client connections at most, over all listeners"),
        leaf("idle_timeout", &o::idle_timeout, duration_or_zero("never", 1ms, 365 * longest_wait),
             "a client that says nothing for this long is closed"),
        leaf("tcp_keepalive", &o::tcp_keepalive, duration_or_zero("off", 1s, 32'767s),
             "the kernel probes a silent client after this"),
        leaf("max_in_flight", &o::max_in_flight, count(1, many),
             "commands of one client without a reply; then it is not read"),
        leaf("pause_reading_over", &o::pause_reading_over_bytes, size(1, tib),
             "unread replies of one client; then it is not read"),
        leaf("max_unsent", &o::max_unsent_bytes, size(1, tib),
             "unread replies of one client; then it is cut off"),
        leaf("max_bulk", &o::max_bulk_bytes, size(kib, tib), "one argument of a command"),
        leaf("max_request", &o::max_request_bytes, size(kib, tib),
             "one whole command that has to be held in memory"),
        leaf("stream_over", &o::stream_over_bytes, size(kib, tib),
             "a longer command is passed on while it arrives"),
        leaf("unauthenticated_timeout", &o::unauthenticated_timeout,
             duration_or_zero("never", 1ms, longest_wait),
             "a client that has to authenticate and has not is closed after this"),
        leaf("subscriber_max_unsent", &o::subscriber_max_unsent_bytes, size(1, tib),
             "unread messages of one subscriber; then it is cut off"),
        leaf("subscriber_soft_unsent", &o::subscriber_soft_unsent_bytes, size(1, tib),
             "unread messages of one subscriber; then it is cut off after subscriber_soft_time"),
        leaf("subscriber_soft_time", &o::subscriber_soft_time, duration(1ms, longest_wait),
             "how long a subscriber may stay above subscriber_soft_unsent"),
    };
}

section<log_options> log_rows() {
    using level = log_level;
    return {
        leaf("level", &log_options::level,
             one_of<level>({{"debug", level::debug},
                            {"info", level::info},
                            {"warning", level::warning},
                            {"error", level::error}}),
             "the least that is logged"),
        leaf("format", &log_options::format,
             one_of<log_format>({{"text", log_format::text}, {"json", log_format::json}}),
             "how a line of the log looks"),
    };
}

section<listener_options> listener_rows() {
    using o = listener_options;
    return {
        required(leaf("bind", &o::bind, socket_address(), "where clients connect; port 0 takes a free one")),
        leaf("tenant", &o::tenant, tenant_name(), "whose keys all of its clients see: one of `tenants`"),
        leaf("tenant_from", &o::from,
             one_of<tenant_source>({{"auth", tenant_source::auth}, {"tls", tenant_source::tls}}),
             "what says whose keys a client sees: its user and password, or its certificate"),
    };
}

/// A listener has one of `tenant` and `tenant_from`.
void read_listener(const field& from, listener_options& into) {
    static const auto rows = listener_rows();
    read_section(from, rows, into);
    const bool section = from.node.IsMap() || from.node.IsNull();
    const bool named = from.file->has(from.path + "/tenant");
    const bool chosen = from.file->has(from.path + "/tenant_from");
    if (section && !named && !chosen) from.fail("'tenant' or 'tenant_from' is missing");
    if (named && chosen)
        from.file->fail(
            from.path + "/tenant_from",
            "'tenant' stands here too, and gives every client the same tenant; keep one of the two");
}

option_row<options> listeners_row() {
    const auto read = [](const field& from, options& into) {
        const auto items = from.items("a list of listeners, each with bind and tenant or tenant_from");
        if (!items) return;
        if (items->empty()) from.fail("the list is empty; valid: one listener or more");
        for (const auto& item : *items) read_listener(item, into.listeners.emplace_back());
    };
    const auto describe = [](const std::string& path, std::vector<option_summary>& into) {
        describe_section(path + "[]", listener_rows(), into);
        // What a listener starts with is no default: each has to say its address and its tenant.
        for (auto& summary : into)
            if (summary.path.starts_with(path)) summary.standard.clear();
    };
    return required(option_row<options>{"listeners", read, describe});
}

option_row<options> tenants_row() {
    const auto read = [name_kind = tenant_name()](const field& from, options& into) {
        const auto rows = tenant_rows(into.plans);
        const auto entries = from.entries("a section with a tenant's name before each ':'");
        if (!entries) return;
        for (const auto& [name, entry] : *entries) {
            if (const auto valid = name_kind.parse(name); !valid) {
                entry.fail(valid.why() + "; valid: " + name_kind.valid);
                continue;
            }
            auto& tenant = into.tenants[name];
            tenant.terms = into.tenant_defaults;
            read_section(entry, rows, tenant);
        }
    };
    const auto describe = [](const std::string& path, std::vector<option_summary>& into) {
        static const std::map<std::string, shared_terms> no_plans;
        describe_section(path + ".NAME", tenant_rows(no_plans), into);
    };
    return {"tenants", read, describe};
}

section<options> root_rows() {
    return {
        leaf("workers", &options::workers, count_or_word("auto", 1, 1'024), "threads that serve clients"),
        leaf("drain_timeout", &options::drain_timeout, duration(1ms, longest_wait),
             "after SIGTERM, clients have this long to get their replies"),
        listeners_row(),
        group("upstream", &options::upstream, upstream_rows()),
        breaker_row(),
        fallback_row(),
        tenant_defaults_row(),
        plans_row(),
        tenants_row(),
        group("clients", &options::clients, client_rows()),
        group("admin", &options::admin,
              {leaf("bind", &admin_options::bind, socket_address(),
                    "where /health and /metrics are; without it nowhere")}),
        group("log", &options::log, log_rows()),
    };
}

}  // namespace

std::vector<option_summary> describe_options() {
    std::vector<option_summary> summaries;
    describe_section("", root_rows(), summaries);
    return summaries;
}

void read_options(const field& root, options& into) {
    read_section(root, root_rows(), into);
    if (into.fallback.exists() && !into.breaker) into.breaker.emplace();
}

}  // namespace weir
