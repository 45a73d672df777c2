#include "policy/limit_gate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace weir {
namespace {

using namespace std::chrono_literals;

const command_spec& command(std::string_view name) { return *command_table::built_in()->find_row(name); }

limit_options limit(std::string name, std::vector<std::string> commands, std::uint64_t count,
                    std::chrono::milliseconds period = 1h) {
    limit_options options;
    options.name = std::move(name);
    options.commands = std::move(commands);
    options.rate = {count, period};
    return options;
}

std::shared_ptr<const tenant_rules> rules_of(std::vector<limit_options> limits) {
    tenant_terms terms;
    terms.limits = std::move(limits);
    return std::make_shared<const tenant_rules>(shared_terms(terms));
}

limit_counters counters_for(const tenant_rules& rules) {
    limit_counters counters;
    for (const tenant_limit& one : rules.limits()) counters.push_back(make_local_counter(one.rule()));
    return counters;
}

/// A worker's view of a tenant whose clock stands still until it is moved.
struct gated {
    explicit gated(std::vector<limit_options> limits) : rules(rules_of(std::move(limits))), counters(counters_for(*rules)) {}

    [[nodiscard]] bool pass(std::string_view name) { return gate.pass(command(name), [this] { return now; }); }
    /// How often it passes until it does not.
    std::uint64_t drain(std::string_view name) {
        std::uint64_t passed = 0;
        while (passed < 1'000'000 && pass(name)) ++passed;
        return passed;
    }
    [[nodiscard]] std::uint64_t remaining(std::size_t i) const {
        return counters[i]->standing(rules->limits()[i].rule(), now).remaining;
    }

    limit_time now = 1'000h;
    std::shared_ptr<const tenant_rules> rules;
    limit_counters counters;
    limit_gate gate{rules, counters};
};

TEST(limit_gate, without_limits_lets_everything_pass) {
    limit_gate nothing;
    EXPECT_TRUE(nothing.pass(command("get"), [] { return limit_time{}; }));
    gated none({});
    EXPECT_EQ(none.drain("set"), 1'000'000u);
}

TEST(limit_gate, counts_the_commands_of_a_limit_and_no_others) {
    gated one({limit("writes", {"@write"}, 3)});
    EXPECT_EQ(one.drain("set"), 3u);
    EXPECT_TRUE(one.pass("get"));
    EXPECT_EQ(one.gate.refuser(), 0u);
    EXPECT_EQ(one.gate.refusal(command("set"), one.now).retry_after, 20min);
}

TEST(limit_gate, needs_all_limits_and_spends_of_none_when_one_refuses) {
    gated both({limit("all", {"*"}, 10), limit("writes", {"@write"}, 3)});
    EXPECT_EQ(both.drain("set"), 3u);
    EXPECT_EQ(both.gate.refuser(), 1u);
    both.gate.finish_turn(both.now);
    EXPECT_EQ(both.remaining(0), 7u) << "the fourth SET took nothing of 'all'";
    EXPECT_EQ(both.drain("get"), 7u);
}

TEST(limit_gate, a_large_limit_is_counted_to_the_last_unit) {
    gated one({limit("all", {"*"}, 10'000)});
    EXPECT_EQ(one.drain("get"), 10'000u);
    EXPECT_EQ(one.gate.take_passed(0), 10'000u);
    EXPECT_EQ(one.gate.take_passed(0), 0u);
}

TEST(limit_gate, gives_back_at_the_turns_end_what_it_did_not_spend) {
    gated one({limit("all", {"*"}, 10'000)});
    EXPECT_TRUE(one.pass("get"));
    EXPECT_TRUE(one.gate.was_used());
    EXPECT_LT(one.remaining(0), 9'999u) << "taken in advance";
    one.gate.finish_turn(one.now);
    EXPECT_FALSE(one.gate.was_used());
    EXPECT_EQ(one.remaining(0), 9'999u);
}

TEST(limit_gate, takes_nothing_in_advance_of_what_is_nearly_used_up) {
    gated one({limit("all", {"*"}, 300)});
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(one.pass("get"));
    one.gate.finish_turn(one.now);
    EXPECT_TRUE(one.pass("get"));
    EXPECT_EQ(one.remaining(0), 249u);
}

TEST(limit_gate, a_commands_cost_is_that_of_the_most_exact_word) {
    auto priced = limit("all", {"*"}, 100);
    priced.cost = {{"*", 2}, {"@write", 5}, {"mset", 20}, {"config|get", 50}};
    gated one({priced});
    const tenant_limit& all = one.rules->limits()[0];
    EXPECT_EQ(all.cost(command("get")), 2u);
    EXPECT_EQ(all.cost(command("set")), 5u);
    EXPECT_EQ(all.cost(command("mset")), 20u);
    EXPECT_EQ(all.cost(command("config|get")), 50u);
    auto twice = limit("all", {"*"}, 100);
    twice.cost = {{"@fast", 7}, {"@write", 5}};
    EXPECT_EQ(tenant_limit(twice).cost(command("set")), 5u);
    EXPECT_EQ(tenant_limit(twice).cost(command("incr")), 7u) << "both fit, the higher counts";
    EXPECT_EQ(one.drain("mset"), 5u);
    EXPECT_FALSE(one.pass("get"));
}

TEST(limit_gate, a_client_gets_out_of_what_it_began_also_over_its_limit) {
    gated one({limit("all", {"*"}, 1)});
    EXPECT_TRUE(one.pass("multi"));
    EXPECT_FALSE(one.pass("set"));
    for (const auto* free : {"exec", "discard", "unwatch", "auth", "hello", "quit", "reset", "weir|limits"}) {
        EXPECT_TRUE(one.pass(free)) << free;
    }
}

TEST(limit_gate, a_command_learned_from_a_server_is_counted_by_the_words) {
    gated one({limit("all", {"*"}, 2), limit("reads", {"@read"}, 1)});
    command_spec learned;
    learned.name = "json.get";
    learned.categories = static_cast<std::uint32_t>(command_category::read);
    EXPECT_EQ(one.rules->limits_of(learned), 0b11u);
    learned.categories = 0;
    EXPECT_EQ(one.rules->limits_of(learned), 0b01u);
}

TEST(limit_gate, workers_together_pass_no_more_than_the_limit) {
    const auto rules = rules_of({limit("all", {"*"}, 20'000), limit("writes", {"@write"}, 15'000)});
    const limit_counters counters = counters_for(*rules);
    std::array<std::uint64_t, 4> passed{};
    std::vector<std::thread> workers;
    for (auto& count : passed) {
        workers.emplace_back([&] {
            limit_gate gate(rules, counters);
            std::uint64_t own = 0;
            for (int turn = 0; turn < 1'000; ++turn) {
                for (int i = 0; i < 17; ++i) own += gate.pass(command("set"), [] { return limit_time(1h); });
                gate.finish_turn(1h);
            }
            count = own;
        });
    }
    for (auto& worker : workers) worker.join();
    const std::uint64_t sum = passed[0] + passed[1] + passed[2] + passed[3];
    EXPECT_EQ(sum, 15'000u) << "68,000 tries";
    EXPECT_EQ(counters[0]->standing(rules->limits()[0].rule(), 1h).remaining, 5'000u);
}

TEST(tenant_limit, says_its_rate_as_it_is_configured) {
    const auto text = [](std::uint64_t count, std::chrono::milliseconds period) {
        return tenant_limit(limit("l", {"*"}, count, period)).rate_text();
    };
    EXPECT_EQ(text(100, 1h), "100 per 1h");
    EXPECT_EQ(text(5, 60s), "5 per 1m");
    EXPECT_EQ(text(7, 90s), "7 per 90s");
    EXPECT_EQ(text(1, 48h), "1 per 2d");
    EXPECT_EQ(text(3, 1'500ms), "3 per 1500ms");
}

}  // namespace
}  // namespace weir
