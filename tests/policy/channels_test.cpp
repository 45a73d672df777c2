#include "policy/channels.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "policy/key_rewriter.hpp"
#include "protocol/glob.hpp"

namespace weir {
namespace {

using ::testing::ElementsAre;

const tenant acme("acme", {});

tenant with_prefix(const std::string& prefix) {
    tenant_options options;
    options.prefix = prefix;
    return {"odd", options};
}

TEST(upstream_channel, has_the_prefix_in_front_or_before_the_key) {
    EXPECT_EQ(upstream_channel("news", acme), "tenant:acme:news");
    EXPECT_EQ(upstream_channel("", acme), "tenant:acme:");
    EXPECT_EQ(upstream_channel("__keyspace@0__:k", acme), "__keyspace@0__:tenant:acme:k");
    EXPECT_EQ(upstream_channel("__keyspace@0__:a__:b", acme), "__keyspace@0__:tenant:acme:a__:b");
    EXPECT_EQ(upstream_channel("__keyevent@0__:set", acme), "__keyevent@0__:set");
}

TEST(upstream_channel, a_name_that_only_begins_like_an_event_is_an_ordinary_one) {
    for (const std::string name : {"__keyspace@0", "__keyspace@0__", "__keyevent@0_:x", "_keyspace@0__:k",
                                   "__keyspace", "__redis__:invalidate", "__KEYSPACE@0__:k"}) {
        EXPECT_EQ(upstream_channel(name, acme), "tenant:acme:" + name);
    }
}

TEST(upstream_channel, names_a_key_as_the_server_knows_it) {
    tenant_options options;
    options.long_keys = {8, long_key_action::sha256};
    const tenant hashing("acme", options);
    EXPECT_EQ(upstream_channel("__keyspace@0__:short", hashing), "__keyspace@0__:tenant:acme:short");
    EXPECT_EQ(upstream_channel("__keyspace@0__:a longer key", hashing),
              "__keyspace@0__:tenant:acme:" + hashed_key("a longer key"));
    EXPECT_EQ(upstream_channel("a longer channel", hashing), "tenant:acme:a longer channel");
}

TEST(visible_channel, is_what_the_tenant_called_it) {
    for (const std::string name : {"news", "", "__keyspace@0__:k", "__keyspace@__:k", "__keyspace@0__:a__:b",
                                   "__keyspace@0___:k", "__keyspace@0", "__keyevent@15__:expired"}) {
        EXPECT_EQ(visible_channel(upstream_channel(name, acme), acme), name);
    }
}

TEST(visible_channel, of_another_tenant_there_is_none) {
    const tenant other("other", {});
    for (const std::string name : {"news", "tenant:acme:news", "__keyspace@0__:k",
                                   "__keyspace@0__:x__:tenant:acme:k", "__keyspace@x__:tenant:acme:k"}) {
        EXPECT_EQ(visible_channel(upstream_channel(name, other), acme), std::nullopt) << name;
    }
}

TEST(key_events, say_by_their_payload_whose_they_are) {
    EXPECT_EQ(upstream_payload("__keyevent@0__:set", "k", acme), "tenant:acme:k");
    EXPECT_EQ(upstream_payload("news", "k", acme), "k");
    EXPECT_EQ(visible_payload("__keyevent@0__:set", "tenant:acme:k", acme), "k");
    EXPECT_EQ(visible_payload("__keyevent@0__:set", "tenant:acm", acme), std::nullopt);
    EXPECT_EQ(visible_payload("__keyevent@0__:set", "tenant:other:k", acme), std::nullopt);
    EXPECT_EQ(visible_payload("tenant:acme:news", "tenant:other:k", acme), "tenant:other:k");
}

TEST(upstream_patterns, that_match_no_events_are_confined_by_the_server) {
    EXPECT_THAT(upstream_patterns("news.*", acme), ElementsAre("tenant:acme:news.*"));
    EXPECT_THAT(upstream_patterns("a[b", acme), ElementsAre("tenant:acme:a[b"));
    EXPECT_THAT(upstream_patterns("_\\_", with_prefix("[a]?:")).back(), "\\[a\\]\\?:_\\_");
    EXPECT_TRUE(is_exact_upstream("news.*"));
    EXPECT_FALSE(is_exact_upstream("*"));
}

TEST(upstream_patterns, of_events_go_in_front_of_the_key) {
    EXPECT_THAT(upstream_patterns("__keyspace@0__:user:*", acme), ElementsAre("__keyspace@0__:tenant:acme:user:*"));
    EXPECT_THAT(upstream_patterns("__keyspace@*__:*", acme), ElementsAre("__keyspace@*__:tenant:acme:*"));
    EXPECT_THAT(upstream_patterns("__keyspace@*__:user:*", acme),
                ElementsAre("__keyspace@*__:tenant:acme:*__:user:*", "__keyspace@*__:tenant:acme:user:*"));
    EXPECT_THAT(upstream_patterns("__keyevent@*__:expired", acme), ElementsAre("__keyevent@*__:expired"));
}

TEST(upstream_patterns, that_match_events_by_the_way_have_theirs_beside_their_own) {
    for (const std::string pattern : {"*", "?*", "__key*__:*", "_*", "\\__key*", "[_]*", "__key????e@0__:*"}) {
        EXPECT_THAT(upstream_patterns(pattern, acme),
                    ElementsAre("__keyspace@*__:tenant:acme:*", "__keyevent@*__:*", "tenant:acme:" + pattern))
            << pattern;
    }
    EXPECT_THAT(upstream_patterns("__keyspace@*", acme),
                ElementsAre("__keyspace@*__:tenant:acme:*", "tenant:acme:__keyspace@*"));
    EXPECT_THAT(upstream_patterns("__keyevent@[0-9]__:*", acme),
                ElementsAre("__keyevent@*__:*", "tenant:acme:__keyevent@[0-9]__:*"));
}

TEST(upstream_patterns, match_whatever_the_tenants_pattern_matches) {
    const std::string channels[] = {"news", "__keyspace@0__:k", "__keyspace@0__:a__:k", "__keyspace@12__:", "_", "__key",
                                    "__keyevent@0__:set", "__keyspace@0", "__keyspace@x]__:k", "__keyevent@", "[_", "*"};
    const std::string patterns[] = {"*", "?*", "__*", "__key*__:*", "__keyspace@*__:k", "__keyspace@0__:k",
                                    "__keyspace@[0-9]__:k", "__keyspace@*", "__keyspace@?__:*", "*k", "\\_*", "[^a]*",
                                    "__keyevent@*__:set", "__keyevent@*", "__keyspace@0\\__:k", "[", "__keyspace@*__:*k",
                                    "__keyspace@0__[:]k", "__key[se]*", "n*", "__keyspace@", "__keyspace@x]__:*"};
    for (const tenant& whose : {acme, with_prefix("a[b]?"), with_prefix("x__:")}) {
        for (const auto& channel : channels) {
            const std::string name = upstream_channel(channel, whose);
            for (const auto& pattern : patterns) {
                bool by_server = false;
                for (const auto& upstream : upstream_patterns(pattern, whose)) {
                    by_server = by_server || glob_match(upstream, name);
                }
                const bool by_client = glob_match(pattern, channel);
                EXPECT_TRUE(by_server || !by_client) << pattern << ' ' << channel;
                EXPECT_TRUE(by_server == by_client || !is_exact_upstream(pattern)) << pattern << ' ' << channel;
            }
        }
    }
}

TEST(upstream_patterns, too_long_to_be_matched_here_are_for_ordinary_channels_alone) {
    const std::string pattern = "*" + std::string(2'000, 'a');
    EXPECT_THAT(upstream_patterns(pattern, acme), ElementsAre("tenant:acme:" + pattern));
    EXPECT_TRUE(is_exact_upstream(pattern));
}

}  // namespace
}  // namespace weir
