// Limits, quotas and permissions: what tenant_defaults, plans and tenants say, and what of it holds for a
// tenant.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "config/loader.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::StartsWith;

/// What a test adds begins at line 2.
const std::string listeners = "listeners: [{bind: h:0, tenant: a}]\n";

std::vector<std::string> errors_of(const std::string& text) {
    std::vector<std::string> errors;
    for (const auto& error : load_config_text(listeners + text, "f.yaml").errors)
        errors.push_back(error.to_string());
    return errors;
}

options loaded(const std::string& text) {
    EXPECT_THAT(errors_of(text), IsEmpty());
    return load_config_text(listeners + text, "f.yaml").loaded.value_or(options{});
}

/// What holds for tenant a.
tenant_terms terms_of(const std::string& text) {
    return *loaded(text).tenants["a"].terms;
}

/// In tenant a, from line 2 column 14 on.
std::string of_a(const std::string& options) {
    return "tenants: {a: {" + options + "}}\n";
}

/// A limit with name and rate, and more options from line 2 column 45 on.
std::string limit(const std::string& options) {
    return of_a("limits: [{name: l, rate: 100/1h, " + options + "}]");
}

auto error_at(const std::string& place, const std::string& message) {
    return AllOf(StartsWith("f.yaml:" + place + ": "), HasSubstr(message));
}

TEST(terms, every_option_reaches_its_own_field) {
    const auto read = terms_of(of_a(
        "limits: [{name: first, rate: 5/60s}, {name: l-2_x.y, commands: [\"@write\", \"-set\"], cost: "
        "{\"@write\": 2, "
        "DEL: 3}, rate: 1000000/1s, burst: 4, algorithm: gcra, scope: global, on_store_down: closed, action: "
        "delay, "
        "max_delay: 5ms}], quotas: {max_connections: 6, max_in_flight: 7, max_request: 8KiB, max_arguments: "
        "9, "
        "received: 10KiB/11s, sent: 12KiB/13s}, allow: [\"+@read\", get], deny: [keys, \"-config|set\"], "
        "keys: [\"cart:*\", \"%R~catalog:*\"], protected: [FLUSHDB], read_only: true"));
    limit_options first;
    first.name = "first";
    first.rate = {5, 60s};
    const limit_options second{"l-2_x.y",
                               {"@write", "-set"},
                               {{"@write", 2}, {"del", 3}},
                               {1'000'000, 1s},
                               4,
                               limit_algorithm::gcra,
                               limit_scope::global,
                               limit_on_store_down::closed,
                               limit_action::delay,
                               5ms};
    tenant_terms expected;
    expected.limits = {first, second};
    expected.quotas = {6, 7, 8 << 10, 9, limit_rate{10 << 10, 11s}, limit_rate{12 << 10, 13s}};
    expected.permissions = {
        {"+@read", "get"}, {"keys", "-config|set"}, {"cart:*", "%R~catalog:*"}, {"FLUSHDB"}, true};
    EXPECT_EQ(read, expected);
}

TEST(terms, limits_that_users_run_are_read) {
    const auto limits =
        terms_of(
            of_a("limits: [{name: hour, rate: 100/1h}, {name: a, rate: 5/60s, algorithm: sliding_window},"
                 " {name: b, rate: 3/60s, algorithm: fixed_window}, {name: c, rate: 30/1m}]"))
            .limits;
    ASSERT_EQ(limits.size(), 4u);
    EXPECT_EQ(limits[0].rate, (limit_rate{100, 1h}));
    EXPECT_EQ(limits[0].burst, std::nullopt);
    EXPECT_THAT(limits[0].commands, ElementsAre("*"));
    EXPECT_EQ(limits[1].algorithm, limit_algorithm::sliding_window);
    EXPECT_EQ(limits[2].algorithm, limit_algorithm::fixed_window);
    EXPECT_EQ(limits[3].rate, (limit_rate{30, 60s}));
}

TEST(terms, a_tenant_without_any_has_none) {
    EXPECT_EQ(terms_of("tenants: {a: }\n"), tenant_terms{});
    EXPECT_EQ(terms_of("tenant_defaults:\nplans: {free: }\ntenants: {a: {plan: free}}\n"), tenant_terms{});
}

// ---- which of them holds

TEST(terms, what_a_tenant_sets_goes_before_its_plan_and_that_before_the_defaults) {
    auto read = loaded(
        "tenants: {a: {plan: gold, quotas: {max_connections: 3}}, b: {plan: gold}, c: {read_only: true}, d: "
        "}\n"
        "plans: {gold: {quotas: {max_connections: 2, max_arguments: 20}, limits: []}}\n"
        "tenant_defaults: {quotas: {max_connections: 1, max_in_flight: 10}, limits: [{name: l, rate: "
        "1/1s}]}\n");
    const quota_options a{3, 10, std::nullopt, 20, std::nullopt, std::nullopt};
    const quota_options b{2, 10, std::nullopt, 20, std::nullopt, std::nullopt};
    const quota_options c{1, 10, std::nullopt, std::nullopt, std::nullopt, std::nullopt};
    EXPECT_EQ(read.tenants["a"].terms->quotas, a);
    EXPECT_EQ(read.tenants["b"].terms->quotas, b);
    EXPECT_EQ(read.tenants["c"].terms->quotas, c);
    EXPECT_EQ(read.tenants["d"].terms->quotas, c);
    EXPECT_THAT(read.tenants["a"].terms->limits, IsEmpty());
    EXPECT_EQ(read.tenants["c"].terms->limits.size(), 1u);
    EXPECT_TRUE(read.tenants["c"].terms->permissions.read_only);
    EXPECT_FALSE(read.tenants["d"].terms->permissions.read_only);
    EXPECT_EQ(read.tenants["a"].plan, "gold");
    EXPECT_EQ(read.tenants["d"].plan, "");
}

TEST(terms, a_list_replaces_the_one_before_it_as_a_whole) {
    const auto read = terms_of(
        "tenant_defaults: {deny: [keys], limits: [{name: l, rate: 1/1s}, {name: m, rate: 1/1s}], keys: "
        "[\"x*\"]}\n"
        "tenants: {a: {deny: [flushall], limits: [{name: m, rate: 2/1s}], keys: [\"y*\"]}}\n");
    EXPECT_THAT(read.permissions.deny, ElementsAre("flushall"));
    EXPECT_THAT(read.permissions.keys, ElementsAre("y*"));
    ASSERT_EQ(read.limits.size(), 1u);
    EXPECT_EQ(read.limits[0].rate.count, 2u);
}

TEST(terms, everything_may_be_taken_back) {
    EXPECT_EQ(terms_of("tenant_defaults: {deny: [keys], protected: [keys], limits: [{name: l, rate: 1/1s}], "
                       "keys: [\"x*\"], "
                       "allow: [get], read_only: true, quotas: {max_connections: 1, max_in_flight: 1, "
                       "max_request: 1KiB, "
                       "max_arguments: 1, received: 1KiB/1s, sent: 1KiB/1s}}\n"
                       "tenants: {a: {deny: [], protected: [], limits: [], keys: all, allow: all, read_only: "
                       "false, quotas: "
                       "{max_connections: none, max_in_flight: none, max_request: none, max_arguments: none, "
                       "received: none, "
                       "sent: none}}}\n"),
              tenant_terms{});
}

TEST(terms, tenants_that_set_nothing_themselves_share_one_object) {
    auto read = loaded(
        "tenant_defaults: {read_only: true}\nplans: {gold: {limits: [{name: l, rate: 1/1s}]}, same: }\n"
        "tenants: {a: {plan: gold}, b: {plan: gold, prefix: \"b:\"}, c: , d: {plan: same}, e: {read_only: "
        "true}, "
        "f: {plan: gold, read_only: false}}\n");
    const auto& gold = read.plans["gold"].pointer();
    const auto& defaults = read.tenant_defaults.pointer();
    EXPECT_EQ(read.tenants["a"].terms.pointer(), gold);
    EXPECT_EQ(read.tenants["b"].terms.pointer(), gold);
    EXPECT_EQ(read.tenants["c"].terms.pointer(), defaults);
    EXPECT_EQ(read.tenants["d"].terms.pointer(), defaults) << "a plan that changes nothing";
    EXPECT_EQ(read.tenants["e"].terms.pointer(), defaults) << "an option that says what holds anyway";
    EXPECT_NE(read.tenants["f"].terms.pointer(), gold);
    EXPECT_NE(gold, defaults);
}

TEST(terms, many_tenants_share_their_plan) {
    constexpr std::size_t tenants = 10'000;
    std::string text = "plans: {free: {limits: [{name: l, rate: 100/1h}]}}\ntenants:\n  a:\n";
    for (std::size_t i = 0; i < tenants; ++i) text += "  t" + std::to_string(i) + ": {plan: free}\n";
    const auto read = load_config_text(listeners + text, "f.yaml");
    ASSERT_TRUE(read);
    const auto& free = read.loaded->plans.at("free").pointer();
    EXPECT_EQ(std::ranges::count_if(read.loaded->tenants,
                                    [&](const auto& each) { return each.second.terms.pointer() == free; }),
              tenants);
    EXPECT_EQ(free.use_count(), tenants + 1);
}

TEST(terms, a_plan_that_nobody_has_is_fine) {
    EXPECT_THAT(loaded("plans: {free: }\ntenants: {a: }\n").plans, ElementsAre(Pair("free", shared_terms())));
}

TEST(terms, a_plan_has_to_be_declared) {
    EXPECT_THAT(
        errors_of("plans: {free: {}, gold: {}}\n" + of_a("plan: gld")),
        ElementsAre(error_at("3:21",
                             "tenants.a.plan: 'gld' is not declared under plans (did you mean 'gold'?); "
                             "valid: free, gold")));
    EXPECT_THAT(errors_of(of_a("plan: x")),
                ElementsAre(error_at("2:21", "valid: none, as no plan is declared")));
    EXPECT_THAT(errors_of(of_a("plan: [x]")),
                ElementsAre(error_at("2:21", "here stands a list; valid: 1 to 64 letters")));
    EXPECT_THAT(errors_of("plans: {\"a b\": {}}\ntenants: {a: }\n"),
                ElementsAre(error_at("2:16", "cannot be a plan's name")));
    EXPECT_THAT(errors_of("plans: {x: {plan: y}}\ntenants: {a: }\n"),
                ElementsAre(error_at("2:13", "plans.x: unknown option 'plan'")));
}

TEST(terms, an_error_does_not_list_a_hundred_thousand_names) {
    std::string plans = "plans:\n";
    for (int i = 100; i < 130; ++i) plans += "  p" + std::to_string(i) + ":\n";
    EXPECT_THAT(errors_of(plans + of_a("plan: x")),
                ElementsAre(AllOf(HasSubstr("valid: p100, p101,"), HasSubstr("p119 and 10 more"))));
}

TEST(terms, what_is_wrong_in_a_plan_is_said_once_and_there) {
    EXPECT_THAT(
        errors_of("plans: {p: {limits: [{name: l, rate: 0/1s}]}}\ntenants: {a: {plan: p}, b: {plan: p}}\n"),
        ElementsAre(error_at("2:38", "plans.p.limits[0].rate: '0/1s' lets nothing pass")));
    EXPECT_THAT(errors_of("tenant_defaults: {quotas: {max_connection: 1}}\ntenants: {a: }\n"),
                ElementsAre(error_at("2:28",
                                     "tenant_defaults.quotas: unknown option 'max_connection' (did you mean "
                                     "'max_connections'?)")));
}

// ---- what is refused

struct refusal {
    std::string text;
    std::string place;
    std::string message;
};
void PrintTo(const refusal& shown, std::ostream* out) {
    *out << shown.text;
}

class refused_terms : public testing::TestWithParam<refusal> {};

TEST_P(refused_terms, is_the_only_error_and_has_its_place_and_what_would_be_valid) {
    EXPECT_THAT(errors_of(GetParam().text), ElementsAre(error_at(GetParam().place, GetParam().message)));
}

refusal with(const std::string& options, const std::string& place, const std::string& message) {
    return {of_a(options), place, message};
}
refusal rate(const std::string& written, const std::string& message) {
    return {of_a("limits: [{name: l, rate: " + written + "}]"), "2:40",
            "tenants.a.limits[0].rate: '" + written + "' " + message};
}

// clang-format off
INSTANTIATE_TEST_SUITE_P(rate, refused_terms, testing::Values(
    rate("100", "has no '/' between what may pass and in which time; valid: calls and a time such as 100/1h or 5/60s, from 1 to 1000000000 in 1ms to 365d, not above 1000000 a second"),
    rate("0/1s", "lets nothing pass"),
    rate("1/0s", "has no time after the '/'"),
    rate("100/h", "has a time after the '/' that is not a whole number"),
    rate("100/1", "has a time after the '/' that has no unit (known are ms, s, m, h, d)"),
    rate("-1/1s", "has an amount before the '/' that is negative"),
    rate("1.5/1s", "has an amount before the '/' that is not a whole number"),
    rate("1k/1s", "has an amount before the '/' that is not a whole number"),
    rate("1/1s/1s", "has a time after the '/' that has an unknown unit"),
    rate("1000001/1s", "is more than 1000000 a second"),
    rate("1001/1ms", "is more than 1000000 a second"),
    rate("1000000001/1h", "is too large"),
    rate("1/366d", "has too long a time")));

INSTANTIATE_TEST_SUITE_P(limit, refused_terms, testing::Values(
    with("limits: [{rate: 1/1s}]", "2:24", "tenants.a.limits[0]: 'name' is missing"),
    with("limits: [{name: l}]", "2:24", "tenants.a.limits[0]: 'rate' is missing"),
    with("limits: [{name: \"a b\", rate: 1/1s}]", "2:31", "tenants.a.limits[0].name: 'a b' cannot be a limit's name; valid: 1 to 64 letters, digits, '_', '.' and '-'"),
    with("limits: [{name: " + std::string(65, 'x') + ", rate: 1/1s}]", "2:31", "cannot be a limit's name"),
    with("limits: [{name: l, rate: 1/1s}, {name: m, rate: 1/1s}, {name: l, rate: 2/1s}]", "2:77", "tenants.a.limits[2].name: 'l' is the name of tenants.a.limits[0] too; valid: a name that no other limit here has"),
    with("limits: {l: {rate: 1/1s}}", "2:23", "tenants.a.limits: here stands a section"),
    with("limits: 100/1h", "2:23", "tenants.a.limits: here stands a single value; valid: a list of limits, each with name and rate"),
    with("limits: [100/1h]", "2:24", "valid: a section with name, commands, cost, rate"),
    with("limits:", "2:15", "tenants.a.limits: here stands nothing"),
    refusal{limit("bursts: 5"), "2:48", "unknown option 'bursts' (did you mean 'burst'?)"},
    refusal{limit("algorithm: leaky"), "2:59", "'leaky' is not known; valid: gcra, sliding_window, fixed_window"},
    refusal{limit("scope: all"), "2:55", "'all' is not known; valid: local, global"},
    refusal{limit("scope: global, on_store_down: wait"), "2:78", "'wait' is not known; valid: open, closed"},
    refusal{limit("action: drop"), "2:56", "'drop' is not known; valid: refuse, delay"},
    refusal{limit("action: delay, max_delay: 0s"), "2:74", "'0s' is too small; valid: a duration such as 250ms or 5s from 1ms to 1h"},
    refusal{limit("action: delay, max_delay: 61m"), "2:74", "'61m' is too large"},
    refusal{limit("burst: 0"), "2:55", "'0' is too small; valid: a whole number from 1 to 1000000000"},
    refusal{limit("burst: 1000000001"), "2:55", "'1000000001' is too large"}));

INSTANTIATE_TEST_SUITE_P(limit_without_effect, refused_terms, testing::Values(
    refusal{limit("algorithm: sliding_window, burst: 5"), "2:82", "tenants.a.limits[0].burst: would have no effect; valid: with algorithm: gcra"},
    refusal{limit("algorithm: fixed_window, burst: 5"), "2:80", "with algorithm: gcra"},
    refusal{limit("on_store_down: open"), "2:63", "limits[0].on_store_down: would have no effect; valid: with scope: global"},
    refusal{limit("max_delay: 5s"), "2:59", "limits[0].max_delay: would have no effect; valid: with action: delay"}));

INSTANTIATE_TEST_SUITE_P(words, refused_terms, testing::Values(
    refusal{limit("commands: []"), "2:58", "limits[0].commands: the list is empty; valid: a list, each of it \"*\" or an ACL word"},
    refusal{limit("commands: \"*\""), "2:58", "here stands a single value; valid: a list, each of it"},
    refusal{limit("commands: [gett]"), "2:59", "limits[0].commands[0]: 'gett' is no command that weir knows (did you mean 'get'?); valid: *, a category"},
    refusal{limit("commands: [\"@wrote\"]"), "2:59", "'@wrote' is no category of commands (did you mean '@write'?); valid: @all"},
    refusal{limit("commands: [\"config|gett\"]"), "2:59", "'config|gett' is no subcommand that weir knows"},
    refusal{limit("commands: [\"\"]"), "2:59", "'' is empty; valid: a word"},
    refusal{limit("commands: [get, [set]]"), "2:64", "here stands a list"},
    refusal{limit("commands: [\"-get\"]"), "2:59", "limits[0].commands[0]: takes away, and nothing stands before it; valid: \"*\""},
    refusal{limit("commands: [get, \"-@read\"]"), "2:58", "limits[0].commands: the words leave no command"},
    refusal{limit("commands: [nocommands]"), "2:58", "the words leave no command"},
    refusal{limit("cost: {set: 0}"), "2:60", "limits[0].cost.set: '0' is too small; valid: a whole number from 1 to 1000000"},
    refusal{limit("cost: {set: 101}"), "2:60", "limits[0].cost.set: 101 is above the rate of 100, so these calls could never pass; valid: 1 to that"},
    refusal{limit("algorithm: fixed_window, cost: {set: 101}"), "2:85", "101 is above the rate of 100"},
    refusal{limit("burst: 5, cost: {\"@write\": 6, get: 5}"), "2:75", "6 is above the burst of 5"},
    refusal{limit("commands: [\"@write\"], cost: {get: 2}"), "2:82", "limits[0].cost.get: would have no effect, as `commands` counts none of these"},
    refusal{limit("cost: {nocommands: 2}"), "2:67", "limits[0].cost.nocommands: would have no effect"},
    refusal{limit("cost: {\"+set\": 1}"), "2:63", "limits[0].cost.+set: the word before the ':' has a sign; valid: set"},
    refusal{limit("cost: {sett: 1}"), "2:61", "the word before the ':' is no command that weir knows"},
    refusal{limit("cost: {set: 1, SET: 2}"), "2:60", "differs in upper and lower case alone"},
    refusal{limit("cost: 5"), "2:54", "here stands a single value; valid: a section with a word"},
    with("allow: []", "2:22", "tenants.a.allow: the list is empty; valid: all, or a list"),
    with("allow: get", "2:22", "tenants.a.allow: 'get' is not known; valid: all, or a list"),
    with("allow: [reed]", "2:23", "'reed' is no command that weir knows"),
    with("allow: [\"-@all\"]", "2:22", "tenants.a.allow: the words leave no command"),
    with("deny: [\"+get\"]", "2:22", "tenants.a.deny[0]: '+get' would allow; valid here: get to deny it"),
    with("deny: [\"-\"]", "2:22", "'-' is empty"),
    with("deny: keys", "2:21", "tenants.a.deny: here stands a single value; valid: a list"),
    with("protected: [\"-keys\"]", "2:27", "'-keys' has a sign; valid: keys"),
    with("keys: []", "2:21", "tenants.a.keys: the list is empty; valid: all, or a list, each of it a key pattern"),
    with("keys: [\"%X~a\"]", "2:22", "tenants.a.keys[0]: '%X~a' is no key pattern; valid: cart:*"),
    with("keys: [\"a b\"]", "2:22", "'a b' holds a space"),
    with("read_only: maybe", "2:26", "'maybe' is not known; valid: false, true")));

INSTANTIATE_TEST_SUITE_P(quotas, refused_terms, testing::Values(
    with("quotas: {max_connections: 0}", "2:41", "quotas.max_connections: '0' is too small; valid: none or a whole number from 1 to 10000000"),
    with("quotas: {max_in_flight: x}", "2:39", "'x' is not a whole number"),
    with("quotas: {max_request: 1KB}", "2:37", "'1KB' has an unknown unit"),
    with("quotas: {max_arguments: 0}", "2:39", "'0' is too small"),
    with("quotas: {received: 10/1s}", "2:34", "quotas.received: '10/1s' is too small; valid: none or bytes and a time such as 10MiB/1s, from 1KiB to 1TiB in 1ms to 1d"),
    with("quotas: {received: 2TiB/1s}", "2:34", "'2TiB/1s' is too large"),
    with("quotas: {sent: 10MB/1s}", "2:30", "quotas.sent: '10MB/1s' has an amount before the '/' that has an unknown unit (known are B, KiB, MiB"),
    with("quotas: {sent: 1GiB/2d}", "2:30", "has too long a time"),
    with("quotas: [5]", "2:23", "here stands a list")));

INSTANTIATE_TEST_SUITE_P(trusted_scripts, refused_terms, testing::Values(
    with("scripts: {mode: trust}, allow: [get]", "2:31", "tenants.a.scripts.mode: scripts that are trusted could do what allow, deny, keys, protected or read_only"),
    with("scripts: {mode: trust}, deny: [get]", "2:31", "valid: acl, deny, or a tenant that nothing is forbidden"),
    with("scripts: {mode: trust}, keys: [\"x*\"]", "2:31", "trusted"),
    with("scripts: {mode: trust}, protected: [flushdb]", "2:31", "trusted"),
    refusal{"tenant_defaults: {read_only: true}\n" + of_a("scripts: {mode: trust}"), "3:31", "its plan or tenant_defaults forbid"}));
// clang-format on

TEST(terms, trusted_scripts_may_be_limited) {
    loaded(of_a("scripts: {mode: trust}, quotas: {max_connections: 1}, limits: [{name: l, rate: 1/1s}]"));
}

TEST(terms, both_ends_of_each_range_are_valid) {
    loaded(of_a("limits: [{name: l, rate: 1000000/1s, burst: 1000000000, cost: {get: 1000000}}]"));
    loaded(limit("action: delay, max_delay: 1h"));
    loaded(of_a(
        "limits: [{name: l, rate: 1/365d}, {name: m, rate: 1000000000/365d}, {name: n, rate: 1000/1ms}]"));
    loaded(of_a("quotas: {received: 1KiB/1d, sent: 1TiB/1ms, max_connections: 10000000}"));
}

TEST(terms, a_burst_has_to_come_back_within_a_year) {
    EXPECT_THAT(
        errors_of(of_a("limits: [{name: l, rate: 1/1h, burst: 9000}]")),
        ElementsAre(error_at(
            "2:53", "limits[0].burst: at this rate it takes more than 365d until all of it may come again")));
    loaded(of_a("limits: [{name: l, rate: 1/1h, burst: 8760}]"));
}

TEST(terms, a_tenant_has_32_limits_at_most) {
    std::string list;
    for (int i = 0; i < 32; ++i) list += "{name: l" + std::to_string(i) + ", rate: 1/1s}, ";
    EXPECT_EQ(terms_of(of_a("limits: [" + list + "]")).limits.size(), 32u);
    EXPECT_THAT(
        errors_of(of_a("limits: [" + list + "{name: x, rate: 1/1s}]")),
        ElementsAre(error_at("2:23", "tenants.a.limits: the list holds 33 limits; valid: 32 at most")));
}

TEST(terms, words_of_modules_and_of_nothing_but_what_is_taken_away_are_words) {
    const auto read = terms_of(
        of_a("allow: [\"-keys\"], limits: [{name: l, rate: 1/1s, commands: [json.get, \"-@read\"]}], "
             "deny: [\"-flushdb\"]"));
    EXPECT_THAT(read.permissions.allow, ElementsAre("-keys"));
    EXPECT_THAT(read.permissions.deny, ElementsAre("-flushdb"));
}

}  // namespace
}  // namespace weir
