#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <iostream>
#include <set>

#include "proxy/fallback/postgres/texts.hpp"
#include "tests/proxy/fallback/postgres/commit_breaker.hpp"
#include "tests/proxy/fallback/postgres/store_world.hpp"

namespace weir::pg::test {
namespace {

using testing::StartsWith;

const std::string unknown = "-" + std::string(texts::lost_write) + "\r\n";

class lost_commit_test : public testing::Test {
protected:
    void SetUp() override {
        world_.add_store(relay_.dsn());
        ASSERT_EQ(world_.ask({"INCR", "n"}), ":1\r\n");
    }

    store_world world_;
    commit_breaker relay_{world_.context, shared_postgres().folder()};
};

TEST_F(lost_commit_test, what_was_not_committed_is_done_anew) {
    relay_.break_next(commit_breaker::at::before);
    EXPECT_EQ(world_.pipeline({{"INCR", "n"}, {"GET", "n"}}), ":2\r\n" + bulk("2"));
    EXPECT_EQ(world_.store().counters().unknown_total, 0u);
    EXPECT_EQ(world_.sql("select count(*) from {schema}.journal"), "2");
}

TEST_F(lost_commit_test, what_was_committed_is_found_out_and_not_done_again) {
    relay_.break_next(commit_breaker::at::after);
    EXPECT_EQ(world_.transaction({{"INCR", "n"}, {"GET", "n"}}), "*2\r\n:2\r\n" + bulk("2"));
    EXPECT_EQ(world_.ask({"GET", "n"}), bulk("2"));
    EXPECT_EQ(world_.store().counters().unknown_total, 0u);
}

TEST_F(lost_commit_test, what_nobody_knows_is_said_to_be_unknown) {
    // As when the server has crashed meanwhile: the number may now be another transaction's.
    relay_.break_next(commit_breaker::at::after, [&] { world_.sql("update {schema}.incarnation set token = gen_random_uuid()"); });
    EXPECT_EQ(world_.pipeline({{"INCR", "n"}, {"GET", "n"}}), unknown + unknown);
    EXPECT_EQ(world_.store().counters().unknown_total, 1u);
    relay_.break_next(commit_breaker::at::after, [&] { world_.sql("update {schema}.incarnation set token = gen_random_uuid()"); });
    EXPECT_EQ(world_.transaction({{"INCR", "n"}, {"GET", "n"}}), unknown);
    EXPECT_EQ(world_.ask({"GET", "n"}), bulk("3"));
}

TEST_F(lost_commit_test, what_changed_nothing_is_answered_all_the_same) {
    relay_.break_next(commit_breaker::at::after, [&] { world_.sql("update {schema}.incarnation set token = gen_random_uuid()"); });
    EXPECT_EQ(world_.ask({"SETNX", "n", "9"}), ":0\r\n");
}

TEST_F(lost_commit_test, a_store_that_goes_meanwhile_does_not_wait_to_find_out) {
    world_.settings.pool.connection.statement_timeout = std::chrono::minutes{10};
    world_.stores.clear();
    world_.add_store(relay_.dsn());
    ASSERT_EQ(world_.ask({"INCR", "n"}), ":2\r\n");
    relay_.break_next(commit_breaker::at::after, [&] { world_.stores.clear(); });
    EXPECT_EQ(world_.ask({"INCR", "n"}), unknown);
}

TEST(incarnation_test, is_another_after_a_crash_alone) {
    postgres_server server;
    store_world world(server);
    const auto token = [&] { return world.sql("select token from {schema}.incarnation"); };
    world.ask({"SET", "k", "v"});
    const std::string first = token();
    EXPECT_EQ(first.size(), 36u);
    server.kill();
    server.start();
    ASSERT_TRUE(world.until([&] { return world.ask({"GET", "k"}) == bulk("v"); }));
    EXPECT_EQ(token().size(), 36u);
    EXPECT_NE(token(), first);
}

TEST(killed_postgres_test, every_answer_is_true) {
    postgres_server server;
    store_world world(server);
    world.settings.pool.connection.statement_timeout = std::chrono::milliseconds{5'000};
    world.add_store();
    world.add_store();
    ASSERT_EQ(world.ask({"SET", "n", "0"}), ok);

    std::set<long> acknowledged;
    std::size_t uncertain = 0, unable = 0, twice = 0, kills = 0;
    bool stop = false;
    std::size_t running = 0;
    std::function<void(std::size_t)> next = [&](std::size_t client) {
        if (stop) {
            --running;
            return;
        }
        world.stores[client % 2]->answer(world.job({{"INCR", "n"}}), world.now, [&, client](const fallback_job& job, verdict how) {
            const std::string reply(job.replies.view());
            if (how == verdict::unable) {
                ++unable;
            } else if (reply == unknown) {
                ++uncertain;
            } else {
                EXPECT_THAT(reply, StartsWith(":"));
                twice += !acknowledged.insert(std::stol(reply.substr(1))).second;
            }
            // Not at once: this may be called from within answer().
            boost::asio::post(world.context, [&, client] { next(client); });
        });
    };
    for (std::size_t client = 0; client < 8; ++client) {
        ++running;
        next(client);
    }
    while (kills < 3) {
        const std::size_t before = acknowledged.size();
        ASSERT_TRUE(world.until([&] { return acknowledged.size() > before + 30; }));
        server.kill();
        ++kills;
        const std::size_t refused = unable;
        ASSERT_TRUE(world.until([&] { return unable > refused; }));
        server.start();
    }
    const std::size_t before = acknowledged.size();
    ASSERT_TRUE(world.until([&] { return acknowledged.size() > before + 30; }));
    stop = true;
    ASSERT_TRUE(world.until([&] { return running == 0; }));

    std::string value;
    ASSERT_TRUE(world.until([&] { return (value = world.ask({"GET", "n"})) != "unable"; }));
    const auto counted = static_cast<std::size_t>(std::stol(value.substr(value.find('\n') + 1)));
    EXPECT_EQ(twice, 0u);
    EXPECT_GE(counted, acknowledged.size());
    EXPECT_LE(counted, acknowledged.size() + uncertain);
    EXPECT_EQ(world.sql("select count(*) from {schema}.journal where words[1] = 'INCR'"), std::to_string(counted));
    std::cout << acknowledged.size() << " acknowledged, " << uncertain << " unknown, " << unable << " unable, counted " << counted << '\n';
}

TEST(killed_postgres_test, reads_go_on_when_it_is_back) {
    postgres_server server;
    store_world world(server);
    ASSERT_EQ(world.ask({"SET", "k", "v"}), ok);
    server.kill();
    EXPECT_EQ(world.ask({"GET", "k"}), "unable");
    server.start();
    EXPECT_TRUE(world.until([&] { return world.ask({"GET", "k"}) == bulk("v"); }));
}

}  // namespace
}  // namespace weir::pg::test
