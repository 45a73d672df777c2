#include "policy/script_user.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <set>

#include "policy/digest.hpp"
#include "policy/tenant.hpp"
#include "protocol/command_table.hpp"
#include "tests/policy/permission_words.hpp"

namespace weir {
namespace {

using test::allowing;
using test::denying;
using test::permitted;
using test::reading_only;
using test::with_keys;

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;
using testing::StartsWith;
using testing::UnorderedElementsAre;

using version = std::array<int, 3>;
constexpr version redis_7_0{7, 0, 15};
constexpr version latest{99, 0, 0};

std::vector<std::string> rules_for(const tenant& whose, const version& server) {
    return script_user_rules(whose, server[0], server[1], server[2]);
}

/// The commands that the user of these rules may call; `select|0` and the like as they stand.
std::set<std::string> allowed(const std::vector<std::string>& rules) {
    std::set<std::string> names;
    for (const auto& rule : rules)
        if (rule.starts_with('+')) names.insert(rule.substr(1));
    return names;
}

std::set<std::string> allowed_on(const version& server, const tenant_options& options = {}) {
    return allowed(rules_for(tenant("acme", options), server));
}

std::vector<std::string> key_rules(const tenant& whose, const version& server) {
    std::vector<std::string> patterns;
    for (const auto& rule : rules_for(whose, server))
        if (rule.starts_with('~') || rule.starts_with('%')) patterns.push_back(rule);
    return patterns;
}

bool has_keys(const command_spec& row) {
    for (const auto& spec : row.keys())
        if (!(spec.flags & key_spec::not_key)) return true;
    return false;
}

TEST(script_user_rules, make_the_whole_user_anew_and_confine_it_to_the_prefix) {
    const tenant acme("acme", {});
    const auto rules = rules_for(acme, redis_7_0);
    ASSERT_GT(rules.size(), 6u);
    EXPECT_THAT(std::vector(rules.begin(), rules.begin() + 6),
                ElementsAre("reset", "on", "#" + to_hex(sha256(acme.scripts().password)), "~tenant:acme:*",
                            "resetchannels", "&tenant:acme:*"));
    for (std::size_t i = 6; i < rules.size(); ++i)
        EXPECT_THAT(rules[i], StartsWith("+")) << "commands, one by one";
}

TEST(script_user_rules, never_allow_a_category_or_a_whole_container) {
    for (const auto& name : allowed_on(latest)) {
        EXPECT_EQ(name.find('@'), std::string::npos) << name;
        const auto* row = command_table::built_in()->find(name);
        if (row != nullptr) {
            EXPECT_FALSE(row->container) << name;
        }
    }
}

TEST(script_user_rules, a_prefix_with_glob_characters_is_taken_to_the_letter) {
    tenant_options options;
    options.prefix = "[{tenant}]?\\:";
    EXPECT_THAT(rules_for(tenant("acme", options), redis_7_0),
                IsSupersetOf({"~\\[acme\\]\\?\\\\:*", "&\\[acme\\]\\?\\\\:*"}));
}

TEST(script_user_rules, nothing_is_allowed_that_weir_refuses_itself) {
    const auto names = allowed_on(latest);
    for (const auto* row : command_table::built_in()->rows()) {
        if (row->route == command_route::refuse) {
            EXPECT_FALSE(names.contains(std::string(row->name))) << row->name;
        }
    }
}

TEST(script_user_rules, of_the_commands_without_keys_these_alone_are_allowed) {
    std::set<std::string> keyless;
    const auto names = allowed_on(latest);
    for (const auto* row : command_table::built_in()->rows())
        if (!has_keys(*row) && names.contains(std::string(row->name))) keyless.insert(std::string(row->name));
    EXPECT_THAT(keyless, UnorderedElementsAre("client|caching", "client|id", "client|setinfo", "client|setname", "client|tracking", "discard",
                                              "echo", "exec", "multi", "ping", "publish", "script|exists",
                                              "script|load", "select", "spublish", "time", "unwatch"));
}

TEST(script_user_rules, of_those_that_a_script_can_call_only_these_do_without_the_tenants_keys) {
    std::set<std::string> callable;
    const auto names = allowed_on(latest);
    for (const auto* row : command_table::built_in()->rows())
        if (!has_keys(*row) && !row->has(command_flag::noscript) && names.contains(std::string(row->name)))
            callable.insert(std::string(row->name));
    EXPECT_THAT(callable, UnorderedElementsAre("echo", "ping", "publish", "select", "spublish", "time"));
}

TEST(script_user_rules, whatever_else_is_forwarded_for_keys_is_allowed_but_these) {
    std::set<std::string> missing;
    const auto names = allowed_on(latest);
    for (const auto* row : command_table::built_in()->rows())
        if (has_keys(*row) && row->route != command_route::refuse && !names.contains(std::string(row->name)))
            missing.insert(std::string(row->name));
    EXPECT_THAT(missing, UnorderedElementsAre("georadius", "georadiusbymember", "pfmerge"));
}

TEST(script_user_rules, every_command_is_one_that_the_table_knows) {
    for (const auto& name : allowed_on(latest)) {
        const auto bar = name.find('|');
        const auto* row = command_table::built_in()->find(name.substr(0, bar));
        ASSERT_NE(row, nullptr) << name;
        if (bar == std::string::npos) continue;
        EXPECT_NE(command_table::built_in()->find_subcommand(*row, name.substr(bar + 1)), nullptr) << name;
    }
}

TEST(script_user_rules, a_server_without_acl_gets_none) {
    EXPECT_THAT(rules_for(tenant("acme", {}), {5, 0, 14}), IsEmpty());
}

TEST(script_user_rules, redis_6_0_has_no_channel_patterns_and_so_no_publish) {
    const auto rules = rules_for(tenant("acme", {}), {6, 0, 16});
    EXPECT_THAT(rules, Not(Contains(StartsWith("&"))));
    EXPECT_THAT(rules, Not(Contains("resetchannels")));
    EXPECT_THAT(rules, Not(Contains("+publish")));
    EXPECT_THAT(rules, Not(Contains("+getex"))) << "which 6.0 does not know";
    EXPECT_THAT(rules, Contains("+bitfield_ro"));
    EXPECT_THAT(allowed_on({6, 2, 0}), IsSupersetOf({"publish", "getex", "lmove"}));
}

TEST(script_user_rules, an_unknown_version_gets_what_every_later_server_knows_and_checks) {
    EXPECT_EQ(allowed_on({0, 0, 0}), allowed_on({6, 2, 0}));
}

TEST(script_user_rules, sort_is_allowed_where_the_server_checks_by_and_get) {
    EXPECT_THAT(allowed_on({6, 2, 14}), Not(Contains("sort")));
    EXPECT_THAT(allowed_on({7, 0, 0}), Contains("sort"));
    EXPECT_THAT(allowed_on({7, 0, 12}), Not(Contains("sort_ro")));
    EXPECT_THAT(allowed_on({7, 0, 13}), Contains("sort_ro"));
    EXPECT_THAT(allowed_on({7, 2, 0}), Not(Contains("sort_ro")));
    EXPECT_THAT(allowed_on({7, 2, 1}), Contains("sort_ro"));
}

TEST(script_user_rules, client_setinfo_is_named_to_servers_that_know_it) {
    EXPECT_THAT(allowed_on({7, 0, 15}), Not(Contains("client|setinfo")));
    EXPECT_THAT(allowed_on({7, 2, 4}), Contains("client|setinfo"));
}

TEST(script_user_rules, a_prefix_that_begins_an_option_word_costs_the_commands_that_would_mix_them_up) {
    for (const std::string prefix : {"b", "Ge", "limit", "STORE", "s", "streams"}) {
        tenant_options options;
        options.prefix = prefix;
        EXPECT_THAT(allowed_on(latest, options),
                    Not(Contains(testing::AnyOf("sort", "sort_ro", "xread", "xreadgroup"))))
            << prefix;
    }
    for (const std::string prefix : {"by:", "storex", "x", ":"}) {
        tenant_options options;
        options.prefix = prefix;
        EXPECT_THAT(allowed_on(latest, options), IsSupersetOf({"sort", "sort_ro", "xread", "xreadgroup"}))
            << prefix;
    }
}

TEST(script_user_rules, a_list_of_databases_leaves_no_way_to_others) {
    tenant_options options;
    options.databases = {0, 12};
    const auto names = allowed_on(latest, options);
    EXPECT_THAT(names, IsSupersetOf({"select|0", "select|12"}));
    EXPECT_THAT(names, Not(Contains(testing::AnyOf("select", "move", "copy"))));
    EXPECT_THAT(allowed_on(latest), IsSupersetOf({"select", "move", "copy"}));
}

TEST(script_user_rules, leave_out_the_commands_that_the_tenant_may_not_run) {
    const auto names = allowed(rules_for(permitted(allowing({"@read", "eval", "select"}, {"mget"})), latest));
    EXPECT_THAT(names, IsSupersetOf({"get", "lrange", "eval", "select", "multi", "ping"}));
    EXPECT_THAT(names, Not(Contains(testing::AnyOf("set", "mget", "publish", "echo", "time", "del"))));
}

TEST(script_user_rules, of_a_read_only_tenant_write_nothing) {
    for (const auto& name : allowed(rules_for(permitted(reading_only()), latest))) {
        if (name.find('|') == std::string::npos) {
            EXPECT_FALSE(command_table::built_in()->find(name)->has(command_flag::write)) << name;
        }
    }
    EXPECT_THAT(allowed(rules_for(permitted(reading_only()), latest)), IsSupersetOf({"eval", "get", "publish"}));
}

TEST(script_user_rules, key_patterns_stand_behind_the_prefix) {
    tenant_options options;
    options.prefix = "[{tenant}]:";
    const tenant acme = permitted(with_keys({"cart:*", "%R~catalog:?", "%W~log", "~[ab]"}), options);
    EXPECT_THAT(key_rules(acme, redis_7_0), ElementsAre("~\\[acme\\]:cart:*", "%R~\\[acme\\]:catalog:?",
                                                        "%W~\\[acme\\]:log", "~\\[acme\\]:[ab]"));
    EXPECT_THAT(key_rules(permitted(with_keys({"*"})), redis_7_0), ElementsAre("~tenant:acme:*"));
}

TEST(script_user_rules, before_7_0_patterns_for_one_thing_alone_are_left_out) {
    const tenant acme = permitted(with_keys({"cart:*", "%R~catalog:*"}));
    EXPECT_THAT(key_rules(acme, {6, 2, 14}), ElementsAre("~tenant:acme:cart:*"));
    EXPECT_THAT(key_rules(permitted(with_keys({"%R~catalog:*"})), {6, 2, 14}), IsEmpty());
    EXPECT_THAT(key_rules(permitted(with_keys({"%R~catalog:*"})), {0, 0, 0}), IsEmpty()) << "unknown";
}

TEST(script_user_rules, without_select_a_script_stays_where_it_is) {
    tenant_options options;
    const auto selects = [&](std::vector<int> databases) {
        options.databases = std::move(databases);
        std::vector<std::string> found;
        for (const auto& name : allowed(rules_for(permitted(denying({"select"}), options), latest)))
            if (name.starts_with("select")) found.push_back(name);
        return found;
    };
    EXPECT_THAT(selects({}), IsEmpty());
    EXPECT_THAT(selects({0, 1}), IsEmpty());
    EXPECT_THAT(selects({3}), ElementsAre("select|3"));
}

TEST(script_login, other_permissions_are_another_user) {
    std::set<std::string> names;
    for (const permission_options& permits :
         {permission_options{}, denying({"get"}), with_keys({"a"}),
          with_keys({"%R~a"}), reading_only()}) {
        names.insert(permitted(permits).scripts().username);
    }
    EXPECT_EQ(names.size(), 5u);
    EXPECT_TRUE(names.contains("weir:acme:82625292e73f0cd6")) << "the one of a tenant that may do everything";
    EXPECT_EQ(permitted(denying({"get", "set"})).scripts().username, permitted(denying({"SET", "-GET"})).scripts().username);
}

TEST(script_login, is_a_user_of_weirs_own_unless_one_is_configured) {
    const tenant acme("acme", {}, "upstream secret");
    EXPECT_EQ(acme.scripts().mode, script_mode::acl);
    EXPECT_TRUE(acme.scripts().made_by_weir);
    // echo -n tenant:acme: | sha256sum; echo -n 'weir scripts tenant:acme:' | openssl dgst -sha256 -hmac
    // 'upstream secret'
    EXPECT_EQ(acme.scripts().username, "weir:acme:82625292e73f0cd6");
    EXPECT_EQ(acme.scripts().password, "1cca6b17e2c50869c5c7f9b9c6c1921653926b4ce013f95d17b9d5ec05f83084");
}

TEST(script_login, follows_from_prefix_and_upstream_password_and_nothing_else) {
    tenant_options options;
    const auto made = [&](const std::string& secret) { return tenant("acme", options, secret).scripts(); };
    const auto first = made("a");
    EXPECT_EQ(tenant("acme", options, "a").scripts().password, first.password);
    EXPECT_NE(made("b").password, first.password);
    EXPECT_EQ(made("b").username, first.username);
    EXPECT_EQ(made("").password.size(), 64u) << "an upstream without password";
    options.prefix = "other:";
    EXPECT_NE(made("a").password, first.password);
    EXPECT_NE(made("a").username, first.username);
}

TEST(script_login, a_configured_user_is_taken_as_it_is) {
    tenant_options options;
    options.scripts = {script_mode::acl, "me", "secret"};
    const tenant acme("acme", options, "upstream secret");
    EXPECT_EQ(acme.scripts().username, "me");
    EXPECT_EQ(acme.scripts().password, "secret");
    EXPECT_FALSE(acme.scripts().made_by_weir);
    EXPECT_THAT(rules_for(acme, redis_7_0), Contains("#" + to_hex(sha256("secret"))));
}

}  // namespace
}  // namespace weir
