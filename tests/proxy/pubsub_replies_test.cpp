#include "proxy/pubsub/pubsub_replies.hpp"

#include <gtest/gtest.h>

#include "protocol/reply_scanner.hpp"
#include "tests/support/request_text.hpp"

namespace weir {
namespace {

using enum subscription_kind;
using test::request_text;

class pubsub_replies_test : public ::testing::Test {
protected:
    /// What the client gets for the server's reply, which comes byte by byte; `withheld` when it gets nothing.
    std::string reply_to(std::initializer_list<std::string> words, std::string_view row_name, std::string_view from_server) {
        const request_text request(words);
        const auto table = command_table::built_in();
        const auto bar = row_name.find('|');
        const command_spec* row = table->find(row_name.substr(0, bar));
        if (bar != std::string_view::npos) row = table->find_subcommand(*row, row_name.substr(bar + 1));
        const auto interpreter = pubsub_interpreter(request.view(), *row, acme_, counts_);
        if (interpreter == nullptr) return std::string(from_server);
        buffer out;
        reply_scanner scanner;
        std::string kept;
        for (const char byte : from_server) {
            kept += byte;
            const auto status = scanner.scan(kept);
            const std::string piece = kept.substr(0, scanner.consumed());
            kept.erase(0, piece.size());
            if (!piece.empty() && !interpreter->feed(piece, status == scan_status::complete, out)) return "withheld";
        }
        return std::string(out.view());
    }
    std::string published(const std::string& name, std::string_view from_server) {
        return reply_to({"PUBLISH", name, "m"}, "publish", from_server);
    }

    tenant acme_{"acme", {}};
    subscriber_counts counts_;
};

TEST_F(pubsub_replies_test, publish_counts_clients) {
    EXPECT_EQ(published("news", ":3\r\n"), ":3\r\n");
    for (int i = 0; i < 4; ++i) counts_.add_client(channel, "news");
    counts_.add_connection(channel, "tenant:acme:news");
    EXPECT_EQ(published("news", ":3\r\n"), ":6\r\n") << "one connection is ours, two are others'";
    EXPECT_EQ(published("other", ":3\r\n"), ":3\r\n");
    EXPECT_EQ(published("news", "-NOPERM no\r\n"), "-NOPERM no\r\n");
    EXPECT_EQ(reply_to({"SPUBLISH", "news", "m"}, "spublish", ":1\r\n"), ":1\r\n");
}

TEST_F(pubsub_replies_test, a_connection_that_the_server_has_ended_already_takes_no_client_away) {
    counts_.add_client(pattern, "n*");
    counts_.add_connection(pattern, "tenant:acme:n*");
    counts_.add_connection(pattern, "tenant:acme:*");
    EXPECT_EQ(published("news", ":1\r\n"), ":1\r\n");
    EXPECT_EQ(published("news", ":2\r\n"), ":1\r\n");
    EXPECT_EQ(published("news", ":3\r\n"), ":2\r\n");
}

TEST_F(pubsub_replies_test, a_count_is_never_negative) {
    counts_.add_connection(channel, "tenant:acme:news");
    EXPECT_EQ(published("news", ":0\r\n"), ":0\r\n");
}

TEST_F(pubsub_replies_test, of_a_key_event_other_tenants_subscribers_are_not_counted) {
    EXPECT_EQ(published("__keyevent@0__:set", ":9\r\n"), ":0\r\n");
    counts_.add_client(channel, "__keyevent@0__:set");
    EXPECT_EQ(published("__keyevent@0__:set", ":9\r\n"), ":1\r\n");
    EXPECT_EQ(published("__keyevent@0__:set", "-NOPERM no\r\n"), "-NOPERM no\r\n");
}

TEST_F(pubsub_replies_test, numsub_gives_back_the_clients_own_names) {
    counts_.add_client(channel, "__keyspace@0__:k");
    const std::initializer_list<std::string> request{"PUBSUB", "NUMSUB", "a", "__keyspace@0__:k"};
    const std::string counted = "*4\r\n$13\r\ntenant:acme:a\r\n:2\r\n$29\r\n__keyspace@0__:tenant:acme:k\n\r\n:1\r\n";
    EXPECT_EQ(reply_to(request, "pubsub|numsub", counted), "*4\r\n$1\r\na\r\n:2\r\n$16\r\n__keyspace@0__:k\r\n:2\r\n");
    EXPECT_EQ(reply_to({"PUBSUB", "NUMSUB"}, "pubsub|numsub", "*0\r\n"), "*0\r\n");
    EXPECT_EQ(reply_to(request, "pubsub|numsub", "-ERR no\r\n"), "-ERR no\r\n");
}

TEST_F(pubsub_replies_test, numsub_that_is_not_what_was_asked_for_is_withheld) {
    const std::initializer_list<std::string> request{"PUBSUB", "NUMSUB", "a"};
    for (const std::string bad : {"*0\r\n", "*2\r\n:1\r\n:1\r\n", "*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:1\r\n",
                                  "*2\r\n$1\r\na\r\n$1\r\nb\r\n", ":1\r\n", "*2\r\n$-1\r\n:1\r\n"}) {
        EXPECT_EQ(reply_to(request, "pubsub|numsub", bad), "withheld") << bad;
    }
}

TEST_F(pubsub_replies_test, channels_are_stripped_and_those_of_events_added) {
    const std::string listed = "*2\r\n$13\r\ntenant:acme:a\r\n$13\r\ntenant:acme:b\r\n";
    EXPECT_EQ(reply_to({"PUBSUB", "CHANNELS"}, "pubsub|channels", listed), "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    counts_.add_client(channel, "__keyevent@0__:set");
    counts_.add_client(shard, "__keyspace@0__:k");
    EXPECT_EQ(reply_to({"PUBSUB", "CHANNELS"}, "pubsub|channels", listed),
              "*3\r\n$1\r\na\r\n$1\r\nb\r\n$18\r\n__keyevent@0__:set\r\n");
    EXPECT_EQ(reply_to({"PUBSUB", "CHANNELS", "a*"}, "pubsub|channels", "*0\r\n"), "*0\r\n");
    EXPECT_EQ(reply_to({"PUBSUB", "SHARDCHANNELS"}, "pubsub|shardchannels", "*0\r\n"),
              "*1\r\n$16\r\n__keyspace@0__:k\r\n");
    EXPECT_EQ(reply_to({"PUBSUB", "CHANNELS"}, "pubsub|channels", "-ERR no\r\n"), "-ERR no\r\n");
    EXPECT_EQ(reply_to({"PUBSUB", "CHANNELS"}, "pubsub|channels", "*1\r\n$14\r\ntenant:other:x\r\n"), "withheld");
}

}  // namespace
}  // namespace weir
