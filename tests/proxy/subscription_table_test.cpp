#include "proxy/pubsub/subscription_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "protocol/request_parser.hpp"

namespace weir {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using enum subscription_kind;

constexpr std::string_view lost = "UPSTREAM lost";

class fake_client final : public subscriber {
public:
    explicit fake_client(resp_version version = resp_version::resp2) : version_(version) {}
    [[nodiscard]] resp_version version() const override { return version_; }
    void take_message(std::string_view bytes) override { messages.emplace_back(bytes); }
    void on_answered(std::string_view error) override { answers.emplace_back(error); }
    void on_lost(std::string_view error) override { losses.emplace_back(error); }

    std::vector<std::string> messages;
    std::vector<std::string> answers;
    std::vector<std::string> losses;

private:
    resp_version version_;
};

std::string bulk(std::string_view text) { return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n"; }

std::string array(char type, const std::vector<std::string>& elements) {
    std::string bytes = type + std::to_string(elements.size()) + "\r\n";
    for (const auto& each : elements) bytes += bulk(each);
    return bytes;
}

class subscription_table_test : public ::testing::Test {
protected:
    /// What the server was asked since the last time, a request a string.
    std::vector<std::string> asked() {
        std::vector<std::string> requests;
        buffer& output = table_.output();
        while (!output.empty()) {
            request_parser parser;
            EXPECT_EQ(parser.parse(output.view(), {}), parse_status::complete);
            const arguments words = parser.request(output.view());
            requests.emplace_back(words[0]);
            if (words.size() > 1) requests.back().append(" ").append(words[1]);
            output.consume(parser.consumed());
        }
        return requests;
    }
    /// The server performs one request.
    void answer(const std::string& request) {
        if (request == "PING") return take("+PONG\r\n");
        const auto space = request.find(' ');
        std::string word = request.substr(0, space);
        for (char& c : word) c = static_cast<char>(c | 0x20);
        take(">3\r\n" + bulk(word) + bulk(request.substr(space + 1)) + ":1\r\n");
    }
    void answer_all() {
        for (const auto& request : asked()) answer(request);
    }
    void take(const std::string& bytes) { EXPECT_TRUE(table_.take(bytes)) << bytes; }
    void publish(const std::string& name, const std::string& payload) { take(array('>', {"message", name, payload})); }
    void publish_by(const std::string& by, const std::string& name, const std::string& payload) {
        take(array('>', {"pmessage", by, name, payload}));
    }
    void subscribe(fake_client& who, const std::string& name, subscription_kind kind = channel) {
        table_.subscribe(kind, name, who);
        answer_all();
        who.answers.clear();
    }
    [[nodiscard]] long long audience(std::string_view name) const {
        const auto right = counts_.audience(*acme_, channel, name);
        return right.clients - right.connections;
    }

    std::shared_ptr<const tenant> acme_ = std::make_shared<const tenant>("acme", tenant_options{});
    subscriber_counts counts_;
    worker_counters counters_;
    tenant_counters tenant_counters_;
    subscription_table table_{acme_, counts_, tenant_counters_, counters_};
    fake_client one_;
    fake_client two_;
};

const std::string news = "tenant:acme:news";

TEST_F(subscription_table_test, a_client_gets_messages_from_the_answer_to_its_own_request_on) {
    table_.subscribe(channel, "news", one_);
    EXPECT_THAT(asked(), ElementsAre("SUBSCRIBE tenant:acme:news"));
    EXPECT_THAT(one_.answers, IsEmpty());
    answer("SUBSCRIBE tenant:acme:news");
    EXPECT_THAT(one_.answers, ElementsAre(""));
    table_.subscribe(channel, "news", two_);
    publish(news, "early");
    answer_all();
    publish(news, "late");
    EXPECT_THAT(one_.messages, ElementsAre(array('*', {"message", "news", "early"}), array('*', {"message", "news", "late"})));
    EXPECT_THAT(two_.messages, ElementsAre(array('*', {"message", "news", "late"})));
    EXPECT_EQ(tenant_counters_.messages_delivered.get(), 3u);
}

TEST_F(subscription_table_test, one_of_several_leaves_at_a_point_of_the_stream) {
    subscribe(one_, "news");
    subscribe(two_, "news");
    table_.unsubscribe(channel, "news", one_);
    EXPECT_THAT(asked(), ElementsAre("PING"));
    publish(news, "before");
    EXPECT_EQ(one_.messages.size(), 1u) << "it was published before the client had left";
    EXPECT_THAT(one_.answers, IsEmpty());
    answer("PING");
    EXPECT_THAT(one_.answers, ElementsAre(""));
    publish(news, "after");
    EXPECT_EQ(one_.messages.size(), 1u);
    EXPECT_EQ(two_.messages.size(), 2u);
}

TEST_F(subscription_table_test, the_last_one_leaves_when_the_server_has_said_so) {
    subscribe(one_, "news");
    EXPECT_FALSE(table_.empty());
    table_.unsubscribe(channel, "news", one_);
    publish(news, "before");
    EXPECT_EQ(one_.messages.size(), 1u);
    EXPECT_THAT(asked(), ElementsAre("UNSUBSCRIBE tenant:acme:news"));
    answer("UNSUBSCRIBE tenant:acme:news");
    EXPECT_THAT(one_.answers, ElementsAre(""));
    EXPECT_TRUE(table_.empty());
    EXPECT_EQ(counters_.upstream_subscriptions.get(), 0u);
}

TEST_F(subscription_table_test, who_comes_while_the_last_one_leaves_is_subscribed_anew) {
    subscribe(one_, "news");
    table_.unsubscribe(channel, "news", one_);
    table_.subscribe(channel, "news", two_);
    EXPECT_THAT(asked(), ElementsAre("UNSUBSCRIBE tenant:acme:news", "SUBSCRIBE tenant:acme:news"));
    answer("UNSUBSCRIBE tenant:acme:news");
    EXPECT_EQ(audience("news"), 0);
    answer("SUBSCRIBE tenant:acme:news");
    publish(news, "x");
    EXPECT_THAT(one_.messages, IsEmpty());
    EXPECT_EQ(two_.messages.size(), 1u);
    EXPECT_FALSE(table_.empty());
}

TEST_F(subscription_table_test, a_client_that_has_gone_is_unsubscribed_at_once_and_gets_nothing_more) {
    subscribe(one_, "news");
    table_.forget(channel, "news", one_);
    EXPECT_THAT(asked(), ElementsAre("UNSUBSCRIBE tenant:acme:news"));
    publish(news, "x");
    answer("UNSUBSCRIBE tenant:acme:news");
    EXPECT_THAT(one_.messages, IsEmpty());
    EXPECT_THAT(one_.answers, IsEmpty());
    EXPECT_TRUE(table_.empty());
}

TEST_F(subscription_table_test, a_client_that_goes_while_it_subscribes_leaves_nothing_behind) {
    table_.subscribe(channel, "news", one_);
    table_.forget_requests(one_);
    table_.forget(channel, "news", one_);
    EXPECT_THAT(asked(), ElementsAre("SUBSCRIBE tenant:acme:news", "UNSUBSCRIBE tenant:acme:news"));
    answer("SUBSCRIBE tenant:acme:news");
    publish(news, "x");
    answer("UNSUBSCRIBE tenant:acme:news");
    EXPECT_THAT(one_.answers, IsEmpty());
    EXPECT_THAT(one_.messages, IsEmpty());
    EXPECT_TRUE(table_.empty());
    EXPECT_EQ(audience("news"), 0);
}

TEST_F(subscription_table_test, a_client_that_goes_while_it_leaves_leaves_nothing_behind) {
    subscribe(one_, "news");
    subscribe(two_, "news");
    table_.unsubscribe(channel, "news", one_);
    table_.forget_requests(one_);
    table_.forget_leaving(channel, "news", one_);
    publish(news, "x");
    answer_all();
    EXPECT_THAT(one_.messages, IsEmpty());
    EXPECT_THAT(one_.answers, IsEmpty());
    table_.forget(channel, "news", two_);
    answer_all();
    EXPECT_TRUE(table_.empty());
}

TEST_F(subscription_table_test, a_message_is_written_in_each_clients_protocol_version) {
    fake_client modern(resp_version::resp3);
    subscribe(one_, "news", shard);
    subscribe(modern, "news", shard);
    take(array('>', {"smessage", news, "a\r\nb"}));
    EXPECT_THAT(one_.messages, ElementsAre(array('*', {"smessage", "news", "a\r\nb"})));
    EXPECT_THAT(modern.messages, ElementsAre(array('>', {"smessage", "news", "a\r\nb"})));
}

TEST_F(subscription_table_test, patterns_are_told_with_the_message) {
    subscribe(one_, "news.*", pattern);
    publish_by("tenant:acme:news.*", "tenant:acme:news.art", "x");
    EXPECT_THAT(one_.messages, ElementsAre(array('*', {"pmessage", "news.*", "news.art", "x"})));
}

TEST_F(subscription_table_test, a_pattern_for_everything_sees_the_tenants_events_and_nobody_elses) {
    table_.subscribe(pattern, "*", one_);
    EXPECT_THAT(asked(), ElementsAre("PSUBSCRIBE __keyspace@*__:tenant:acme:*", "PSUBSCRIBE __keyevent@*__:*",
                                     "PSUBSCRIBE tenant:acme:*"));
    answer("PSUBSCRIBE __keyspace@*__:tenant:acme:*");
    answer("PSUBSCRIBE __keyevent@*__:*");
    EXPECT_THAT(one_.answers, IsEmpty());
    answer("PSUBSCRIBE tenant:acme:*");
    EXPECT_THAT(one_.answers, ElementsAre(""));
    publish_by("__keyspace@*__:tenant:acme:*", "__keyspace@0__:tenant:acme:k", "set");
    publish_by("__keyspace@*__:tenant:acme:*", "__keyspace@0__:tenant:other:x__:tenant:acme:k", "canary");
    publish_by("__keyevent@*__:*", "__keyevent@0__:set", "tenant:acme:k");
    publish_by("__keyevent@*__:*", "__keyevent@0__:set", "tenant:other:canary");
    EXPECT_THAT(one_.messages, ElementsAre(array('*', {"pmessage", "*", "__keyspace@0__:k", "set"}),
                                           array('*', {"pmessage", "*", "__keyevent@0__:set", "k"})));
}

TEST_F(subscription_table_test, patterns_share_what_brings_them_events) {
    subscribe(one_, "*", pattern);
    subscribe(two_, "__key*", pattern);
    table_.unsubscribe(pattern, "*", one_);
    EXPECT_THAT(asked(), ElementsAre("PUNSUBSCRIBE tenant:acme:*"));
    answer("PUNSUBSCRIBE tenant:acme:*");
    publish_by("__keyevent@*__:*", "__keyevent@0__:set", "tenant:acme:k");
    EXPECT_THAT(one_.messages, IsEmpty());
    EXPECT_EQ(two_.messages.size(), 1u);
    table_.forget(pattern, "__key*", two_);
    answer_all();
    EXPECT_TRUE(table_.empty());
}

TEST_F(subscription_table_test, a_pattern_that_has_two_on_the_server_gets_each_message_once) {
    subscribe(one_, "__keyspace@*__:*b", pattern);
    subscribe(two_, "__keyspace@*__:b", pattern);
    const std::string twice = "__keyspace@0__:tenant:acme:b__:b";
    const std::string wide = "__keyspace@*__:tenant:acme:*__:b";
    publish_by(wide, twice, "set");
    EXPECT_EQ(two_.messages.size(), 1u) << "a star may match `0__:b`";
    publish_by("__keyspace@*__:tenant:acme:b", "__keyspace@0__:tenant:acme:b", "set");
    EXPECT_EQ(two_.messages.size(), 2u);
    const std::string both = "__keyspace@0__:tenant:acme:x__:tenant:acme:b";
    publish_by("__keyspace@*__:tenant:acme:b", both, "set");
    EXPECT_EQ(two_.messages.size(), 2u) << "the key is x__:tenant:acme:b";
    publish_by("__keyspace@*__:tenant:acme:*b", twice, "set");
    EXPECT_EQ(one_.messages.size(), 1u);
    subscribe(one_, "__keyspace@*__:x*", pattern);
    for (const auto* by : {"__keyspace@*__:tenant:acme:*__:x*", "__keyspace@*__:tenant:acme:x*"}) {
        publish_by(by, "__keyspace@0__:tenant:acme:x__:xy", "set");
    }
    EXPECT_EQ(one_.messages.size(), 2u) << "the server sends it twice";
}

TEST_F(subscription_table_test, key_events_are_the_tenants_by_their_payload) {
    subscribe(one_, "__keyevent@0__:del");
    publish("__keyevent@0__:del", "tenant:acme:k");
    publish("__keyevent@0__:del", "tenant:acm");
    publish("__keyevent@0__:del", "tenant:other:canary");
    EXPECT_THAT(one_.messages, ElementsAre(array('*', {"message", "__keyevent@0__:del", "k"})));
}

TEST_F(subscription_table_test, what_the_server_refuses_is_told_to_who_asked) {
    subscribe(one_, "news");
    table_.subscribe(channel, "secret", one_);
    table_.subscribe(channel, "more", one_);
    EXPECT_EQ(asked().size(), 2u);
    take("-NOPERM no access\r\n");
    EXPECT_THAT(one_.answers, ElementsAre("NOPERM no access"));
    answer("SUBSCRIBE tenant:acme:more");
    EXPECT_THAT(one_.answers, ElementsAre("NOPERM no access", ""));
    EXPECT_THAT(asked(), IsEmpty()) << "there is nothing to end";
    for (const auto* name : {"news", "more"}) table_.forget(channel, name, one_);
    answer_all();
    EXPECT_TRUE(table_.empty());
}

TEST_F(subscription_table_test, a_pattern_goes_without_events_that_the_server_refuses) {
    table_.subscribe(pattern, "*", one_);
    EXPECT_EQ(asked().size(), 3u);
    take("-NOPERM no access\r\n");
    take("-NOPERM no access\r\n");
    answer("PSUBSCRIBE tenant:acme:*");
    EXPECT_THAT(one_.answers, ElementsAre(""));
    publish_by("tenant:acme:*", news, "x");
    EXPECT_EQ(one_.messages.size(), 1u);
    table_.unsubscribe(pattern, "*", one_);
    EXPECT_THAT(asked(), ElementsAre("PUNSUBSCRIBE tenant:acme:*"));
    answer("PUNSUBSCRIBE tenant:acme:*");
    EXPECT_TRUE(table_.empty());
}

TEST_F(subscription_table_test, the_server_is_asked_again_for_what_it_was_too_busy_to_end) {
    subscribe(one_, "news");
    table_.unsubscribe(channel, "news", one_);
    EXPECT_EQ(asked().size(), 1u);
    take("-BUSY running a script\r\n");
    EXPECT_THAT(one_.answers, ElementsAre("")) << "the client has left all the same";
    EXPECT_FALSE(table_.empty());
    table_.retry();
    EXPECT_THAT(asked(), ElementsAre("UNSUBSCRIBE tenant:acme:news"));
    table_.retry();
    EXPECT_THAT(asked(), IsEmpty());
    answer("UNSUBSCRIBE tenant:acme:news");
    EXPECT_TRUE(table_.empty());
}

TEST_F(subscription_table_test, answers_to_what_was_not_asked_are_a_fault) {
    EXPECT_FALSE(table_.take(">3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n"));
    EXPECT_FALSE(table_.take("+PONG\r\n"));
    EXPECT_FALSE(table_.take("-ERR\r\n"));
    table_.subscribe(channel, "news", one_);
    EXPECT_FALSE(table_.take("+PONG\r\n"));
    EXPECT_FALSE(table_.take(array('>', {"unsubscribe", news, "1"})));
    EXPECT_FALSE(table_.take(array('>', {"psubscribe", news, "1"})));
    EXPECT_FALSE(table_.take(array('>', {"subscribe", "tenant:acme:other", "1"})));
    EXPECT_TRUE(table_.take(array('>', {"subscribe", news, "1"})));
}

TEST_F(subscription_table_test, pushes_of_other_kinds_and_messages_for_nobody_are_ignored) {
    EXPECT_TRUE(table_.take(">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n"));
    EXPECT_TRUE(table_.take(">2\r\n$10\r\ninvalidate\r\n_\r\n"));
    EXPECT_TRUE(table_.take(">5\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n"));
    publish("tenant:acme:nobody", "x");
    publish_by("tenant:acme:*", "tenant:acme:nobody", "x");
    EXPECT_TRUE(table_.empty());
}

TEST_F(subscription_table_test, whoever_had_or_awaited_anything_hears_once_that_it_is_lost) {
    fake_client three;
    subscribe(one_, "news");
    subscribe(one_, "*", pattern);
    table_.subscribe(channel, "more", one_);
    table_.subscribe(channel, "more", two_);
    table_.lose(lost);
    EXPECT_THAT(one_.losses, ElementsAre(lost));
    EXPECT_THAT(two_.losses, ElementsAre(lost));
    EXPECT_THAT(three.losses, IsEmpty());
    EXPECT_TRUE(table_.empty());
    EXPECT_TRUE(table_.output().empty());
    EXPECT_EQ(audience("news"), 0);
    EXPECT_EQ(counts_.patterns(), 0u);
    EXPECT_EQ(counters_.upstream_subscriptions.get(), 0u);
    subscribe(two_, "news");
    publish(news, "again");
    EXPECT_EQ(two_.messages.size(), 1u);
}

/// A server that is late, clients that come, leave and die at random: each must get exactly what was published between
/// the points at which the server performed its own requests.
class subscription_table_model : public subscription_table_test {
protected:
    struct client {
        fake_client fake;
        std::set<std::string> wanted;     ///< names it has or has asked for
        std::set<std::string> listening;  ///< by what the server has performed
        std::vector<std::string> expected;
        bool gone = false;
    };
    struct pending {
        std::string request;
        client* who;
        std::string name;
        bool joins;
    };

    void change(client& who, const std::string& name, bool joins) {
        if (joins) {
            table_.subscribe(channel, name, who.fake);
            who.wanted.insert(name);
        } else {
            table_.unsubscribe(channel, name, who.fake);
            who.wanted.erase(name);
        }
        for (const auto& request : asked()) queue_.push_back({request, nullptr, {}, false});
        queue_.back() = {queue_.back().request, &who, name, joins};
    }
    void kill(client& who) {
        who.gone = true;
        table_.forget_requests(who.fake);
        for (const auto& each : queue_) {
            if (each.who == &who && !each.joins) table_.forget_leaving(channel, each.name, who.fake);
        }
        for (auto& each : queue_) {
            if (each.who == &who) each.who = nullptr;
        }
        for (const auto& name : who.wanted) table_.forget(channel, name, who.fake);
        for (const auto& request : asked()) queue_.push_back({request, nullptr, {}, false});
    }
    void server_performs_one() {
        if (queue_.empty()) return;
        const pending next = queue_.front();
        queue_.erase(queue_.begin());
        const auto space = next.request.find(' ');
        if (space != std::string::npos) {
            const std::string name = next.request.substr(space + 1);
            if (next.request.starts_with("SUB")) subscribed_.insert(name);
            if (next.request.starts_with("UNSUB")) subscribed_.erase(name);
        }
        if (next.who != nullptr) {
            if (next.joins) next.who->listening.insert(next.name);
            else next.who->listening.erase(next.name);
        }
        answer(next.request);
    }
    void server_publishes(const std::string& name, std::vector<std::unique_ptr<client>>& clients) {
        const std::string payload = std::to_string(++published_);
        for (auto& each : clients) {
            if (!each->gone && each->listening.contains(name)) {
                each->expected.push_back(array('*', {"message", name, payload}));
            }
        }
        if (subscribed_.contains("tenant:acme:" + name)) publish("tenant:acme:" + name, payload);
    }

    std::vector<pending> queue_;
    std::set<std::string> subscribed_;  ///< the server's own state
    int published_ = 0;
};

TEST_F(subscription_table_model, everybody_gets_what_was_published_while_it_was_subscribed) {
    std::minstd_rand random(7);
    const auto chance = [&](unsigned of) { return random() % of == 0; };
    const std::vector<std::string> names{"a", "b", "c"};
    std::vector<std::unique_ptr<client>> clients;
    for (int step = 0; step < 20'000; ++step) {
        const std::string& name = names[random() % names.size()];
        if (clients.size() < 6) clients.push_back(std::make_unique<client>());
        client& who = *clients[random() % clients.size()];
        switch (random() % 6) {
            case 0: change(who, name, !who.wanted.contains(name)); break;
            case 1:
            case 2: server_performs_one(); break;
            case 3:
            case 4: server_publishes(name, clients); break;
            default:
                if (!chance(10)) break;
                kill(who);
                EXPECT_EQ(who.fake.messages, who.expected);
                std::erase_if(clients, [&](const auto& each) { return each.get() == &who; });
        }
    }
    for (auto& each : clients) kill(*each);
    while (!queue_.empty()) server_performs_one();
    for (const auto& each : clients) EXPECT_EQ(each->fake.messages, each->expected);
    EXPECT_TRUE(table_.empty());
    EXPECT_THAT(subscribed_, IsEmpty());
    for (const auto& name : names) EXPECT_EQ(audience(name), 0);
}

}  // namespace
}  // namespace weir
