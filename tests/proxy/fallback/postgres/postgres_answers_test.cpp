#include "proxy/fallback/postgres/postgres_answers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "proxy/fallback/postgres/key_places.hpp"
#include "tests/proxy/fallback/postgres/store_world.hpp"

namespace weir::pg::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class postgres_answers_test : public testing::Test {
protected:
    /// Every key that SCAN shows, from 0 until 0.
    std::multiset<std::string> scanned(const std::string& count) {
        std::multiset<std::string> keys;
        std::string cursor = "0";
        do {
            const std::string reply = world_.ask({"SCAN", cursor, "COUNT", count});
            const auto lines = lines_of(reply);
            cursor = lines.at(2);
            for (std::size_t i = 5; i < lines.size(); i += 2) keys.insert(lines[i]);
            between_pages_();
        } while (cursor != "0");
        return keys;
    }
    static std::vector<std::string> lines_of(const std::string& reply) {
        std::vector<std::string> lines;
        for (std::size_t at = 0; at < reply.size();) {
            const auto end = reply.find("\r\n", at);
            lines.push_back(reply.substr(at, end - at));
            at = end + 2;
        }
        return lines;
    }

    store_world world_;
    std::function<void()> between_pages_ = [] {};
};

TEST_F(postgres_answers_test, what_was_written_is_read_and_is_in_the_table) {
    EXPECT_EQ(world_.ask({"SET", "k", std::string("v\0\xff", 3)}), ok);
    EXPECT_EQ(world_.ask({"GET", "k"}), bulk(std::string("v\0\xff", 3)));
    EXPECT_EQ(world_.ask({"GET", "other"}), nothing);
    EXPECT_EQ(world_.ask({"RPUSH", "l", "a", "b"}), ":2\r\n");
    EXPECT_EQ(world_.ask({"LRANGE", "l", "0", "-1"}), "*2\r\n" + bulk("a") + bulk("b"));
    EXPECT_EQ(world_.ask({"INCR", "l"}), "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    EXPECT_EQ(world_.sql("select prefix || database || key || value from {schema}.entries_shown where type = 'list'"),
              "tenant:acme:0l[\"a\", \"b\"]");
    EXPECT_EQ(world_.ask({"DEL", "k", "l"}), ":2\r\n");
    EXPECT_EQ(world_.sql("select count(*) from {schema}.entries"), "0");
}

TEST_F(postgres_answers_test, a_read_is_one_round_trip_and_a_write_two) {
    world_.ask({"SET", "k", "v"});
    EXPECT_EQ(world_.store().counters().transactions_total, 1u);
    EXPECT_EQ(world_.store().counters().read_trips_total, 0u);
    world_.pipeline({{"GET", "k"}, {"MGET", "a", "b", "k"}, {"HGETALL", "h"}});
    EXPECT_EQ(world_.store().counters().read_trips_total, 1u);
    EXPECT_EQ(world_.store().counters().transactions_total, 1u);
}

TEST_F(postgres_answers_test, reads_of_one_turn_share_a_round_trip) {
    world_.ask({"SET", "k", "v"});
    std::string replies;
    for (int i = 0; i < 10; ++i) {
        world_.store().answer(world_.job({{"GET", "k"}}), world_.now, [&](const fallback_job& done, verdict) {
            replies += done.replies.view();
        });
    }
    world_.whose = world_.tenant_named("other");
    EXPECT_EQ(world_.ask({"GET", "k"}), nothing);
    EXPECT_EQ(replies.size(), 10 * bulk("v").size());
    EXPECT_EQ(world_.store().counters().read_trips_total, 1u);
    EXPECT_EQ(world_.store().counters().read_jobs_total, 11u);
}

TEST_F(postgres_answers_test, writes_of_one_turn_share_a_transaction) {
    world_.ask({"PING"});
    std::string replies;
    for (int i = 0; i < 10; ++i) {
        world_.store().answer(world_.job({{"INCR", "n"}}), world_.now, [&](const fallback_job& done, verdict) {
            replies += done.replies.view();
        });
    }
    EXPECT_EQ(world_.ask({"INCR", "n"}), ":11\r\n");
    EXPECT_THAT(replies, StartsWith(":1\r\n:2\r\n:3\r\n"));
    EXPECT_EQ(world_.store().counters().transactions_total, 1u);
}

TEST_F(postgres_answers_test, tenants_and_databases_are_apart) {
    world_.ask({"SET", "k", "acme 0"});
    world_.database = 3;
    world_.ask({"SET", "k", "acme 3"});
    world_.whose = world_.tenant_named("other");
    world_.ask({"SET", "k", "other 3"});
    EXPECT_EQ(world_.ask({"FLUSHDB"}), ok);
    EXPECT_EQ(world_.ask({"DBSIZE"}), ":0\r\n");
    world_.whose = world_.tenant_named("acme");
    EXPECT_EQ(world_.ask({"GET", "k"}), bulk("acme 3"));
    EXPECT_EQ(world_.ask({"COPY", "k", "copied", "DB", "7"}), ":1\r\n");
    EXPECT_EQ(world_.ask({"FLUSHDB"}), ok);
    world_.database = 0;
    EXPECT_EQ(world_.ask({"GET", "k"}), bulk("acme 0"));
    EXPECT_EQ(world_.ask({"COPY", "k", "k", "DB", "16"}), "-ERR DB index is out of range\r\n");
    world_.database = 7;
    EXPECT_EQ(world_.ask({"GET", "copied"}), bulk("acme 3"));
    EXPECT_EQ(world_.ask({"FLUSHALL"}), ok);
    EXPECT_EQ(world_.sql("select count(*) from {schema}.entries"), "0");
}

TEST_F(postgres_answers_test, a_transaction_is_one_array) {
    EXPECT_EQ(world_.transaction({{"SET", "a", "1"}, {"INCR", "a"}, {"GET", "a"}, {"LPUSH", "a", "x"}}),
              "*4\r\n+OK\r\n:2\r\n$1\r\n2\r\n-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    EXPECT_EQ(world_.transaction({{"GET", "a"}, {"DBSIZE"}, {"KEYS", "*"}}), "*3\r\n" + bulk("2") + ":1\r\n*1\r\n" + bulk("a"));
    EXPECT_EQ(world_.transaction({{"SET", "b", "1"}, {"DBSIZE"}, {"DEL", "a"}, {"KEYS", "*"}, {"RANDOMKEY"}, {"DBSIZE"}}),
              "*6\r\n+OK\r\n:2\r\n:1\r\n*1\r\n" + bulk("b") + bulk("b") + ":1\r\n");
    EXPECT_EQ(world_.transaction({{"FLUSHALL"}, {"SET", "c", "1"}, {"EXISTS", "b", "c"}, {"SCAN", "0"}, {"DBSIZE"}}),
              "*5\r\n+OK\r\n+OK\r\n:1\r\n*2\r\n" + bulk("0") + "*1\r\n" + bulk("c") + ":1\r\n");
    EXPECT_EQ(world_.ask({"KEYS", "*"}), "*1\r\n" + bulk("c"));
}

TEST_F(postgres_answers_test, keys_that_only_the_values_name_are_fetched) {
    world_.pipeline({{"RPUSH", "ids", "1", "2", "3"}, {"MSET", "w_1", "3", "w_2", "1", "w_3", "2"}, {"HSET", "o_2", "name", "two"}});
    EXPECT_EQ(world_.ask({"SORT_RO", "ids", "BY", "w_*", "GET", "#", "GET", "o_*->name"}),
              "*6\r\n" + bulk("2") + bulk("two") + bulk("3") + nothing + bulk("1") + nothing);
    EXPECT_EQ(world_.ask({"SORT", "ids", "BY", "w_*", "DESC", "STORE", "sorted"}), ":3\r\n");
    EXPECT_EQ(world_.ask({"LRANGE", "sorted", "0", "-1"}), "*3\r\n" + bulk("1") + bulk("3") + bulk("2"));
}

TEST_F(postgres_answers_test, what_the_engine_cannot_do_is_refused) {
    EXPECT_THAT(world_.pipeline({{"SET", "k", "v"}, {"XADD", "s", "*", "a", "b"}, {"GET", "k"}}),
                testing::MatchesRegex("\\+OK\r\n-FALLBACK breaker open: 'xadd' cannot be answered.*\r\n\\$1\r\nv\r\n"));
}

TEST_F(postgres_answers_test, scan_shows_every_key_that_stays) {
    std::vector<request> many;
    for (int i = 0; i < 1'000; ++i) many.push_back({"SET", "stays" + std::to_string(i), "x"});
    EXPECT_THAT(world_.pipeline(many), StartsWith(ok));
    int round = 0;
    between_pages_ = [&] {
        world_.pipeline({{"SET", "comes" + std::to_string(round), "x"}, {"DEL", "comes" + std::to_string(round - 3)},
                         {"APPEND", "stays" + std::to_string(round), "y"}});
        ++round;
    };
    const auto keys = scanned("70");
    EXPECT_GE(round, 14);
    for (int i = 0; i < 1'000; ++i) EXPECT_EQ(keys.count("stays" + std::to_string(i)), 1u) << i;
    EXPECT_EQ(scanned("100000").size(), 1'003u);
}

TEST_F(postgres_answers_test, scan_shows_keys_of_one_place_together) {
    world_.ask({"PING"});
    for (int i = 0; i < 5; ++i) world_.ask({"SET", "k" + std::to_string(i), "x"});
    world_.sql("alter table {schema}.entries alter column place drop expression; update {schema}.entries set place = 17");
    const std::string page = world_.ask({"SCAN", "0", "COUNT", "2"});
    EXPECT_EQ(lines_of(page).size(), 4u + 2 * 5);
    EXPECT_EQ(scanned("2").size(), 5u);
}

TEST_F(postgres_answers_test, places_are_those_of_the_table) {
    world_.ask({"SET", std::string("k\0\xff", 3), "x"});
    EXPECT_EQ(world_.sql("select place from {schema}.entries"), std::to_string(place_of(std::string_view("k\0\xff", 3))));
}

TEST_F(postgres_answers_test, keys_and_scan_keep_to_pattern_and_type) {
    std::vector<request> many;
    for (int i = 0; i < 2'500; ++i) many.push_back({"SET", "k" + std::to_string(i), "x"});
    world_.pipeline(many);
    world_.ask({"SADD", "set", "x"});
    EXPECT_THAT(world_.ask({"KEYS", "*"}), StartsWith("*2501\r\n"));
    EXPECT_THAT(world_.ask({"KEYS", "k12*"}), StartsWith("*111\r\n"));
    EXPECT_EQ(world_.ask({"SCAN", "0", "COUNT", "10000", "TYPE", "set"}), "*2\r\n" + bulk("0") + "*1\r\n" + bulk("set"));
    EXPECT_EQ(world_.ask({"SCAN", "18446744073709551615"}), "*2\r\n" + bulk("0") + "*0\r\n");
    EXPECT_EQ(world_.ask({"DBSIZE"}), ":2501\r\n");
    std::set<std::string> drawn;
    for (int i = 0; i < 20; ++i) drawn.insert(world_.ask({"RANDOMKEY"}));
    EXPECT_GT(drawn.size(), 10u);
}

TEST_F(postgres_answers_test, expired_keys_are_absent_at_once_and_removed_in_small_batches) {
    for (int i = 0; i < 5; ++i) world_.ask({"SET", "k" + std::to_string(i), "x", "PX", "100"});
    world_.ask({"SET", "stays", "x"});
    world_.now += 100;
    EXPECT_EQ(world_.ask({"GET", "k0"}), bulk("x"));
    world_.now += 1;
    EXPECT_EQ(world_.ask({"GET", "k0"}), nothing);
    EXPECT_EQ(world_.ask({"DBSIZE"}), ":1\r\n");
    EXPECT_EQ(world_.ask({"KEYS", "*"}), "*1\r\n" + bulk("stays"));
    EXPECT_EQ(world_.ask({"RANDOMKEY"}), bulk("stays"));
    EXPECT_EQ(world_.ask({"INCR", "k1"}), ":1\r\n");
    const auto expire = [&] {
        std::optional<std::optional<std::size_t>> went;
        world_.store().expire_some(3, world_.now, [&](std::optional<std::size_t> count) { went = count; });
        EXPECT_TRUE(world_.until([&] { return went.has_value(); }));
        return went->value_or(99);
    };
    EXPECT_EQ(expire(), 3u);
    EXPECT_EQ(expire(), 1u);
    EXPECT_EQ(expire(), 0u);
    EXPECT_EQ(world_.ask({"MGET", "k1", "stays"}), "*2\r\n" + bulk("1") + bulk("x"));
    EXPECT_EQ(world_.sql("select count(*) from {schema}.entries"), "2");
}

TEST_F(postgres_answers_test, writes_are_journaled_as_exact_operations) {
    world_.pipeline({{"SADD", "s", "a"}, {"SPOP", "s"}, {"DEL", "nothing"}, {"GET", "s"}, {"SETNX", "k", "1"}, {"SETNX", "k", "2"}});
    world_.transaction({{"EXPIRE", "k", "10"}, {"INCR", "k"}});
    EXPECT_EQ(world_.sql("select string_agg(array_to_string(words, ' '), ', ' order by id) from "
                         "{schema}.journal_shown where joined is null"),
              "SADD s a, SREM s a, DEL nothing, SET k 1");
    EXPECT_EQ(world_.sql("select string_agg(array_to_string(words, ' '), ', ' order by id) || count(distinct joined) from "
                         "{schema}.journal_shown where joined is not null"),
              "PEXPIREAT k 1700000010000, INCR k1");
    EXPECT_EQ(world_.sql("select distinct tenant || prefix || database from {schema}.journal"), "acmetenant:acme:0");
}

TEST_F(postgres_answers_test, nothing_is_journaled_where_nobody_wants_it) {
    world_.settings.journal = false;
    world_.pipeline({{"SET", "k", "1"}, {"DEL", "k"}});
    EXPECT_EQ(world_.sql("select count(*) from {schema}.journal"), "0");
}

TEST_F(postgres_answers_test, very_many_keys_are_locked_as_one) {
    request many{"MSET"};
    for (int i = 0; i < 2'000; ++i) {
        many.push_back("k" + std::to_string(i));
        many.push_back("x");
    }
    EXPECT_EQ(world_.ask(many), ok);
    EXPECT_EQ(world_.ask({"DBSIZE"}), ":2000\r\n");
}

TEST_F(postgres_answers_test, a_database_that_is_not_there_leaves_the_job_as_it_was) {
    world_.settings.pool.acquire_timeout = std::chrono::milliseconds{50};
    weir::temporary_folder nowhere;
    postgres_answers& store = world_.add_store("host=" + nowhere / "");
    for (const auto& each : {request{"GET", "k"}, request{"SET", "k", "v"}, request{"SCAN", "0"}}) {
        auto asked = world_.job({each});
        asked.replies.append("+before\r\n");
        const auto got = world_.run(store, std::move(asked));
        EXPECT_EQ(got.came, verdict::unable);
        EXPECT_EQ(got.job.replies.view(), "+before\r\n");
        EXPECT_EQ(got.job.performed, 0u);
        EXPECT_EQ(got.job.answered_by_postgres, 0u);
    }
}

TEST_F(postgres_answers_test, a_job_that_the_server_refuses_takes_none_of_its_neighbours_along) {
    world_.ask({"SET", "k", "v"});
    world_.sql("alter table {schema}.entries add constraint small check (length(string) < 100)");
    std::vector<std::string> came(4);
    for (std::size_t i = 0; i < came.size(); ++i) {
        const request words{"SET", "n" + std::to_string(i), i == 2 ? std::string(200, 'x') : "x"};
        world_.store().answer(world_.job({words}), world_.now, [&came, i](const fallback_job& done, verdict how) {
            came[i] = how == verdict::answered ? std::string(done.replies.view()) : "unable";
        });
    }
    ASSERT_TRUE(world_.until([&] { return std::ranges::none_of(came, &std::string::empty); }));
    EXPECT_THAT(came, testing::ElementsAre(ok, ok, "unable", ok));
    EXPECT_EQ(world_.ask({"EXISTS", "n0", "n1", "n2", "n3"}), ":3\r\n");
}

TEST_F(postgres_answers_test, a_row_that_holds_no_value_takes_no_other_answers_along) {
    world_.ask({"SET", "good", "v"});
    world_.sql("insert into {schema}.entries (prefix, database, key, type, elements) values ('tenant:acme:', 0, 'bad', 'hash', '{a}')");
    std::string good, bad;
    world_.store().answer(world_.job({{"HGETALL", "bad"}}), world_.now, [&](const fallback_job&, verdict how) {
        bad = how == verdict::unable ? "unable" : "answered";
    });
    world_.store().answer(world_.job({{"GET", "good"}}), world_.now, [&](const fallback_job& done, verdict) {
        good = done.replies.view();
    });
    ASSERT_TRUE(world_.until([&] { return !good.empty() && !bad.empty(); }));
    EXPECT_EQ(good, bulk("v"));
    EXPECT_EQ(bad, "unable");
    EXPECT_EQ(world_.ask({"HSET", "bad", "f", "v"}), "unable");
    EXPECT_EQ(world_.ask({"GET", "good"}), bulk("v"));
}

TEST_F(postgres_answers_test, every_job_comes_back_once_whenever_the_store_goes) {
    world_.pipeline({{"SET", "k", "v"}, {"RPUSH", "ids", "1", "2"}});
    world_.settings.pool.max = 2;
    std::size_t answered = 0;
    for (std::size_t steps = 0, all = 5; answered < all; ++steps) {
        ASSERT_LT(steps, 1'000u);
        answered = 0;
        postgres_answers& store = world_.add_store();
        const std::vector<std::vector<request>> asked{{{"GET", "k"}}, {{"INCR", "n"}}, {{"SCAN", "0"}}, {{"GET", "k"}, {"DBSIZE"}},
                                                      {{"SORT", "ids", "BY", "w_*", "STORE", "sorted"}}};
        std::vector<int> back(asked.size() + 1);
        for (std::size_t i = 0; i < asked.size(); ++i) {
            store.answer(world_.job(asked[i], asked[i].size() > 1), world_.now, [&, i](const fallback_job&, verdict how) {
                ++back[i];
                answered += how == verdict::answered;
            });
        }
        store.expire_some(1, world_.now, [&](const auto&) { ++back.back(); });
        for (std::size_t i = 0; i < steps; ++i) {
            world_.context.restart();
            world_.context.run_one_for(std::chrono::milliseconds{10});
        }
        world_.stores.pop_back();
        EXPECT_TRUE(world_.until([&] { return std::ranges::find(back, 0) == back.end(); })) << steps;
        world_.context.restart();
        world_.context.poll();
        EXPECT_THAT(back, testing::Each(1)) << steps;
    }
}

TEST_F(postgres_answers_test, writes_that_the_journal_has_no_room_for_are_refused_and_do_nothing) {
    const request large{"SET", "big", std::string(900, 'x')};
    world_.settings.max_journal_bytes = 1'000;
    EXPECT_EQ(world_.ask({"SET", "n", "1"}), ok);
    EXPECT_THAT(world_.ask(large), testing::MatchesRegex("-FALLBACK breaker open: 'set' .*\\(the journal is full\\)\r\n"));
    EXPECT_EQ(world_.pipeline({{"EXISTS", "big"}, {"INCR", "n"}}), ":0\r\n:2\r\n");
    EXPECT_THAT(world_.transaction({{"INCR", "n"}, large}),
                testing::MatchesRegex("-FALLBACK breaker open: 'exec' .*\\(the journal is full\\)\r\n"));
    // All weirs share it.
    postgres_answers& other = world_.add_store();
    EXPECT_EQ(world_.run(other, world_.job({large})).job.refused, 1u);
    while (world_.ask({"INCR", "n"}).front() == ':') {}
    EXPECT_EQ(world_.sql("select sum(bytes) <= 1000 and count(*) > 4 from {schema}.journal"), "t");
    EXPECT_EQ(world_.sql("select count(*)::text || sum(bytes)::text from {schema}.journal"),
              world_.sql("select sum(rows)::text || sum(bytes)::text from {schema}.journal_size"));
    const std::string counted = world_.sql("select count(*) + 0 from {schema}.journal");
    EXPECT_EQ(world_.ask({"GET", "n"}), bulk(counted));
    world_.sql("delete from {schema}.journal; update {schema}.journal_size set rows = 0, bytes = 0");
    EXPECT_EQ(world_.ask({"INCR", "n"}).front(), ':');
}

TEST_F(postgres_answers_test, a_value_that_the_journal_has_no_room_for_is_not_stored) {
    world_.settings.journal = false;
    std::vector<request> many;
    for (int i = 0; i < 100; ++i) many.push_back({"SADD", "s", "member" + std::to_string(i)});
    world_.pipeline(many);
    world_.settings.journal = true;
    world_.settings.max_journal_bytes = 1'000;
    postgres_answers& bounded = world_.add_store();
    const auto got = world_.run(bounded, world_.job({{"SUNIONSTORE", "t", "s"}}));
    EXPECT_THAT(std::string(got.job.replies.view()), HasSubstr("the journal is full"));
    EXPECT_EQ(world_.ask({"EXISTS", "t"}), ":0\r\n");
}

}  // namespace
}  // namespace weir::pg::test
