#include "proxy/client_filter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/request_text.hpp"

namespace weir {
namespace {

using testing::ElementsAre;
using namespace std::string_literals;
using words = std::vector<std::string>;

constexpr std::uint64_t asking = 5;

client_list_request list(words rest) {
    rest.insert(rest.begin(), {"CLIENT", "LIST"});
    return read_client_list(test::request_text(rest).view());
}
client_kill_request kill(words rest) {
    rest.insert(rest.begin(), {"CLIENT", "KILL"});
    return read_client_kill(test::request_text(rest).view(), asking,
                            [](std::string_view name) { return name == "default"; });
}
client_unblock_request unblock(words rest) {
    rest.insert(rest.begin(), {"CLIENT", "Unblock"});
    return read_client_unblock(test::request_text(rest).view());
}

client_facts client(std::uint64_t id) {
    client_facts facts;
    facts.id = id;
    facts.address = "127.0.0.1:" + std::to_string(1000 + id);
    facts.local_address = "127.0.0.1:6379";
    return facts;
}

// ---- CLIENT LIST

TEST(read_client_list, takes_every_client_when_nothing_is_asked) {
    const auto wanted = list({});
    EXPECT_EQ(wanted.error, "");
    EXPECT_THAT(wanted.order, ElementsAre());
    EXPECT_TRUE(wanted.filter.matches(client(1)));
    EXPECT_TRUE(wanted.filter.matches(client(asking)));
}

TEST(read_client_list, chooses_by_type) {
    client_facts subscriber = client(1);
    subscriber.subscriber = true;
    for (const auto* name : {"normal", "NORMAL"}) {
        EXPECT_TRUE(list({"TYPE", name}).filter.matches(client(1)));
        EXPECT_FALSE(list({"type", name}).filter.matches(subscriber));
    }
    EXPECT_TRUE(list({"type", "pubsub\0x"s}).filter.matches(subscriber)) << "the server compares C strings";
    for (const auto* name : {"master", "replica", "slave"}) {
        EXPECT_EQ(list({"type", name}).error, "");
        EXPECT_FALSE(list({"type", name}).filter.matches(client(1)));
    }
    EXPECT_EQ(list({"TYPE", "foo\0bar"s}).error, "ERR Unknown client type 'foo'");
}

TEST(read_client_list, chooses_by_ids_and_keeps_their_order) {
    const auto wanted = list({"ID", "9", "3", "9", "-1", "0"});
    EXPECT_EQ(wanted.error, "");
    EXPECT_THAT(wanted.order, ElementsAre(9, 3, 9));
    for (const std::uint64_t id : {3, 9}) EXPECT_TRUE(wanted.filter.matches(client(id)));
    for (const std::uint64_t id : {0, 1, 4}) EXPECT_FALSE(wanted.filter.matches(client(id)));
    EXPECT_FALSE(list({"ID", "0"}).filter.matches(client(1)));
}

TEST(read_client_list, complains_as_redis_does) {
    for (const words& rest : {words{"TYPE"}, words{"ID"}, words{"FOO"}, words{"TYPE", "normal", "ID", "3"},
                              words{"FOO", "BAR"}}) {
        EXPECT_EQ(list(rest).error, "ERR syntax error") << rest.back();
    }
    for (const auto* id : {"abc", "", "1.5", "99999999999999999999"}) {
        EXPECT_EQ(list({"ID", "1", id}).error, "ERR Invalid client ID") << id;
    }
}

// ---- CLIENT KILL

TEST(read_client_kill, in_the_old_form_means_an_address_and_may_mean_oneself) {
    const auto wanted = kill({"127.0.0.1:1005"});
    EXPECT_TRUE(wanted.old_form);
    EXPECT_TRUE(wanted.filter.matches(client(asking)));
    EXPECT_FALSE(wanted.filter.matches(client(6)));
}

TEST(read_client_kill, in_the_new_form_spares_oneself_unless_told_otherwise) {
    EXPECT_FALSE(kill({"LADDR", "127.0.0.1:6379"}).filter.matches(client(asking)));
    EXPECT_TRUE(kill({"LADDR", "127.0.0.1:6379"}).filter.matches(client(6)));
    EXPECT_TRUE(kill({"SKIPME", "no"}).filter.matches(client(asking)));
    EXPECT_FALSE(kill({"SKIPME", "No", "skipme", "YES"}).filter.matches(client(asking)));
}

TEST(read_client_kill, joins_its_filters) {
    EXPECT_TRUE(kill({"ID", "6", "ADDR", "127.0.0.1:1006"}).filter.matches(client(6)));
    EXPECT_FALSE(kill({"ID", "6", "ADDR", "127.0.0.1:1007"}).filter.matches(client(6)));
    EXPECT_TRUE(kill({"ID", "7", "ID", "6"}).filter.matches(client(6))) << "the last one counts";
    EXPECT_TRUE(kill({"USER", "default", "TYPE", "normal"}).filter.matches(client(6)));
    EXPECT_FALSE(kill({"TYPE", "pubsub"}).filter.matches(client(6)));
    client_facts other = client(6);
    other.user = "app";
    EXPECT_FALSE(kill({"USER", "default"}).filter.matches(other));
    EXPECT_FALSE(kill({"MAXAGE", "10"}).filter.matches(other));
    other.age = std::chrono::seconds(10);
    EXPECT_TRUE(kill({"MAXAGE", "10"}).filter.matches(other));
}

TEST(read_client_kill, complains_as_redis_does) {
    const std::vector<std::pair<words, std::string>> cases = {
        {{"ID", "abc"}, "ERR client-id should be greater than 0"},
        {{"ID", "0"}, "ERR client-id should be greater than 0"},
        {{"ID", "99999999999999999999"}, "ERR client-id should be greater than 0"},
        {{"TYPE", "foo"}, "ERR Unknown client type 'foo'"},
        {{"USER", "nosuch"}, "ERR No such user 'nosuch'"},
        {{"MAXAGE", "x"}, "ERR maxage is not an integer or out of range"},
        {{"MAXAGE", "0"}, "ERR maxage should be greater than 0"},
        {{"SKIPME", "foo"}, "ERR syntax error"},
        {{"SKIPME", "yes", "foo"}, "ERR syntax error"},
        {{"foo", "bar"}, "ERR syntax error"},
        {{"ADDR", "x", "ID"}, "ERR syntax error"},
        {{"ID", "0", "foo", "bar"}, "ERR client-id should be greater than 0"},
    };
    for (const auto& [rest, error] : cases) EXPECT_EQ(kill(rest).error, error);
    for (const auto* old : {"ID", "foo", ""})
        EXPECT_EQ(kill({old}).error, "") << "an address that nobody has";
}

// ---- CLIENT UNBLOCK

TEST(read_client_unblock, reads_id_and_reason) {
    EXPECT_EQ(unblock({"7"}).id, 7u);
    EXPECT_FALSE(unblock({"7"}).with_error);
    EXPECT_FALSE(unblock({"7", "Timeout"}).with_error);
    EXPECT_TRUE(unblock({"7", "ERROR"}).with_error);
    for (const auto* nobody : {"0", "-1"}) {
        EXPECT_EQ(unblock({nobody}).error, "");
        EXPECT_EQ(unblock({nobody}).id, 0u);
    }
}

TEST(read_client_unblock, complains_as_redis_does) {
    EXPECT_EQ(unblock({"abc"}).error, "ERR value is not an integer or out of range");
    EXPECT_EQ(unblock({"abc", "foo"}).error, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    EXPECT_EQ(unblock({"7", "ERROR", "x"}).error,
              "ERR unknown subcommand or wrong number of arguments for 'Unblock'. Try CLIENT HELP.");
}

}  // namespace
}  // namespace weir
