#include "policy/tenant.hpp"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(expand_prefix, the_name_replaces_every_placeholder) {
    EXPECT_EQ(expand_prefix("tenant:{tenant}:", "acme"), "tenant:acme:");
    EXPECT_EQ(expand_prefix("{tenant}/{tenant}", "a"), "a/a");
}

TEST(expand_prefix, a_text_without_placeholder_stays) {
    EXPECT_EQ(expand_prefix("shop:", "acme"), "shop:");
    EXPECT_EQ(expand_prefix("", "acme"), "");
    EXPECT_EQ(expand_prefix("{tenan}{", "acme"), "{tenan}{");
}

TEST(expand_prefix, a_name_that_looks_like_the_placeholder_is_not_expanded_again) {
    EXPECT_EQ(expand_prefix("{tenant}:", "{tenant}"), "{tenant}:");
}

TEST(prefix_fault, what_keeps_keys_apart_has_none) {
    EXPECT_EQ(prefix_fault("tenant:acme:"), "");
    EXPECT_EQ(prefix_fault("[x]?\\"), "");
    EXPECT_EQ(prefix_fault("m\xc3\xbcller:"), "") << "bytes above 127 are no control characters";
}

TEST(prefix_fault, empty_star_space_and_control_characters_are_refused) {
    for (const std::string prefix : {"", "a*", "a b", "a\r\n", "\x7f", "\t"})
        EXPECT_NE(prefix_fault(prefix), "") << '"' << prefix << '"';
    EXPECT_NE(prefix_fault(std::string("a\0b", 3)), "");
}

TEST(prefix_fault, what_could_make_a_channel_one_of_key_space_events_is_refused) {
    for (const std::string prefix : {"_", "__key", "__keyspace@", "__keyspace@0__:tenant:", "__keyevent@0__:"})
        EXPECT_NE(prefix_fault(prefix), "") << prefix;
    for (const std::string prefix : {"__kex", "_a", "a__keyspace@"}) EXPECT_EQ(prefix_fault(prefix), "") << prefix;
}

TEST(tenant, holds_its_expanded_prefix_and_the_same_as_a_pattern) {
    tenant_options options;
    options.prefix = "[{tenant}]?:";
    const tenant acme("acme", options);
    EXPECT_EQ(acme.name(), "acme");
    EXPECT_EQ(acme.prefix(), "[acme]?:");
    EXPECT_EQ(acme.prefix_pattern(), "\\[acme\\]\\?:");
}

TEST(tenant, default_options_give_the_documented_prefix_and_keep_long_keys) {
    const tenant acme("acme", {});
    EXPECT_EQ(acme.prefix(), "tenant:acme:");
    EXPECT_EQ(acme.long_keys(), (long_key_options{1'024, long_key_action::keep}));
}

TEST(tenant, without_a_list_every_database_may_be_selected) {
    const tenant acme("acme", {});
    EXPECT_TRUE(acme.may_select(0));
    EXPECT_TRUE(acme.may_select(15));
}

TEST(tenant, with_a_list_no_other_database_may_be_selected) {
    tenant_options options;
    options.databases = {0, 2};
    const tenant acme("acme", options);
    EXPECT_TRUE(acme.may_select(0));
    EXPECT_TRUE(acme.may_select(2));
    EXPECT_FALSE(acme.may_select(1));
    EXPECT_FALSE(acme.may_select(-1));
    // 2^32 + 2 as a narrower number would be 2.
    EXPECT_FALSE(acme.may_select((1LL << 32) + 2));
}

}  // namespace
}  // namespace weir
