#include "config/loader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/config/temporary_file.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

/// The least that loads, in four lines: what a test adds begins at line 5.
const std::string base =
    "listeners:\n"
    "  - {bind: 127.0.0.1:0, tenant: acme}\n"
    "tenants:\n"
    "  acme:\n";

std::vector<std::string> errors_of(const std::string& text) {
    const auto result = load_config_text(text, "f.yaml");
    EXPECT_NE(result.loaded.has_value(), !result.errors.empty()) << "options or errors, never both";
    std::vector<std::string> errors;
    for (const auto& error : result.errors) errors.push_back(error.to_string());
    return errors;
}

options loaded(const std::string& text) {
    EXPECT_THAT(errors_of(text), ElementsAre());
    return load_config_text(text, "f.yaml").loaded.value_or(options{});
}

/// One error, at this place, whose message holds `message`.
auto error_at(const std::string& place, const std::string& message) {
    return AllOf(StartsWith("f.yaml:" + place + ": "), HasSubstr(message));
}

TEST(loader, the_least_configuration_has_the_defaults_for_the_rest) {
    options expected;
    expected.listeners = {{{"127.0.0.1", 0, ""}, "acme"}};
    expected.tenants = {{"acme", {}}};
    EXPECT_EQ(loaded(base), expected);
}

TEST(loader, every_option_reaches_its_own_field) {
    const temporary_file password("secret\n");
    const temporary_file hashes("sha256:" + std::string(64, 'a') + "\n");
    const auto read = loaded(
        "workers: 3\ndrain_timeout: 7s\n"
        "listeners:\n  - {bind: \"[::1]:1\", tenant: a}\n  - {bind: unix:/run/b, tenant: b}\n"
        "  - {bind: unix:/run/c, tenant_from: auth}\n"
        "upstream:\n  url: redis://h:2/4\n  username: me\n  password_file: " +
        password.path() +
        "\n"
        "  command_timeout: 11ms\n  timeouts: {GET: 50ms, \"@slow\": 51ms}\n  retry: idempotent_writes\n"
        "  shared_connections: 12\n"
        "  pool: {min: 13, max: 140, acquire_timeout: 15s, connect_timeout: 16s, idle_timeout: 0s}\n"
        "tenants:\n  a:\n    prefix: \"a:\"\n    long_keys: {over: 17, action: sha256}\n    databases: [4, "
        "18]\n    users: [x, y]\n    passwords_file: " +
        hashes.path() +
        "\n"
        "    certificates: [z]\n    plan: p\n    read_only: true\n    scripts: {mode: acl, username: u, password_file: " +
        password.path() +
        "}\n"
        "  b: {scripts: {mode: deny}}\n"
        "tenant_defaults: {quotas: {max_connections: 40}}\nplans: {p: {quotas: {max_arguments: 41}}}\n"
        "clients: {max_connections: 20, idle_timeout: 21s, tcp_keepalive: 0s, max_in_flight: 23, "
        "pause_reading_over: 24,\n"
        "          max_unsent: 25, max_bulk: 26KiB, max_request: 28KiB, stream_over: 27KiB,\n"
        "          unauthenticated_timeout: 30s, subscriber_max_unsent: 32, subscriber_soft_unsent: 31, "
        "subscriber_soft_time: 33s}\n"
        "breaker: {mode: dry_run, window: 60s, buckets: 61, failure_rate: 62%, minimum_calls: 63,\n"
        "          consecutive_failures: 64, slow_over: 65ms, slow_rate: 66%, open_for: 67s, max_open_for: 68s,\n"
        "          half_open_commands: 69, successes_to_close: 70, failure_replies: [OOM, X_1], probe_interval: 71ms}\n"
        "fallback: {order: [postgres, memory], last_resort: empty, memory: {max_bytes: 72KiB, replay: yes, max_journal: 73KiB},\n"
        "           postgres: {dsn: \"host=h dbname=d\", schema: s, statement_timeout: 78s, start_timeout: 79s, max_journal: 80KiB,\n"
        "                      pool: {min: 81, max: 82, acquire_timeout: 83s, connect_timeout: 84s, idle_timeout: 85s}},\n"
        "           remember: {what: writes, keys: [\"a*\", b], max_age: 74s, max_value: 75, rate: 76/77s}}\n"
        "admin: {bind: localhost:29}\nlog: {level: warning, format: json}\n");
    options expected;
    expected.workers = 3;
    expected.drain_timeout = 7s;
    expected.listeners = {
        {{"::1", 1, ""}, "a"}, {{"", 0, "/run/b"}, "b"}, {{"", 0, "/run/c"}, "", tenant_source::auth}};
    expected.upstream = {{"h", 2, ""}, 4, "me", "secret", 11ms, {{"get", 50ms}, {"@slow", 51ms}}, retry_mode::idempotent_writes, 12, {13, 140, 15s, 16s, 0s}};
    expected.tenants = {{"a",
                         {"a:",
                          {17, long_key_action::sha256},
                          {4, 18},
                          {"x", "y"},
                          {{std::string(32, '\xaa'), "", std::nullopt}},
                          {"z"},
                          {script_mode::acl, "u", "secret"},
                          "p",
                          {}}},
                        {"b", {}}};
    tenant_terms terms;
    terms.quotas.max_connections = 40;
    expected.tenant_defaults = expected.tenants["b"].terms = shared_terms(terms);
    terms.quotas.max_arguments = 41;
    expected.plans["p"] = shared_terms(terms);
    terms.permissions.read_only = true;
    expected.tenants["a"].terms = shared_terms(terms);
    expected.tenants["b"].scripts.mode = script_mode::deny;
    expected.clients = {20, 21s, 0s, 23, 24, 25, 26 << 10, 28 << 10, 27 << 10, 30s, 32, 31, 33s};
    expected.breaker = {breaker_mode::dry_run, 60s, 61, 62, 63, 64, 65ms, 66, 67s, 68s, 69, 70, {"OOM", "X_1"}, 71ms};
    expected.fallback = {{fallback_store::postgres, fallback_store::memory},
                         fallback_last_resort::empty,
                         {"host=h dbname=d", "s", 78s, 79s, 80 << 10, {81, 82, 83s, 84s, 85s}},
                         {72 << 10, true, 73 << 10},
                         {false, true, {"a*", "b"}, 74s, 75, {76, 77s}}};
    expected.admin.bind = endpoint{"localhost", 29, ""};
    expected.log = {log_level::warning, log_format::json};
    EXPECT_EQ(read, expected);
}

TEST(loader, a_url_with_a_user_sets_the_username) {
    EXPECT_EQ(loaded(base + "upstream: {url: 'redis://me@h'}\n").upstream.username, "me");
}

TEST(loader, a_password_from_the_environment_is_taken_as_it_is) {
    const environment_variable variable("WEIR_TEST_PASSWORD", "p:@/${x}");
    EXPECT_EQ(loaded(base + "upstream: {password_env: WEIR_TEST_PASSWORD}\n").upstream.password, "p:@/${x}");
}

TEST(loader, a_value_is_filled_in_from_the_environment_and_then_checked) {
    const environment_variable variable("WEIR_TEST_WORKERS", "2");
    EXPECT_EQ(loaded(base + "workers: ${WEIR_TEST_WORKERS}\n").workers, 2u);
    EXPECT_EQ(loaded(base + "workers: ${WEIR_TEST_NONE:-auto}\n").workers, 0u);
    EXPECT_THAT(errors_of(base + "workers: ${WEIR_TEST_WORKERS}x\n"),
                ElementsAre(error_at("5:10", "workers: '2x'")));
    EXPECT_THAT(errors_of(base + "workers: ${WEIR_TEST_NONE}\n"),
                ElementsAre(error_at("5:10", "workers: the value needs WEIR_TEST_NONE, which is not set")));
}

struct refusal {
    std::string text;   ///< what follows `base`
    std::string place;  ///< line:column
    std::string message;
};

/// So that a failing case is named by its text.
void PrintTo(const refusal& shown, std::ostream* out) {
    *out << shown.text;
}

class refused_option : public testing::TestWithParam<refusal> {};

TEST_P(refused_option, is_the_only_error_and_has_its_place_and_what_would_be_valid) {
    EXPECT_THAT(errors_of(base + GetParam().text),
                ElementsAre(error_at(GetParam().place, GetParam().message)));
}

// clang-format off
INSTANTIATE_TEST_SUITE_P(unknown, refused_option, testing::Values(
    refusal{"drain_timout: 5s\n", "5:1", "unknown option 'drain_timout' (did you mean 'drain_timeout'?); valid here: workers, drain_timeout, listeners, upstream, breaker, fallback, tenant_defaults, plans, tenants, clients, admin, log"},
    refusal{"upstream:\n  pool: {maximum: 5}\n", "6:10", "upstream.pool: unknown option 'maximum' (did you mean 'max'?); valid here: min, max, acquire_timeout"},
    refusal{"zzz: 1\n", "5:1", "unknown option 'zzz'; valid here"},
    refusal{"upstream:\n  password: hunter2\n", "6:3", "upstream: unknown option 'password' (did you mean 'password_env'?); valid here"},
    refusal{"<<: {workers: 1}\n", "5:1", "unknown option '<<'"},
    refusal{"[a]: 1\n", "5:1", "not a plain text"}));

INSTANTIATE_TEST_SUITE_P(twice, refused_option, testing::Values(
    refusal{"workers: 1\nworkers: 2\n", "6:1", "'workers' stands here twice"},
    refusal{"clients:\n  max_bulk: 1MiB\n  \"max_bulk\": 1MiB\n", "7:3", "clients: 'max_bulk' stands here twice"},
    refusal{"tenants: {acme: {}}\n", "5:1", "'tenants' stands here twice"}));

INSTANTIATE_TEST_SUITE_P(wrong_type, refused_option, testing::Values(
    refusal{"workers: [1]\n", "5:10", "workers: here stands a list; valid: auto or a whole number from 1 to 1024"},
    refusal{"workers:\n", "5:1", "workers: here stands nothing; valid: auto or"},
    refusal{"workers: {a: 1}\n", "5:10", "workers: here stands a section"},
    refusal{"clients: 5\n", "5:10", "clients: here stands a single value; valid: a section with max_connections, idle_timeout"},
    refusal{"log: [text]\n", "5:6", "log: here stands a list; valid: a section with level, format"},
    refusal{"admin: {bind: [::1]}\n", "5:15", "admin.bind: here stands a list; valid: host:port, \"[v6]:port\" (in quotes)"}));

INSTANTIATE_TEST_SUITE_P(impossible_value, refused_option, testing::Values(
    refusal{"workers: 0\n", "5:10", "workers: '0' is too small; valid: auto or a whole number from 1 to 1024"},
    refusal{"workers: -1\n", "5:10", "workers: '-1' is negative; valid: auto"},
    refusal{"workers: 2.5\n", "5:10", "workers: '2.5' is not a whole number"},
    refusal{"workers: many\n", "5:10", "workers: 'many' is not a whole number"},
    refusal{"workers: 1025\n", "5:10", "workers: '1025' is too large"},
    refusal{"drain_timeout: 0s\n", "5:16", "drain_timeout: '0s' is too small; valid: a duration such as 250ms or 5s from 1ms to 1d"},
    refusal{"drain_timeout: 10\n", "5:16", "drain_timeout: '10' has no unit (known are ms, s, m, h, d)"},
    refusal{"drain_timeout: 2d\n", "5:16", "drain_timeout: '2d' is too large"},
    refusal{"clients: {tcp_keepalive: 5ms}\n", "5:26", "'5ms' is too small; valid: a duration such as 250ms or 5s from 1s to 32767s, or 0s for off"},
    refusal{"clients: {max_bulk: 512MB}\n", "5:21", "clients.max_bulk: '512MB' has an unknown unit (known are B, KiB, MiB, GiB, TiB); valid: a size such as 64KiB from 1KiB to 1TiB"},
    refusal{"clients: {max_in_flight: 0}\n", "5:26", "clients.max_in_flight: '0' is too small"},
    refusal{"upstream: {shared_connections: 0}\n", "5:32", "upstream.shared_connections: '0' is too small"},
    refusal{"upstream: {pool: {max: 0}}\n", "5:24", "upstream.pool.max: '0' is too small"},
    refusal{"admin: {bind: 127.0.0.1:65536}\n", "5:15", "admin.bind: '127.0.0.1:65536' has a port that is not a number from 0 to 65535; valid: host:port"},
    refusal{"log: {level: loud}\n", "5:14", "log.level: 'loud' is not known; valid: debug, info, warning, error"},
    refusal{"log: {format: xml}\n", "5:15", "log.format: 'xml' is not known; valid: text, json"},
    refusal{"log: {format: \"a\\nb" + std::string(99, 'x') + "\"}\n", "5:15", "'a?b" + std::string(57, 'x') + "...' is not known"}));

INSTANTIATE_TEST_SUITE_P(upstream, refused_option, testing::Values(
    refusal{"upstream: {url: 'rediss://h'}\n", "5:17", "upstream.url: the URL asks for TLS, which weir does not speak to its upstream yet; valid: redis://"},
    refusal{"upstream: {url: 'redis://:hunter2@h'}\n", "5:17", "upstream.url: the URL holds a password; put it into upstream.password_file or upstream.password_env"},
    refusal{"upstream: {url: 'redis://h:65536'}\n", "5:17", "0 to 65535"},
    refusal{"upstream: {username: a, url: 'redis://b@h'}\n", "5:22", "upstream.username: the URL names a user already"},
    refusal{"upstream: {username: ''}\n", "5:22", "upstream.username: '' is empty"},
    refusal{"upstream: {password_file: /nonexistent/x}\n", "5:27", "upstream.password_file: '/nonexistent/x' cannot be opened: No such file"},
    refusal{"upstream: {password_env: WEIR_TEST_NONE}\n", "5:26", "upstream.password_env: 'WEIR_TEST_NONE' is not set in the environment"},
    refusal{"upstream: {password_env: HOME, password_file: /etc/hostname}\n", "5:26", "there is a password_file already"}));

INSTANTIATE_TEST_SUITE_P(contradiction, refused_option, testing::Values(
    refusal{"upstream: {pool: {min: 6, max: 5}}\n", "5:24", "upstream.pool.min (6) is above upstream.pool.max (5)"},
    refusal{"workers: 4\nupstream: {pool: {min: 300}}\n", "6:24", "upstream.pool.min (1200) is above upstream.pool.max (1000)"},
    refusal{"clients: {max_unsent: 64KiB}\n", "5:23", "clients.pause_reading_over (1MiB) is above clients.max_unsent (64KiB)"},
    refusal{"clients: {stream_over: 2GiB}\n", "5:24", "clients.stream_over (2GiB) is above clients.max_request (1GiB)"},
    refusal{"upstream: {url: redis://127.0.0.1:9121}\nadmin: {bind: localhost:9121}\n", "6:15", "the upstream's own address"}));
// clang-format on

TEST(loader, listeners_have_to_be_there) {
    EXPECT_THAT(errors_of("tenants: {acme: {}}\n"), ElementsAre(error_at("1:1", "'listeners' is missing")));
    EXPECT_THAT(errors_of("listeners: []\n"), ElementsAre(error_at("1:12", "listeners: the list is empty")));
    EXPECT_THAT(errors_of("listeners: {}\n"),
                ElementsAre(error_at("1:12", "listeners: here stands a section")));
}

TEST(loader, a_listener_needs_an_address_and_a_tenant) {
    EXPECT_THAT(
        errors_of("tenants: {a: {}}\nlisteners:\n  - tenant: a\n  - bind: 127.0.0.1:1\n  - 5\n  -\n"),
        ElementsAre(
            error_at("3:5", "listeners[0]: 'bind' is missing"),
            error_at("4:5", "listeners[1]: 'tenant' or 'tenant_from' is missing"),
            error_at("5:5", "listeners[2]: here stands a single value; valid: a section with bind, tenant"),
            HasSubstr("listeners[3]: 'bind' is missing"),
            HasSubstr("listeners[3]: 'tenant' or 'tenant_from' is missing")));
}

TEST(loader, a_listeners_tenant_has_to_be_declared) {
    const std::string listeners = "listeners:\n  - {bind: 127.0.0.1:0, tenant: acmee}\n";
    EXPECT_THAT(
        errors_of(listeners + "tenants: {acme: {}, globex: {}}\n"),
        ElementsAre(error_at("2:33",
                             "listeners[0].tenant: 'acmee' is not declared under tenants (did you mean "
                             "'acme'?); valid: acme, globex")));
    EXPECT_THAT(errors_of(listeners), ElementsAre(error_at("2:33", "no tenant is declared")));
}

TEST(loader, an_address_may_stand_once) {
    EXPECT_THAT(errors_of("tenants: {a: {}, b: {}}\n"
                          "listeners:\n"
                          "  - {bind: 127.0.0.1:1, tenant: a}\n"
                          "  - {bind: localhost:1, tenant: b}\n"
                          "  - {bind: unix:/run/x, tenant: a}\n"
                          "  - {bind: unix:/run//x, tenant: b}\n"
                          "admin: {bind: 127.0.0.1:1}\n"),
                ElementsAre(error_at("4:12", "listeners[1].bind: localhost:1 is taken by listeners[0].bind"),
                            error_at("6:12", "listeners[3].bind: unix:/run//x is taken by listeners[2].bind"),
                            error_at("7:15", "admin.bind: 127.0.0.1:1 is taken by listeners[0].bind")));
}

TEST(loader, port_0_and_one_tenant_may_stand_many_times) {
    EXPECT_EQ(loaded("tenants: {a: {}}\nlisteners:\n  - {bind: h:0, tenant: a}\n  - {bind: h:0, tenant: a}\n")
                  .listeners.size(),
              2u);
}

TEST(loader, a_tenants_name_has_64_plain_characters_at_most) {
    const std::string longest(64, 'x');
    EXPECT_EQ(loaded(base + "  " + longest + ":\n  A-z_0.9:\n").tenants.size(), 3u);
    EXPECT_THAT(errors_of(base + "  " + longest + "x:\n"),
                ElementsAre(error_at("5:3", "cannot be a tenant's name; valid: 1 to 64 letters")));
    for (const std::string name :
         {"a b", "\"\"", "a/b", "\"a:b\"", "m\xc3\xbcller", "\"{tenant}\"", "\"a*\""})
        EXPECT_THAT(errors_of(base + "  " + name + ":\n"),
                    ElementsAre(error_at("5:3", "cannot be a tenant's name")))
            << name;
}

TEST(loader, a_tenant_that_stands_twice_is_refused) {
    EXPECT_THAT(errors_of(base + "  acme: {prefix: x}\n"),
                ElementsAre(error_at("5:3", "tenants: 'acme' stands here twice")));
}

TEST(loader, a_prefix_that_cannot_keep_keys_apart_is_refused) {
    const auto with_prefix = [](const std::string& prefix) {
        return errors_of(base + "    prefix: " + prefix + "\n");
    };
    EXPECT_THAT(with_prefix("\"\""), ElementsAre(error_at("5:13", "tenants.acme.prefix: '' is empty")));
    EXPECT_THAT(with_prefix("a*"),
                ElementsAre(error_at("5:13", "tenants.acme.prefix: the prefix holds a '*'")));
    EXPECT_THAT(with_prefix("a b"),
                ElementsAre(error_at("5:13", "tenants.acme.prefix: the prefix holds a space")));
    EXPECT_THAT(with_prefix("{tenant}"), ElementsAre(error_at("5:13", "quote a text that holds braces")));
}

TEST(loader, prefixes_that_are_equal_or_begin_with_one_another_are_refused) {
    const std::string listeners = "listeners: [{bind: h:0, tenant: a}]\n";
    EXPECT_THAT(errors_of(listeners + "tenants:\n  a: {prefix: x}\n  b: {prefix: x}\n"),
                ElementsAre(error_at("4:15", "tenants.b.prefix: the prefix is 'x', and 'x' of tenant 'a'")));
    EXPECT_THAT(
        errors_of(
            listeners +
            "tenants:\n  a: {prefix: \"{tenant}\"}\n  ab: {prefix: \"{tenant}\"}\n  c: {prefix: abz}\n"),
        ElementsAre(error_at("4:16", "tenants.ab.prefix: the prefix is 'ab', and 'a' of tenant 'a'"),
                    error_at("5:15", "tenants.c.prefix: the prefix is 'abz', and 'ab' of tenant 'ab'")));
    EXPECT_THAT(errors_of(listeners + "tenants:\n  a: {prefix: \"tenant:b:x\"}\n  b:\n"),
                ElementsAre(error_at(
                    "3:15", "tenants.a.prefix: the prefix is 'tenant:b:x', and 'tenant:b:' of tenant 'b'")));
}

TEST(loader, prefixes_that_do_not_begin_with_one_another_are_fine) {
    const auto read = loaded(
        "listeners: [{bind: h:0, tenant: a}]\ntenants: {a: {}, ab: {}, a.b: {}, b: {prefix: \"ten:\"}}\n");
    EXPECT_EQ(read.tenants.size(), 4u);
}

TEST(loader, a_clash_behind_an_unrelated_neighbour_is_found) {
    // Sorted: "a", "a1", "a2": the last begins with the first, not with the one before it.
    EXPECT_THAT(errors_of("listeners: [{bind: h:0, tenant: x}]\ntenants:\n  x: {prefix: a}\n  y: {prefix: "
                          "a1}\n  z: {prefix: a2}\n"),
                ElementsAre(error_at("4:15", "tenants.y.prefix"), error_at("5:15", "'a' of tenant 'x'")));
}

TEST(loader, databases_are_all_or_a_list_with_the_one_sessions_start_in) {
    const auto with = [](const std::string& databases) {
        return base + "    databases: " + databases + "\n";
    };
    EXPECT_THAT(loaded(with("all")).tenants["acme"].databases, ElementsAre());
    EXPECT_THAT(loaded(with("[0, 3]")).tenants["acme"].databases, ElementsAre(0, 3));
    EXPECT_THAT(errors_of(with("[]")),
                ElementsAre(error_at("5:16", "tenants.acme.databases: the list is empty; valid: all, or")));
    EXPECT_THAT(errors_of(with("[1]")), ElementsAre(error_at("5:16", "the list lacks database 0")));
    EXPECT_THAT(errors_of(with("[0, -1]")),
                ElementsAre(error_at("5:20", "tenants.acme.databases[1]: '-1' is negative")));
    EXPECT_THAT(errors_of(with("[0, 65536]")), ElementsAre(error_at("5:20", "too large")));
    EXPECT_THAT(errors_of(with("none")),
                ElementsAre(error_at("5:16", "'none' is not known; valid: all, or a list")));
    EXPECT_THAT(errors_of(with("[0]") + "upstream: {url: redis://h/2}\n"),
                ElementsAre(error_at("5:16", "lacks database 2")));
}

TEST(loader, every_error_of_a_file_is_reported_in_its_order) {
    EXPECT_THAT(
        errors_of("workers: 0\n"
                  "listeners:\n"
                  "  - {bind: nowhere, tenant: acme}\n"
                  "  - {bind: 127.0.0.1:1, tenant: nobody}\n"
                  "tenants:\n"
                  "  acme: {prefix: \"*\", colour: red}\n"
                  "upstream:\n"
                  "  url: rediss://h\n"
                  "  pool: {min: x, min: y, max: 70s}\n"
                  "log: {level: 1, format: 2}\n"),
        ElementsAre(error_at("1:10", "workers"), error_at("3:12", "no port"), error_at("4:33", "nobody"),
                    error_at("6:18", "holds a '*'"), error_at("6:23", "colour"), error_at("8:8", "TLS"),
                    error_at("9:15", "pool.min"), error_at("9:18", "twice"), error_at("9:31", "pool.max"),
                    error_at("10:14", "log.level"), error_at("10:25", "log.format")));
}

TEST(loader, what_is_not_yaml_is_refused_where_it_breaks) {
    EXPECT_THAT(errors_of("workers: 1\nclients: {a: 1\n"), ElementsAre(StartsWith("f.yaml:")));
    EXPECT_THAT(errors_of("workers: 1\n  log: 2\n"), ElementsAre(error_at("2:6", "not YAML: ")));
    EXPECT_THAT(errors_of("workers: 1\n\tlog: 2\n"),
                ElementsAre(AllOf(StartsWith("f.yaml:2:"), HasSubstr("not YAML: "))));
    EXPECT_THAT(errors_of("prefix: tenant:{tenant}:\n"), ElementsAre(error_at("1:24", "needs quotes")));
    EXPECT_THAT(errors_of("bind: [::1]:6380\n"), ElementsAre(StartsWith("f.yaml:1:")));
}

TEST(loader, nothing_a_list_and_two_documents_are_refused) {
    for (const std::string text : {"", "\n\n", "# only a comment\n", "---\n", "~\n"})
        EXPECT_THAT(errors_of(text),
                    ElementsAre(error_at("1:1", "the file is empty; valid: at least listeners")))
            << text;
    EXPECT_THAT(errors_of("- 1\n"),
                ElementsAre(error_at("1:1", "here stands a list; valid: a section with workers")));
    EXPECT_THAT(errors_of("text\n"), ElementsAre(error_at("1:1", "here stands a single value")));
    EXPECT_THAT(errors_of(base + "---\nworkers: 1\n"),
                ElementsAre(error_at("6:1", "a second YAML document")));
}

TEST(loader, hostile_files_are_refused_and_nothing_breaks) {
    EXPECT_THAT(errors_of(std::string(100'000, '[')), SizeIs(1));
    EXPECT_THAT(errors_of(std::string(100'000, '{')), SizeIs(1));
    EXPECT_THAT(errors_of("a: &a [*a]\n"), SizeIs(testing::Ge(1u)));
    EXPECT_THAT(errors_of(std::string("\0\xff\xfe{", 4)), SizeIs(testing::Ge(1u)));
}

TEST(loader, a_refused_url_is_never_shown) {
    const environment_variable variable("WEIR_TEST_URL", "redis://u:hunter2@h");
    for (const std::string url : {"${WEIR_TEST_URL}", "redis://:hunter2@h", "hunter2", "redis://h:hunter2"})
        EXPECT_THAT(errors_of(base + "upstream:\n  url: " + url + "\n"),
                    ElementsAre(Not(HasSubstr("hunter2"))));
}

TEST(loader, a_file_is_read_and_named_in_errors) {
    const temporary_file good(base);
    EXPECT_TRUE(load_config(good.path()));
    const temporary_file bad("workers: 0\n");
    EXPECT_THAT(load_config(bad.path()).errors.at(0).to_string(), StartsWith(bad.path() + ":1:"));
}

TEST(loader, a_file_that_cannot_be_read_is_an_error_without_a_line) {
    EXPECT_EQ(load_config("/nonexistent/weir.yaml").errors.at(0).to_string(),
              "/nonexistent/weir.yaml: cannot be opened: No such file or directory; valid: the path of a "
              "YAML file");
    EXPECT_THAT(load_config("/").errors.at(0).message, HasSubstr("Is a directory"));
    EXPECT_THAT(load_config("/dev/zero").errors.at(0).message, HasSubstr("larger than 16MiB"));
}

}  // namespace
}  // namespace weir
