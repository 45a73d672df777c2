// Time-outs, retries, the breaker and the fallback: what is read of them, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/loader.hpp"
#include "policy/fallback_rules.hpp"
#include "tests/config/temporary_file.hpp"

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
const std::string base = "{listeners: [{bind: h:0, tenant: a}], tenants: {a: },\n";
const std::string memory = "fallback: {order: [memory]},\n";

std::vector<std::string> errors_of(const std::string& text) {
    std::vector<std::string> errors;
    for (const auto& error : load_config_text(base + text + "}\n", "f.yaml").errors)
        errors.push_back(error.to_string());
    return errors;
}

options loaded(const std::string& text) {
    EXPECT_THAT(errors_of(text), IsEmpty());
    return load_config_text(base + text + "}\n", "f.yaml").loaded.value_or(options{});
}

auto error_at(const std::string& place, const std::string& message) {
    return AllOf(StartsWith("f.yaml:" + place + ": "), HasSubstr(message));
}

// ---- what there is

TEST(outage, without_a_word_there_is_neither_breaker_nor_fallback) {
    const auto read = loaded("");
    EXPECT_EQ(read.breaker, std::nullopt);
    EXPECT_EQ(read.fallback, fallback_options{});
    EXPECT_THAT(read.upstream.timeouts, IsEmpty());
}

TEST(outage, an_empty_section_is_a_breaker_with_the_defaults) {
    for (const auto* text : {"breaker: ", "breaker: {}"})
        EXPECT_EQ(loaded(text).breaker, breaker_options{}) << text;
}

TEST(outage, a_fallback_with_a_store_brings_a_breaker_and_one_without_does_not) {
    EXPECT_EQ(loaded("fallback: {order: [memory]}").breaker, breaker_options{});
    EXPECT_EQ(loaded("fallback: {order: []}").breaker, std::nullopt);
    EXPECT_EQ(loaded("fallback: ").breaker, std::nullopt);
    EXPECT_EQ(loaded("fallback: {last_resort: empty}").breaker, breaker_options{}) << "that is an answer as well";
    EXPECT_TRUE(loaded("fallback: {last_resort: empty}, tenant_defaults: {fallback: [{keys: [x], reads: no}]}").breaker);
    EXPECT_EQ(loaded("fallback: {order: [memory]}, breaker: {open_for: 1s}").breaker->open_for, 1s);
}

TEST(outage, the_presets_that_users_run_are_read) {
    const auto rate = *loaded("breaker: {failure_rate: 50%, minimum_calls: 5, open_for: 30s}").breaker;
    EXPECT_EQ(rate, breaker_options{});
    const auto row =
        *loaded("breaker: {failure_rate: 0%, consecutive_failures: 5, open_for: 60s, successes_to_close: 2}")
             .breaker;
    EXPECT_EQ(row.failure_rate, 0u);
    EXPECT_EQ(row.consecutive_failures, 5u);
    EXPECT_EQ(row.open_for, 60s);
}

TEST(outage, a_yes_may_be_written_as_true) {
    for (const auto* yes : {"yes", "true"}) {
        EXPECT_TRUE(loaded("fallback: {order: [memory], memory: {replay: " + std::string(yes) + "}}")
                        .fallback.memory.replay);
    }
    for (const auto* no : {"no", "false"}) {
        EXPECT_FALSE(loaded("fallback: {order: [memory], memory: {replay: " + std::string(no) + "}}")
                         .fallback.memory.replay);
    }
}

TEST(outage, each_word_says_what_is_remembered) {
    const auto what = [](const std::string& word) {
        const auto read =
            loaded("fallback: {order: [memory], remember: {what: " + word + "}}").fallback.remember;
        return std::pair(read.reads, read.writes);
    };
    EXPECT_THAT(what("nothing"), Pair(false, false));
    EXPECT_THAT(what("reads"), Pair(true, false));
    EXPECT_THAT(what("writes"), Pair(false, true));
    EXPECT_THAT(what("both"), Pair(true, true));
}

TEST(outage, a_breaker_that_is_switched_off_need_not_be_able_to_open) {
    loaded("breaker: {mode: disabled, failure_rate: 0%}");
    loaded("breaker: {failure_rate: 0%, slow_over: 1s}");
    loaded("breaker: {failure_rate: 0%, consecutive_failures: 1}");
    loaded("breaker: {failure_replies: []}");
}

TEST(outage, both_ends_of_each_range_are_valid) {
    loaded(
        "breaker: {window: 100ms, buckets: 1, failure_rate: 1%, minimum_calls: 1, consecutive_failures: 1, "
        "slow_over: 1ms, "
        "slow_rate: 1%, open_for: 1ms, max_open_for: 1ms, half_open_commands: 0, successes_to_close: 1, "
        "probe_interval: 10ms}");
    loaded(
        "breaker: {window: 1h, buckets: 100, failure_rate: 100%, minimum_calls: 1000000, "
        "consecutive_failures: 1000000, "
        "slow_over: 1d, slow_rate: 100%, open_for: 1d, max_open_for: 1d, half_open_commands: 1000000, "
        "successes_to_close: 1000000, probe_interval: 1h}");
    loaded(
        "fallback: {order: [memory], memory: {max_bytes: 1KiB, max_journal: 1KiB}, "
        "remember: {what: both, max_age: 1ms, max_value: 1KiB}}");
    loaded(
        "fallback: {order: [memory], memory: {max_bytes: 1TiB, max_journal: 1TiB}, "
        "remember: {what: both, max_age: 365d, max_value: 512MiB}}");
}

TEST(outage, timeouts_are_by_words_in_any_case) {
    EXPECT_THAT(loaded("upstream: {timeouts: {GET: 50ms, \"@Slow\": 10s, \"object|encoding\": 1s, json.get: "
                       "2s, \"*\": 3s}}")
                    .upstream.timeouts,
                ElementsAre(Pair("*", 3s), Pair("@slow", 10s), Pair("get", 50ms), Pair("json.get", 2s),
                            Pair("object|encoding", 1s)));
}

TEST(outage, there_may_be_254_different_times) {
    const auto with = [](int words) {
        std::string text = "upstream: {timeouts: {";
        for (int i = 0; i < words; ++i)
            text += "m.c" + std::to_string(i) + ": " + std::to_string(i + 1) + "ms, ";
        return text + "get: 1ms}}";
    };
    EXPECT_EQ(loaded(with(254)).upstream.timeouts.size(), 255u);
    EXPECT_THAT(
        errors_of(with(255)),
        ElementsAre(error_at("2:22", "upstream.timeouts: holds 255 different times; valid: 254 at most")));
}

// ---- a tenant's rules

std::vector<fallback_rule_options> rules_of(const std::string& tenants) {
    const auto text = "listeners: [{bind: h:0, tenant: a}]\nfallback: {order: [memory]}\n" + tenants;
    const auto result = load_config_text(text, "f.yaml");
    for (const auto& error : result.errors) ADD_FAILURE() << error.to_string();
    return result ? result.loaded->tenants.at("a").terms->fallback : std::vector<fallback_rule_options>{};
}

TEST(outage, rules_are_read_in_their_order) {
    EXPECT_THAT(
        rules_of("tenants: {a: {fallback: [{keys: [\"s:*\", x], reads: no}, {keys: [y], writes: no}, {keys: "
                 "[\"*\"]}]}}\n"),
        ElementsAre(fallback_rule_options{{"s:*", "x"}, false, fallback_writes::journal},
                    fallback_rule_options{{"y"}, true, fallback_writes::refuse}, fallback_rule_options{{"*"}}));
}

TEST(outage, a_tenants_rules_replace_its_plans_and_these_the_defaults) {
    const std::string defaults =
        "tenant_defaults: {fallback: [{keys: [d]}]}\nplans: {p: {fallback: [{keys: [p]}]}, q: }\n";
    EXPECT_EQ(rules_of(defaults + "tenants: {a: }\n").at(0).keys[0], "d");
    EXPECT_EQ(rules_of(defaults + "tenants: {a: {plan: p}}\n").at(0).keys[0], "p");
    EXPECT_EQ(rules_of(defaults + "tenants: {a: {plan: q}}\n").at(0).keys[0], "d");
    EXPECT_EQ(rules_of(defaults + "tenants: {a: {plan: p, fallback: [{keys: [a]}]}}\n").at(0).keys[0], "a");
    EXPECT_THAT(rules_of(defaults + "tenants: {a: {plan: p, fallback: []}}\n"), IsEmpty());
}

TEST(outage, a_tenant_has_64_rules_at_most) {
    const auto with = [](std::size_t rules) {
        std::string text = "tenants: {a: {fallback: [";
        for (std::size_t i = 0; i < rules; ++i)
            text += (i ? ", {keys: [k" : "{keys: [k") + std::to_string(i) + "]}";
        return text + "]}}\n";
    };
    EXPECT_EQ(rules_of(with(max_fallback_rules)).size(), 64u);
    const auto text = "listeners: [{bind: h:0, tenant: a}]\nfallback: {order: [memory]}\n" + with(65);
    const auto errors = load_config_text(text, "f.yaml").errors;
    ASSERT_EQ(errors.size(), 1u);
    EXPECT_THAT(errors[0].to_string(),
                error_at("3:25", "tenants.a.fallback: the list holds 65 rules; valid: 64 at most"));
}

// ---- what is refused

struct refusal {
    std::string text;  ///< from line 2 on
    std::string place;
    std::string message;
};
void PrintTo(const refusal& shown, std::ostream* out) {
    *out << shown.text;
}

class refused_outage : public testing::TestWithParam<refusal> {};

TEST_P(refused_outage, is_the_only_error_and_has_its_place_and_what_would_be_valid) {
    EXPECT_THAT(errors_of(GetParam().text), ElementsAre(error_at(GetParam().place, GetParam().message)));
}

refusal of_breaker(const std::string& option, const std::string& message) {
    const auto value_at = 11 + option.find(' ') + 1;
    return {"breaker: {" + option + "}", "2:" + std::to_string(value_at), message};
}
refusal of_memory(const std::string& option, const std::string& message) {
    return {memory.substr(0, memory.find("]") + 1) + ", memory: {" + option + "}}",
            "2:" + std::to_string(38 + option.find(' ') + 1), message};
}

/// The fault is in the last value.
refusal of_postgres(const std::string& option, const std::string& message) {
    const std::string before = "fallback: {order: [postgres], postgres: {";
    return {before + option + "}}", "2:" + std::to_string(before.size() + option.rfind(' ') + 2), message};
}

// clang-format off
INSTANTIATE_TEST_SUITE_P(upstream, refused_outage, testing::Values(
    refusal{"upstream: {timeouts: {gett: 1s}}", "2:29", "upstream.timeouts.gett: the word before the ':' is no command that weir knows (did you mean 'get'?)"},
    refusal{"upstream: {timeouts: {\"@slw\": 1s}}", "2:31", "is no category of commands (did you mean '@slow'?)"},
    refusal{"upstream: {timeouts: {\"-get\": 1s}}", "2:31", "has a sign; valid: get"},
    refusal{"upstream: {timeouts: {get: 1s, GET: 2s}}", "2:28", "another word here differs in upper and lower case alone"},
    refusal{"upstream: {timeouts: {get: 50}}", "2:28", "upstream.timeouts.get: '50' has no unit (known are ms, s, m, h, d); valid: a duration such as 250ms or 5s from 1ms to 1d"},
    refusal{"upstream: {timeouts: {get: 0s}}", "2:28", "'0s' is too small"},
    refusal{"upstream: {timeouts: {get: 25h}}", "2:28", "'25h' is too large"},
    refusal{"upstream: {timeouts: {ping: 1s}}", "2:29", "upstream.timeouts.ping: would have no effect, as these commands never go to the upstream"},
    refusal{"upstream: {timeouts: {nocommands: 1s}}", "2:35", "would have no effect"},
    refusal{"upstream: {timeouts: 5s}", "2:22", "upstream.timeouts: here stands a single value; valid: a section with a word"},
    refusal{"upstream: {retry: writes}", "2:19", "upstream.retry: 'writes' is not known; valid: never, reads, idempotent_writes"}));

INSTANTIATE_TEST_SUITE_P(breaker, refused_outage, testing::Values(
    refusal{"breaker: yes", "2:10", "breaker: here stands a single value; valid: a section with mode, window"},
    refusal{"breaker: {fail_rate: 50%}", "2:11", "breaker: unknown option 'fail_rate' (did you mean 'failure_rate'?)"},
    of_breaker("mode: off", "breaker.mode: 'off' is not known; valid: enforce, dry_run, disabled"),
    of_breaker("window: 99ms", "'99ms' is too small; valid: a duration such as 250ms or 5s from 100ms to 1h"),
    of_breaker("window: 61m", "'61m' is too large"),
    of_breaker("buckets: 0", "'0' is too small; valid: a whole number from 1 to 100"),
    of_breaker("buckets: 101", "'101' is too large"),
    of_breaker("failure_rate: 50", "breaker.failure_rate: '50' has no unit (known is %); valid: a share such as 50% from 0% to 100%"),
    of_breaker("failure_rate: 0.5", "'0.5' is not a whole number"),
    of_breaker("failure_rate: 101%", "'101%' is too large"),
    of_breaker("failure_rate: -1%", "'-1%' is negative"),
    of_breaker("minimum_calls: 0", "'0' is too small; valid: a whole number from 1 to 1000000"),
    of_breaker("minimum_calls: 1000001", "'1000001' is too large"),
    of_breaker("consecutive_failures: 1000001", "'1000001' is too large"),
    of_breaker("slow_over: 0", "'0' has no unit"),
    of_breaker("slow_over: 25h", "'25h' is too large; valid: a duration such as 250ms or 5s from 1ms to 1d, or 0s for never"),
    of_breaker("slow_rate: 0%", "'0%' is too small; valid: a share such as 50% from 1% to 100%"),
    of_breaker("open_for: 0s", "'0s' is too small"),
    of_breaker("half_open_commands: -1", "'-1' is negative"),
    of_breaker("successes_to_close: 0", "'0' is too small"),
    of_breaker("probe_interval: 9ms", "'9ms' is too small"),
    of_breaker("failure_replies: LOADING", "here stands a single value; valid: a list, each of it an error code such as LOADING or OOM"),
    refusal{"breaker: {failure_replies: [loading]}", "2:29", "breaker.failure_replies[0]: 'loading' is no error code; valid: the first word of an error, in capitals"},
    refusal{"breaker: {failure_replies: [\"OOM x\"]}", "2:29", "is no error code"},
    refusal{"breaker: {failure_replies: [OOM, WRONGTYPE]}", "2:34", "'WRONGTYPE' is an answer that any client can bring about"}));

INSTANTIATE_TEST_SUITE_P(contradiction, refused_outage, testing::Values(
    of_breaker("failure_rate: 0%", "breaker.failure_rate: is 0%, consecutive_failures 0 and slow_over 0s, so it would never open; valid: one of them above that, or mode: disabled"),
    refusal{"breaker: {mode: dry_run, failure_rate: 0%}", "2:40", "would never open"},
    of_breaker("open_for: 10m", "breaker.open_for (10m) is above breaker.max_open_for (5m): it would stay open for longer than it may"),
    of_breaker("max_open_for: 10s", "breaker.open_for (30s) is above breaker.max_open_for (10s)")));

INSTANTIATE_TEST_SUITE_P(fallback, refused_outage, testing::Values(
    refusal{"fallback: {order: memory}", "2:19", "fallback.order: here stands a single value; valid: a list of stores, each of it postgres or memory; [] for none"},
    refusal{"fallback: {order: [disk], remember: {what: both}}", "2:20", "fallback.order[0]: 'disk' is not known; valid: postgres, memory"},
    refusal{"fallback: {order: [memory, memory]}", "2:28", "fallback.order[1]: 'memory' stands before this too; valid: each store once"},
    refusal{"fallback: {order: [memory], last_resort: nil}", "2:42", "'nil' is not known; valid: error, empty"},
    of_memory("max_bytes: 1023", "'1023' is too small; valid: a size such as 64KiB from 1KiB to 1TiB"),
    of_memory("max_bytes: 1MB", "'1MB' has an unknown unit"),
    of_memory("replay: maybe", "fallback.memory.replay: 'maybe' is not known; valid: no, yes"),
    of_memory("max_journal: 0", "'0' is too small"),
    refusal{"fallback: {order: [memory], remember: {what: all}}", "2:46", "'all' is not known; valid: nothing, reads, writes, both"},
    refusal{"fallback: {order: [memory], remember: {keys: []}}", "2:46", "fallback.remember.keys: the list is empty; valid: a list, each of it a pattern"},
    refusal{"fallback: {order: [memory], remember: {keys: ['']}}", "2:47", "'' is empty; valid: a pattern"},
    refusal{"fallback: {order: [memory], remember: {max_age: 0s}}", "2:49", "'0s' is too small"},
    refusal{"fallback: {order: [memory], remember: {max_value: 0}}", "2:51", "'0' is too small"},
    refusal{"fallback: {order: [memory], remember: {rate: 5}}", "2:46", "has no '/'"},
    refusal{"fallback: {order: [memory], memory: {max_bytes: 4KiB}, remember: {what: both}}", "2:49", "fallback.remember.max_value (64KiB) is above fallback.memory.max_bytes (4KiB): such a copy would not fit"}));

INSTANTIATE_TEST_SUITE_P(postgres, refused_outage, testing::Values(
    refusal{"fallback: {order: [postgres]}", "2:19", "fallback.order: has postgres, but nothing says where that is; valid: with fallback.postgres.dsn, dsn_file or dsn_env"},
    refusal{"fallback: {order: [memory, postgres], postgres: {dsn: dbname=d}}", "2:19", "fallback.order: has postgres behind memory, which answers everything; valid: [postgres, memory]"},
    refusal{"fallback: {order: [memory], postgres: {dsn: dbname=d}}", "2:45", "fallback.postgres.dsn: would have no effect; valid: with postgres in fallback.order"},
    of_postgres("dsn: nonsense", "fallback.postgres.dsn: the DSN is neither postgres://user@host/database nor host=... dbname=..."),
    of_postgres("dsn: postgres://me:secret@h/d", "holds a password; put it into dsn_file or dsn_env"),
    of_postgres("dsn_env: WEIR_TEST_NONE", "fallback.postgres.dsn_env: 'WEIR_TEST_NONE' is not set in the environment"),
    of_postgres("dsn: dbname=d, dsn_file: /none", "fallback.postgres.dsn_file: '/none' "),
    of_postgres("dsn: dbname=d, schema: Weir", "fallback.postgres.schema: 'Weir' is no name of a schema here; valid: 1 to 63 of a-z"),
    of_postgres("dsn: dbname=d, schema: pg_x", "is no name of a schema here"),
    of_postgres("dsn: dbname=d, statement_timeout: 0s", "'0s' is too small"),
    of_postgres("dsn: dbname=d, max_journal: 1", "'1' is too small"),
    refusal{"fallback: {order: [postgres], postgres: {dsn: dbname=d, pool: {min: 9, max: 8}}}", "2:69", "fallback.postgres.pool.min (9) is above fallback.postgres.pool.max (8)"},
    refusal{"fallback: {order: [postgres], postgres: {dsn: dbname=d}, remember: {what: both}}", "2:75", "fallback.remember.what: would have no effect; valid: with memory in fallback.order"},
    refusal{"fallback: {order: [postgres], postgres: {dsn: dbname=d}, memory: {replay: yes}}", "2:75", "fallback.memory.replay: would have no effect"},
    refusal{"fallback: {order: [postgres], postgres: {dsn: dbname=d}},\ntenant_defaults: {fallback: [{keys: [x], writes: memory}]}", "3:50", "'memory' is no store that is asked; valid: with memory in fallback.order"}));

TEST(outage, a_dsn_comes_from_one_place) {
    const environment_variable variable("WEIR_TEST_DSN", "postgres://me:secret@h/d");
    EXPECT_EQ(loaded("fallback: {order: [postgres], postgres: {dsn_env: WEIR_TEST_DSN}}").fallback.postgres.dsn,
              "postgres://me:secret@h/d");
    EXPECT_EQ(loaded("fallback: {order: [postgres], postgres: {dsn: 'host=h dbname=d'}}").fallback.postgres.dsn,
              "host=h dbname=d");
    const auto both = load_config_text("listeners: [{bind: h:0, tenant: a}]\ntenants: {a: }\nfallback: {order: [postgres], "
                                       "postgres: {dsn: dbname=d, dsn_env: WEIR_TEST_DSN}}\n",
                                       "f.yaml").errors;
    ASSERT_EQ(both.size(), 1u);
    EXPECT_EQ(both[0].message, "fallback.postgres.dsn: there is a DSN already; keep one of dsn, dsn_file and dsn_env");
}

INSTANTIATE_TEST_SUITE_P(without_a_store, refused_outage, testing::Values(
    refusal{"fallback: {remember: {what: both}}", "2:29", "fallback.remember.what: would have no effect, as no store answers; valid: with fallback.order, such as [memory]"},
    refusal{"fallback: {order: [], remember: {what: reads}}", "2:40", "would have no effect"},
    refusal{"fallback: {last_resort: empty, remember: {what: both}}", "2:49", "fallback.remember.what: would have no effect"},
    refusal{"fallback: {memory: {replay: yes}}", "2:29", "fallback.memory.replay: would have no effect"},
    refusal{"tenant_defaults: {fallback: [{keys: [x]}]}", "2:29", "tenant_defaults.fallback: would have no effect, as no store answers"},
    refusal{"plans: {p: {fallback: [{keys: [x]}]}}", "2:23", "plans.p.fallback: would have no effect"}));

INSTANTIATE_TEST_SUITE_P(rules, refused_outage, testing::Values(
    refusal{memory + "tenant_defaults: {fallback: [{}]}", "3:30", "tenant_defaults.fallback[0]: 'keys' is missing"},
    refusal{memory + "tenant_defaults: {fallback: [{keys: [x], write: no}]}", "3:42", "unknown option 'write' (did you mean 'writes'?); valid here: keys, reads, writes"},
    refusal{memory + "tenant_defaults: {fallback: [{keys: []}]}", "3:37", "the list is empty"},
    refusal{memory + "tenant_defaults: {fallback: [{keys: x}]}", "3:37", "here stands a single value"},
    refusal{memory + "tenant_defaults: {fallback: [{keys: ['']}]}", "3:38", "'' is empty"},
    refusal{memory + "tenant_defaults: {fallback: [{keys: [x], reads: 1}]}", "3:49", "'1' is not known; valid: no, yes"},
    refusal{memory + "tenant_defaults: {fallback: {keys: [x]}}", "3:29", "here stands a section"},
    refusal{memory + "tenant_defaults: {fallback: [{keys: [\"*\"]}, {keys: [x]}]}", "3:45", "tenant_defaults.fallback[1]: never counts, as a rule before it is for \"*\"; valid: that one last"},
    refusal{memory + "tenant_defaults: {fallback: [{keys: [x, y]}, {keys: [z, y]}]}", "3:57", "tenant_defaults.fallback[1].keys[1]: 'y' stands in a rule before this one, which counts"}));
// clang-format on

TEST(outage, a_tenants_own_rules_need_a_store) {
    const auto errors =
        load_config_text("listeners: [{bind: h:0, tenant: a}]\ntenants: {a: {fallback: [{keys: [x]}]}}\n",
                         "f.yaml")
            .errors;
    ASSERT_EQ(errors.size(), 1u);
    EXPECT_THAT(errors[0].to_string(),
                error_at("2:25", "tenants.a.fallback: would have no effect, as no store answers"));
}

TEST(outage, what_a_plan_says_wrongly_is_not_said_again_of_its_tenants) {
    const auto errors = load_config_text(
                            "listeners: [{bind: h:0, tenant: a}]\nplans: {p: {fallback: [{keys: [x]}]}}\n"
                            "tenants: {a: {plan: p}, b: {plan: p, read_only: true}}\n",
                            "f.yaml")
                            .errors;
    ASSERT_EQ(errors.size(), 1u);
    EXPECT_THAT(errors[0].to_string(), error_at("2:23", "plans.p.fallback"));
}

}  // namespace
}  // namespace weir
