#include "config/reload.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "config/loader.hpp"
#include "config/schema.hpp"
#include "tests/config/temporary_file.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAreArray;

options loaded(const std::string& text) {
    const auto result = load_config_text(text, "f.yaml");
    for (const auto& error : result.errors) ADD_FAILURE() << error.to_string();
    return result.loaded.value_or(options{});
}

const std::string listeners = "listeners: [{bind: h:0, tenant: a}]\n";

options with_tenants(const std::string& text) {
    return loaded(listeners + text);
}

TEST(plan_reload, the_same_file_changes_nothing) {
    const std::string text =
        "plans: {p: {limits: [{name: l, rate: 1/1s}]}}\ntenants: {a: {plan: p}, b: {databases: [0]}}\n";
    const auto running = with_tenants(text);
    const auto plan = plan_reload(running, with_tenants(text));
    EXPECT_EQ(plan.next, running);
    EXPECT_THAT(plan.needs_restart, IsEmpty());
    EXPECT_THAT(plan.added, IsEmpty());
    EXPECT_THAT(plan.removed, IsEmpty());
    EXPECT_THAT(plan.changed, IsEmpty());
    EXPECT_THAT(plan.contradictions, IsEmpty());
}

TEST(plan_reload, tenants_come_and_go) {
    const auto plan = plan_reload(with_tenants("tenants: {a: , b: , c: }\n"),
                                  with_tenants("tenants: {a: , d: {prefix: x}, c: }\n"));
    EXPECT_THAT(plan.added, ElementsAre("d"));
    EXPECT_THAT(plan.removed, ElementsAre("b"));
    EXPECT_THAT(plan.changed, IsEmpty());
    EXPECT_EQ(plan.next.tenants.at("d").prefix, "x") << "of a new tenant everything is what was loaded";
    EXPECT_THAT(plan.needs_restart, IsEmpty());
    EXPECT_THAT(plan.contradictions, IsEmpty());
}

TEST(plan_reload, what_can_change_of_a_tenant_does) {
    const temporary_file hash("sha256:" + std::string(64, 'a') + "\n");
    const std::string all = "listeners: [{bind: h:0, tenant: a}, {bind: h:0, tenant_from: auth}]\n";
    const auto fresh = loaded(
        all + "plans: {p: {read_only: true}}\ntenants: {a: {databases: [0, 1], users: [u], passwords_file: " +
        hash.path() + ", certificates: [c], plan: p}}\n");
    const auto plan = plan_reload(loaded(all + "tenants: {a: }\n"), fresh);
    EXPECT_EQ(plan.next, fresh);
    EXPECT_THAT(plan.changed, ElementsAre("a"));
    EXPECT_THAT(plan.needs_restart, IsEmpty());
}

TEST(plan_reload, a_change_of_plans_or_defaults_is_one_of_its_tenants) {
    const auto running = with_tenants(
        "plans: {p: {read_only: true}, q: {read_only: true}}\ntenants: {a: {plan: p}, b: {plan: q}, c: }\n");
    EXPECT_THAT(plan_reload(running, with_tenants("plans: {p: {}, q: {read_only: true}}\n"
                                                  "tenants: {a: {plan: p}, b: {plan: q}, c: }\n"))
                    .changed,
                ElementsAre("a"));
    EXPECT_THAT(
        plan_reload(
            running,
            with_tenants(
                "tenant_defaults: {quotas: {max_connections: 1}}\n"
                "plans: {p: {read_only: true}, q: {read_only: true, quotas: {max_connections: none}}}\n"
                "tenants: {a: {plan: p}, b: {plan: q}, c: }\n"))
            .changed,
        ElementsAre("a", "c"));
}

TEST(plan_reload, what_needs_a_restart_stays_and_is_named) {
    const auto running = with_tenants("tenants: {a: {prefix: \"a:\"}}\n");
    const auto plan = plan_reload(
        running, with_tenants("tenants: {a: {prefix: \"b:\", long_keys: {over: 5}, scripts: {mode: deny}, "
                              "read_only: true}}\nclients: {max_connections: 5}\nupstream: {url: "
                              "'redis://u@other/0'}\n"));
    EXPECT_THAT(plan.needs_restart,
                ElementsAre("upstream.url", "upstream.username", "clients.max_connections",
                            "tenants.a.prefix", "tenants.a.long_keys", "tenants.a.scripts"));
    EXPECT_EQ(plan.next.upstream, running.upstream);
    EXPECT_EQ(plan.next.clients, running.clients);
    EXPECT_EQ(plan.next.tenants.at("a").prefix, "a:");
    EXPECT_EQ(plan.next.tenants.at("a").long_keys, running.tenants.at("a").long_keys);
    EXPECT_EQ(plan.next.tenants.at("a").scripts, running.tenants.at("a").scripts);
    EXPECT_TRUE(plan.next.tenants.at("a").terms->permissions.read_only);
    EXPECT_THAT(plan.changed, ElementsAre("a"));
}

TEST(plan_reload, what_stays_is_named_each_time) {
    const auto running = with_tenants("tenants: {a: }\n");
    const auto fresh = with_tenants("tenants: {a: }\nworkers: 3\n");
    const auto first = plan_reload(running, fresh);
    EXPECT_THAT(plan_reload(first.next, fresh).needs_restart, ElementsAre("workers"));
    EXPECT_THAT(plan_reload(first.next, running).needs_restart, IsEmpty());
}

/// Every option of the schema is one that can change, or is named when it does.
TEST(plan_reload, knows_every_option) {
    const temporary_file password("secret\n");
    const environment_variable variable("WEIR_TEST_PASSWORD", "secret");
    const auto running = loaded("listeners: [{bind: h:0, tenant: a}]\ntenants: {a: }\n");
    const auto other = loaded(
        "workers: 3\ndrain_timeout: 7s\nlisteners: [{bind: h:1, tenant: a}]\n"
        "upstream:\n  url: redis://h:2/4\n  username: me\n  password_file: " +
        password.path() +
        "\n"
        "  command_timeout: 11ms\n  timeouts: {get: 50ms}\n  retry: never\n  shared_connections: 12\n"
        "  pool: {min: 13, max: 140, acquire_timeout: 15s, connect_timeout: 16s, idle_timeout: 0s}\n"
        "tenants: {a: {prefix: \"a:\", long_keys: {over: 17, action: sha256}, scripts: {mode: deny}}}\n"
        "clients: {max_connections: 20, idle_timeout: 21s, tcp_keepalive: 0s, max_in_flight: 23, "
        "pause_reading_over: 24,\n"
        "          max_unsent: 25, max_bulk: 26KiB, max_request: 28KiB, stream_over: 27KiB,\n"
        "          unauthenticated_timeout: 30s, subscriber_max_unsent: 32, subscriber_soft_unsent: 31, "
        "subscriber_soft_time: 33s}\n"
        "fallback: {order: [postgres, memory], last_resort: empty, memory: {max_bytes: 1MiB, replay: yes, max_journal: 73KiB},\n"
        "           postgres: {dsn: dbname=d, schema: s, statement_timeout: 78s, start_timeout: 79s, max_journal: 80KiB,\n"
        "                      pool: {min: 81, max: 82, acquire_timeout: 83s, connect_timeout: 84s, idle_timeout: 85s}},\n"
        "           remember: {what: both, keys: [b], max_age: 74s, max_value: 75, rate: 76/77s}}\n"
        "admin: {bind: localhost:29}\nlog: {level: warning, format: json}\n");
    std::set<std::string> expected;
    for (const auto& option : describe_options()) {
        std::string path = option.path;
        for (const std::string whole : {"listeners", "tenants.NAME.long_keys", "tenants.NAME.scripts"})
            if (path.starts_with(whole)) path = whole;
        // That it is there at all.
        if (path.starts_with("breaker.")) path = "breaker";
        if (path.starts_with("upstream.password_")) path = "upstream.password";
        if (path.starts_with("fallback.postgres.dsn")) path = "fallback.postgres.dsn";
        if (const auto name = path.find("NAME"); name != std::string::npos) path.replace(name, 4, "a");
        expected.insert(path);
    }
    const auto can_change = [](const std::string& path) {
        for (const std::string live :
             {"tenant_defaults.", "plans.", "tenants.a.databases", "tenants.a.users",
              "tenants.a.passwords_file", "tenants.a.certificates", "tenants.a.plan", "tenants.a.limits",
              "tenants.a.quotas", "tenants.a.allow", "tenants.a.deny", "tenants.a.keys",
              "tenants.a.protected", "tenants.a.read_only", "tenants.a.fallback"})
            if (path.starts_with(live)) return true;
        return false;
    };
    std::erase_if(expected, can_change);
    EXPECT_THAT(plan_reload(running, other).needs_restart, UnorderedElementsAreArray(expected));
}

TEST(plan_reload, a_breaker_that_is_there_takes_other_options) {
    const auto running = with_tenants("tenants: {a: }\nbreaker:\n");
    const auto fresh = with_tenants("tenants: {a: }\nbreaker: {mode: disabled, window: 5s, open_for: 1s}\n");
    const auto plan = plan_reload(running, fresh);
    EXPECT_TRUE(plan.breaker_changed);
    EXPECT_EQ(plan.next, fresh);
    EXPECT_THAT(plan.needs_restart, IsEmpty());
    EXPECT_FALSE(plan_reload(plan.next, fresh).breaker_changed);
}

TEST(plan_reload, a_breaker_does_not_come_or_go_without_a_restart) {
    const auto with = with_tenants("tenants: {a: }\nbreaker: {open_for: 1s}\n");
    const auto without = with_tenants("tenants: {a: }\n");
    for (const auto& [running, fresh] : {std::pair(with, without), std::pair(without, with)}) {
        const auto plan = plan_reload(running, fresh);
        EXPECT_THAT(plan.needs_restart, ElementsAre("breaker"));
        EXPECT_EQ(plan.next, running);
        EXPECT_FALSE(plan.breaker_changed);
    }
}

TEST(plan_reload, rules_of_a_tenants_fallback_change_and_the_fallback_stays) {
    const auto running = with_tenants("tenants: {a: }\nfallback: {order: [memory]}\n");
    const auto plan = plan_reload(running, with_tenants("tenants: {a: {fallback: [{keys: [x], writes: no}]}}\n"
                                                        "fallback: {order: [memory], memory: {replay: yes}}\n"));
    EXPECT_THAT(plan.changed, ElementsAre("a"));
    EXPECT_EQ(plan.next.tenants.at("a").terms->fallback.size(), 1u);
    EXPECT_THAT(plan.needs_restart, ElementsAre("fallback.memory.replay"));
    EXPECT_FALSE(plan.next.fallback.memory.replay);
}

TEST(plan_reload, rules_that_come_with_a_store_wait_for_it_and_the_rest_is_taken) {
    const auto plan = plan_reload(with_tenants("tenants: {a: }\nbreaker:\n"),
                                  with_tenants("tenants: {a: {read_only: true, fallback: [{keys: [x]}]}}\n"
                                               "fallback: {order: [memory]}\n"));
    EXPECT_THAT(plan.needs_restart, ElementsAre("fallback.order"));
    EXPECT_THAT(plan.contradictions, IsEmpty());
    EXPECT_THAT(plan.changed, ElementsAre("a"));
}

// ---- what stays contradicts what was loaded

TEST(plan_reload, a_tenant_whose_listener_stays_cannot_go) {
    const auto plan = plan_reload(with_tenants("tenants: {a: , b: }\n"),
                                  loaded("listeners: [{bind: h:0, tenant: b}]\ntenants: {b: }\n"));
    EXPECT_THAT(plan.contradictions,
                ElementsAre(HasSubstr("listeners[0].tenant: 'a' is not declared under tenants")));
    EXPECT_THAT(plan.needs_restart, ElementsAre("listeners"));
}

TEST(plan_reload, a_prefix_that_an_old_tenant_keeps_is_not_given_to_a_new_one) {
    const auto plan = plan_reload(with_tenants("tenants: {a: {prefix: \"x:\"}}\n"),
                                  with_tenants("tenants: {a: {prefix: \"y:\"}, b: {prefix: \"x:\"}}\n"));
    EXPECT_THAT(plan.contradictions, ElementsAre(AllOf(HasSubstr("tenants.b.prefix: the prefix is 'x:'"),
                                                       HasSubstr("of tenant 'a'"))));
}

TEST(plan_reload, databases_have_to_hold_the_one_in_which_sessions_still_start) {
    const auto plan =
        plan_reload(with_tenants("tenants: {a: }\nupstream: {url: redis://h/1}\n"),
                    with_tenants("tenants: {a: {databases: [2]}}\nupstream: {url: redis://h/2}\n"));
    EXPECT_THAT(plan.contradictions,
                ElementsAre(HasSubstr("tenants.a.databases: the list lacks database 1")));
}

TEST(plan_reload, scripts_that_stay_trusted_keep_a_tenant_from_being_restricted) {
    const auto plan = plan_reload(with_tenants("tenants: {a: {scripts: {mode: trust}}}\n"),
                                  with_tenants("tenants: {a: {scripts: {mode: acl}, read_only: true}}\n"));
    EXPECT_THAT(plan.contradictions,
                ElementsAre(HasSubstr("tenants.a.scripts.mode: scripts that are trusted")));
}

}  // namespace
}  // namespace weir
