// The files that people read and start from, held to the code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "config/loader.hpp"
#include "config/schema.hpp"
#include "tests/config/temporary_file.hpp"

namespace weir {
namespace {

using testing::ElementsAre;

std::filesystem::path shipped(const std::string& name) {
    return std::filesystem::path(WEIR_SOURCE_DIR) / "config" / name;
}

options loaded(const std::string& name) {
    const auto result = load_config(shipped(name));
    for (const auto& error : result.errors) ADD_FAILURE() << error.to_string();
    return result.loaded.value_or(options{});
}

/// "tenants.NAME.prefix" for each line of the file that sets an option or, in a comment, shows how: the names
/// above it are those of the lines before that are indented less.
std::set<std::string> options_in_text(const std::filesystem::path& file) {
    std::set<std::string> found;
    std::vector<std::pair<std::size_t, std::string>> above;
    std::ifstream text(file);
    for (std::string line; std::getline(text, line);) {
        const auto start = line.find_first_not_of(" #-");
        const auto colon = line.find(':');
        if (start == std::string::npos || colon == std::string::npos || colon < start) continue;
        const bool is_key = colon + 1 == line.size() || line[colon + 1] == ' ';
        const auto name = line.substr(start, colon - start);
        if (!is_key || name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") != std::string::npos) continue;
        // "  # name: x" stands for "  name: x", but nothing is below it: it may be prose.
        const auto hash = line.find('#');
        const bool is_comment = hash < start;
        const auto indent = is_comment ? hash : start;
        while (!above.empty() && above.back().first >= indent) above.pop_back();
        std::string path;
        for (const auto& [at, part] : above) path += part + ".";
        found.insert(path + name);
        if (!is_comment) above.emplace_back(indent, name);
    }
    return found;
}

TEST(reference_yaml, holds_the_defaults_of_the_code) {
    const auto read = loaded("reference.yaml");
    const options standard;
    EXPECT_EQ(read.workers, standard.workers);
    EXPECT_EQ(read.drain_timeout, standard.drain_timeout);
    EXPECT_EQ(read.upstream.address, standard.upstream.address);
    EXPECT_EQ(read.upstream.pool, standard.upstream.pool);
    EXPECT_EQ(read.upstream, standard.upstream);
    EXPECT_EQ(read.breaker, breaker_options{}) << "the section is there, with the defaults";
    EXPECT_EQ(standard.breaker, std::nullopt);
    EXPECT_EQ(read.fallback, standard.fallback);
    EXPECT_EQ(read.clients, standard.clients);
    EXPECT_EQ(read.admin, standard.admin);
    EXPECT_EQ(read.log, standard.log);
    EXPECT_EQ(read.tenant_defaults, standard.tenant_defaults);
    EXPECT_EQ(read.plans, standard.plans);
    EXPECT_EQ(read.tenants, (std::map<std::string, tenant_options>{{"acme", {}}}));
    EXPECT_THAT(read.listeners, ElementsAre(listener_options{{"127.0.0.1", 6380, ""}, "acme"}));
}

TEST(reference_yaml, sets_or_shows_every_option_of_the_schema) {
    const auto in_text = options_in_text(shipped("reference.yaml"));
    for (const auto& option : describe_options()) {
        auto path = option.path;
        const std::string name = path.starts_with("plans.") ? "free" : "acme";
        if (const auto at = path.find("NAME"); at != std::string::npos) path.replace(at, 4, name);
        if (const auto at = path.find("[]"); at != std::string::npos) path.erase(at, 2);
        EXPECT_TRUE(in_text.contains(path)) << path << " is not in reference.yaml";
    }
}

TEST(schema, every_option_says_what_is_valid_and_what_it_does) {
    std::set<std::string> paths;
    for (const auto& option : describe_options()) {
        EXPECT_NE(option.valid, "") << option.path;
        EXPECT_NE(option.help, "") << option.path;
        EXPECT_TRUE(paths.insert(option.path).second) << option.path << " has two rows";
    }
    EXPECT_TRUE(paths.contains("upstream.pool.acquire_timeout"));
    EXPECT_TRUE(paths.contains("listeners[].bind"));
    EXPECT_TRUE(paths.contains("tenants.NAME.long_keys.over"));
}

TEST(schema, defaults_are_those_of_the_code) {
    std::map<std::string, std::string> standard;
    for (const auto& option : describe_options()) standard[option.path] = option.standard;
    EXPECT_EQ(standard["workers"], "auto");
    EXPECT_EQ(standard["upstream.url"], "redis://127.0.0.1:6379");
    EXPECT_EQ(standard["upstream.pool.max"], "1000");
    EXPECT_EQ(standard["clients.stream_over"], "64KiB");
    EXPECT_EQ(standard["tenants.NAME.prefix"], "tenant:{tenant}:");
    EXPECT_EQ(standard["breaker.failure_rate"], "50%");
    EXPECT_EQ(standard["breaker.failure_replies"], "[LOADING, MASTERDOWN, CLUSTERDOWN, READONLY]");
    EXPECT_EQ(standard["breaker.slow_over"], "0s");
    EXPECT_EQ(standard["fallback.order"], "[]");
    EXPECT_EQ(standard["fallback.postgres.dsn_env"], "");
    EXPECT_EQ(standard["fallback.postgres.pool.max"], "10");
    EXPECT_EQ(standard["fallback.memory.replay"], "no");
    EXPECT_EQ(standard["fallback.remember.what"], "nothing");
    EXPECT_EQ(standard["fallback.remember.rate"], "1000/1s");
    EXPECT_EQ(standard["tenant_defaults.fallback[].reads"], "yes");
    EXPECT_EQ(standard["tenant_defaults.fallback[].writes"], "journal");
    EXPECT_EQ(standard["tenant_defaults.fallback[].keys"], "");
    EXPECT_EQ(standard["log.level"], "info");
    EXPECT_EQ(standard["admin.bind"], "");
    EXPECT_EQ(standard["listeners[].bind"], "");
}

TEST(quickstart_yaml, has_two_tenants_on_loopback) {
    options expected;
    expected.listeners = {{{"127.0.0.1", 6380, ""}, "acme"}, {{"127.0.0.1", 6381, ""}, "globex"}};
    expected.tenants = {{"acme", {}}, {"globex", {}}};
    expected.admin.bind = endpoint{"127.0.0.1", 9121, ""};
    EXPECT_EQ(loaded("quickstart.yaml"), expected);
}

TEST(quickstart_yaml, takes_its_addresses_from_the_environment) {
    const environment_variable url("WEIR_REDIS_URL", "unix:///tmp/redis.sock");
    const environment_variable acme("WEIR_ACME_BIND", "[::1]:1");
    const environment_variable globex("WEIR_GLOBEX_BIND", "127.0.0.1:2");
    const environment_variable admin("WEIR_ADMIN_BIND", "127.0.0.1:3");
    const auto read = loaded("quickstart.yaml");
    EXPECT_EQ(read.upstream.address, (endpoint{"", 0, "/tmp/redis.sock"}));
    EXPECT_THAT(read.listeners, ElementsAre(listener_options{{"::1", 1, ""}, "acme"},
                                            listener_options{{"127.0.0.1", 2, ""}, "globex"}));
    EXPECT_EQ(read.admin.bind, (endpoint{"127.0.0.1", 3, ""}));
}

TEST(outage_yaml, bridges_an_outage_from_memory_but_for_stock) {
    const auto read = loaded("outage.yaml");
    ASSERT_TRUE(read.breaker);
    EXPECT_EQ(read.breaker->consecutive_failures, 3u);
    EXPECT_THAT(read.fallback.order, ElementsAre(fallback_store::memory));
    EXPECT_TRUE(read.fallback.memory.replay);
    EXPECT_TRUE(read.fallback.remember.reads && read.fallback.remember.writes);
    EXPECT_THAT(read.tenants.at("acme").terms->fallback,
                ElementsAre(fallback_rule_options{{"stock:*"}, true, fallback_writes::refuse}));
}

TEST(plans_yaml, has_plans_that_differ_and_tenants_that_have_them) {
    auto read = loaded("plans.yaml");
    EXPECT_EQ(read.plans.size(), 3u);
    const auto& acme = *read.tenants["acme"].terms;
    ASSERT_EQ(acme.limits.size(), 2u);
    EXPECT_EQ(acme.limits[0].burst, 10u);
    EXPECT_THAT(acme.permissions.protect, ElementsAre("flushdb", "keys"));
    EXPECT_EQ(acme.quotas.max_connections, 10u);
    EXPECT_EQ(acme.quotas.max_arguments, 10'000u);
    EXPECT_EQ(read.tenants["acme"].terms.pointer(), read.plans["free"].pointer());
    const auto& globex = *read.tenants["globex"].terms;
    EXPECT_EQ(globex.limits, read.plans["gold"]->limits);
    EXPECT_EQ(globex.quotas.max_connections, 1'000u);
    EXPECT_THAT(globex.permissions.allow, ElementsAre("*", "keys"));
    EXPECT_TRUE(read.tenants["initech"].terms->permissions.read_only);
}

}  // namespace
}  // namespace weir
