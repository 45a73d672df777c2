#include "proxy/pubsub/subscriber_counts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace weir {
namespace {

using ::testing::ElementsAre;
using enum subscription_kind;

class subscriber_counts_test : public ::testing::Test {
protected:
    /// `clients` of this process are subscribed to a channel over `hubs` connections.
    void subscribe(subscription_kind kind, const std::string& name, const std::string& upstream_name, int clients,
                   int hubs) {
        for (int i = 0; i < clients; ++i) counts_.add_client(kind, name);
        for (int i = 0; i < hubs; ++i) counts_.add_connection(kind, upstream_name);
    }
    [[nodiscard]] long long audience(std::string_view name, subscription_kind kind = channel) const {
        const auto right = counts_.audience(acme_, kind, name);
        return right.clients - right.connections;
    }
    [[nodiscard]] long long subscribers(std::string_view name, subscription_kind kind = channel) const {
        const auto right = counts_.subscribers(acme_, kind, name);
        return right.clients - right.connections;
    }

    tenant acme_{"acme", {}};
    subscriber_counts counts_;
};

TEST_F(subscriber_counts_test, without_subscribers_nothing_is_corrected) {
    EXPECT_EQ(audience("news"), 0);
    EXPECT_EQ(subscribers("news"), 0);
    EXPECT_EQ(counts_.patterns(), 0u);
    EXPECT_THAT(counts_.special_channels(acme_, channel, {}), ElementsAre());
}

TEST_F(subscriber_counts_test, clients_count_instead_of_the_connections_they_share) {
    subscribe(channel, "news", "tenant:acme:news", 5, 2);
    EXPECT_EQ(audience("news"), 3);
    EXPECT_EQ(subscribers("news"), 3);
    EXPECT_EQ(audience("news", shard), 0) << "shard channels are others";
}

TEST_F(subscriber_counts_test, a_message_reaches_every_pattern_that_matches) {
    subscribe(channel, "news.art", "tenant:acme:news.art", 1, 1);
    subscribe(pattern, "news.*", "tenant:acme:news.*", 3, 2);
    subscribe(pattern, "*.art", "tenant:acme:*.art", 4, 1);
    subscribe(pattern, "sport.*", "tenant:acme:sport.*", 9, 1);
    EXPECT_EQ(audience("news.art"), (1 - 1) + (3 - 2) + (4 - 1));
    EXPECT_EQ(subscribers("news.art"), 0);
    EXPECT_EQ(counts_.patterns(), 3u);
}

TEST_F(subscriber_counts_test, patterns_on_the_server_count_for_events_although_the_clients_do_not_match) {
    subscribe(pattern, "*x", "tenant:acme:*x", 1, 1);
    counts_.add_connection(pattern, "__keyspace@*__:tenant:acme:*");
    EXPECT_EQ(audience("__keyspace@0__:k"), -1);
    EXPECT_EQ(audience("__keyspace@0__:x"), 0);
}

TEST_F(subscriber_counts_test, of_key_events_the_server_knows_only_what_all_tenants_have_together) {
    subscribe(channel, "__keyevent@0__:set", "__keyevent@0__:set", 2, 1);
    subscribe(pattern, "__key*", "__keyevent@*__:*", 3, 1);
    const auto right = counts_.audience(acme_, channel, "__keyevent@0__:set");
    EXPECT_TRUE(right.instead);
    EXPECT_EQ(right.of(9), 5);
    EXPECT_EQ(counts_.subscribers(acme_, channel, "__keyevent@0__:set").of(9), 2);
    EXPECT_TRUE(counts_.audience(acme_, channel, "__keyevent@0__:set").instead);
}

TEST_F(subscriber_counts_test, what_was_added_can_be_taken_away) {
    subscribe(channel, "news", "tenant:acme:news", 2, 1);
    counts_.remove_client(channel, "news");
    EXPECT_EQ(audience("news"), 0);
    counts_.remove_client(channel, "news");
    counts_.remove_client(channel, "news");
    EXPECT_EQ(audience("news"), -1) << "the server still counts a connection that is about to leave";
    counts_.remove_connection(channel, "tenant:acme:news");
    EXPECT_EQ(audience("news"), 0);
}

TEST_F(subscriber_counts_test, special_channels_are_those_that_the_server_does_not_list_under_the_prefix) {
    for (const auto* name : {"news", "__keyspace@0__:k", "__keyevent@0__:set", "__redis__:invalidate", "__other", "_"}) {
        counts_.add_client(channel, name);
    }
    EXPECT_THAT(counts_.special_channels(acme_, channel, {}),
                ElementsAre("__keyevent@0__:set", "__keyspace@0__:k", "__redis__:invalidate"));
    EXPECT_THAT(counts_.special_channels(acme_, channel, "*space*"), ElementsAre("__keyspace@0__:k"));
    EXPECT_THAT(counts_.special_channels(acme_, channel, ""), ElementsAre());
    EXPECT_EQ(audience("__redis__:invalidate"), 0) << "published to, it reaches nobody";
    EXPECT_EQ(subscribers("__redis__:invalidate"), 1);
}

TEST_F(subscriber_counts_test, workers_count_at_once) {
    const auto work = [this] {
        for (int i = 0; i < 2'000; ++i) {
            counts_.add_client(channel, "news");
            static_cast<void>(audience("news"));
            if (i % 2 == 0) counts_.remove_client(channel, "news");
        }
    };
    std::thread one(work);
    std::thread two(work);
    one.join();
    two.join();
    EXPECT_EQ(audience("news"), 2'000);
}

}  // namespace
}  // namespace weir
