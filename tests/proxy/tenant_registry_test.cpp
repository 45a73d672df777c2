#include "proxy/tenants/tenant_registry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace weir {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr limit_time start = 1'000h;

std::shared_ptr<limit_counter> make_counter(const std::string&, const tenant_limit& limit) {
    return make_local_counter(limit.rule());
}

/// A tenant with a limit called `calls`.
tenant_options with_limit(std::uint64_t count, std::chrono::milliseconds period = 1h,
                          limit_algorithm algorithm = limit_algorithm::gcra) {
    limit_options limit;
    limit.name = "calls";
    limit.rate = {count, period};
    limit.algorithm = algorithm;
    tenant_terms terms;
    terms.limits.push_back(limit);
    tenant_options options;
    options.terms = shared_terms(terms);
    return options;
}

std::shared_ptr<const options> configured(std::map<std::string, tenant_options> tenants) {
    auto all = std::make_shared<options>();
    all->tenants = std::move(tenants);
    return all;
}

tenant_registry registry_of(std::map<std::string, tenant_options> tenants, std::size_t kept = 10) {
    return {configured(std::move(tenants)), 2, std::string(32, 's'), make_counter, kept};
}

std::uint64_t take(tenant_account& account, std::uint64_t units, limit_time now = start) {
    const auto terms = account.present();
    return terms.limits[0]->counter->take(terms.whose->rules().limits()[0].rule(), now, units, units);
}

std::uint64_t remaining(const tenant_account& account, limit_time now = start) {
    const auto terms = account.present();
    return terms.limits[0]->counter->standing(terms.whose->rules().limits()[0].rule(), now).remaining;
}

TEST(tenant_registry, makes_an_account_when_the_first_client_comes) {
    auto registry = registry_of({{"acme", {}}, {"globex", {}}});
    EXPECT_THAT(registry.accounts(), IsEmpty());
    const auto acme = registry.find("acme");
    ASSERT_NE(acme, nullptr);
    EXPECT_EQ(acme->prefix(), "tenant:acme:");
    EXPECT_EQ(registry.find("acme"), acme);
    EXPECT_THAT(registry.accounts(), ElementsAre(acme));
}

TEST(tenant_registry, knows_no_tenant_that_is_not_configured) {
    auto registry = registry_of({{"acme", {}}});
    EXPECT_EQ(registry.find("globex"), nullptr);
    EXPECT_EQ(registry.find(""), nullptr) << "nobody is no tenant";
    EXPECT_TRUE(registry.nobody()->present().whose->is_nobody());
}

TEST(tenant_registry, what_was_counted_survives_another_rate) {
    auto registry = registry_of({{"acme", with_limit(100)}});
    const auto acme = registry.find("acme");
    EXPECT_EQ(take(*acme, 60), 60u);
    registry.load(configured({{"acme", with_limit(80)}}), start);
    EXPECT_EQ(registry.find("acme"), acme);
    EXPECT_EQ(remaining(*acme), 20u);
    registry.load(configured({{"acme", with_limit(200, 2h)}}), start);
    EXPECT_EQ(remaining(*acme), 140u);
}

TEST(tenant_registry, a_limit_that_counts_in_another_way_starts_anew) {
    auto registry = registry_of({{"acme", with_limit(100)}});
    const auto acme = registry.find("acme");
    EXPECT_EQ(take(*acme, 60), 60u);
    registry.load(configured({{"acme", with_limit(100, 1h, limit_algorithm::fixed_window)}}), start);
    EXPECT_EQ(remaining(*acme), 100u);
}

TEST(tenant_registry, a_tenant_that_did_not_change_stays_the_very_same) {
    auto registry = registry_of({{"acme", with_limit(100)}});
    const auto acme = registry.find("acme");
    const auto before = acme->present().whose;
    registry.load(configured({{"acme", with_limit(100)}, {"globex", {}}}), start);
    EXPECT_EQ(acme->present().whose, before);
    EXPECT_NE(registry.find("globex"), nullptr);
}

TEST(tenant_registry, a_tenant_that_is_gone_ends) {
    auto registry = registry_of({{"acme", {}}, {"globex", {}}});
    const auto acme = registry.find("acme");
    registry.load(configured({{"globex", {}}}), start);
    EXPECT_TRUE(acme->has_ended());
    EXPECT_EQ(registry.find("acme"), nullptr);
    registry.load(configured({{"acme", {}}}), start);
    EXPECT_NE(registry.find("acme"), acme) << "another one, that has nothing of the first";
}

TEST(tenant_registry, tenants_with_the_same_terms_share_what_these_become) {
    const tenant_options options = with_limit(5);
    auto registry = registry_of({{"a", options}, {"b", options}});
    EXPECT_EQ(registry.find("a")->present().whose->shared_rules(), registry.find("b")->present().whose->shared_rules());
}

TEST(tenant_registry, forgets_accounts_that_nobody_needs_beyond_those_it_keeps) {
    std::map<std::string, tenant_options> tenants;
    for (int i = 0; i < 100; ++i) tenants["t" + std::to_string(i)] = with_limit(5, 1s);
    auto registry = registry_of(tenants, 1);
    const auto held = registry.find("t7");
    EXPECT_EQ(take(*registry.find("t9"), 5), 5u);
    for (const auto& [name, ignored] : tenants) static_cast<void>(registry.find(name));
    registry.sweep(start);
    EXPECT_EQ(registry.accounts().size(), 2u) << "one that is used and one that has counted";
    EXPECT_EQ(remaining(*registry.find("t9")), 0u);
    registry.sweep(start + 10s);
    EXPECT_THAT(registry.accounts(), ElementsAre(held));
}

TEST(tenant_registry, tenants_that_come_and_go_leave_nothing_behind) {
    // A million of them with WEIR_TENANTS=1000000.
    const char* const wanted = std::getenv("WEIR_TENANTS");
    const int rounds = (wanted != nullptr ? std::atoi(wanted) : 20'000) / 2'000;
    const auto shared = with_limit(5, 1s);
    auto registry = registry_of({}, 10);
    for (int round = 0; round < rounds; ++round) {
        std::map<std::string, tenant_options> tenants;
        for (int i = 0; i < 2'000; ++i) tenants["r" + std::to_string(round) + "." + std::to_string(i)] = shared;
        registry.load(configured(tenants), start);
        for (const auto& [name, ignored] : tenants) ASSERT_EQ(take(*registry.find(name), 1), 1u);
        ASSERT_EQ(registry.accounts().size(), 2'000u) << "those of the round before are gone";
        for (int sweeps = 0; sweeps < 2; ++sweeps) registry.sweep(start + 1h);
        ASSERT_EQ(registry.accounts().size(), 10u);
    }
}

TEST(tenant_account, admits_no_more_clients_than_the_quota_has) {
    tenant_terms terms;
    terms.quotas.max_connections = 2;
    tenant_options options;
    options.terms = shared_terms(terms);
    auto registry = registry_of({{"acme", options}});
    const auto acme = registry.find("acme");
    EXPECT_TRUE(acme->admit_client());
    EXPECT_TRUE(acme->admit_client());
    EXPECT_FALSE(acme->admit_client());
    acme->leave_client();
    EXPECT_TRUE(acme->admit_client());
    EXPECT_FALSE(acme->is_idle(start));
    registry.load(configured({{"acme", {}}}), start);
    EXPECT_TRUE(acme->admit_client()) << "the quota is gone";
}

}  // namespace
}  // namespace weir
