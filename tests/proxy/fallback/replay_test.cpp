#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/support/fallback_world.hpp"
#include "tests/support/redis_client.hpp"
#include "tests/support/redis_server.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::fallback_world;
using testing::HasSubstr;
using testing::StartsWith;

/// With `replay`, and a real Redis that the breaker thinks away.
class replay_test : public testing::Test, protected fallback_world {
protected:
    replay_test() {
        settings.fallback.memory.replay = true;
        settings.upstream.address = {"", 0, folder_ / "redis.sock"};
        settings.upstream.command_timeout = 2s;
        breaker_settings.open_for = 1ms;
        breaker_settings.max_open_for = 1ms;
        breaker_settings.successes_to_close = 1;
        breaker_settings.consecutive_failures = 1;
    }
    ~replay_test() override { end_service(); }

    void start_redis(std::vector<std::string> more = {}) {
        redis_.emplace(folder_, std::move(more));
        administrator_.emplace(folder_ / "redis.sock");
    }
    /// As weir's tenants have it.
    std::string redis(const std::vector<std::string>& words) { return administrator_->ask(words); }
    static std::string key(const std::string& name) { return "tenant:acme:" + name; }

    /// Redis is away, and nobody looks whether it is back.
    void lose_redis() {
        static_cast<void>(service());
        circuit().fail(breaker_failure::lost, later());
        ASSERT_EQ(circuit().state(), breaker_state::open);
    }
    /// What a health probe does.
    void probe() { circuit().probe(true, later()); }
    /// The breaker's time, which goes on with each of its events.
    [[nodiscard]] breaker_time later() { return time_ += 1s; }
    /// Probes until the breaker has closed.
    [[nodiscard]] bool recovers() {
        auto next = now();
        return until([&] {
            if (circuit().passes()) return true;
            if (now() < next) return false;
            next = now() + 20ms;
            probe();
            return false;
        });
    }

    temporary_folder folder_;
    std::optional<redis_server> redis_;
    std::optional<test::redis_client> administrator_;
    breaker_time time_ = now();
    std::atomic<int> written_{0};
};

TEST_F(replay_test, what_was_written_meanwhile_comes_to_redis_in_its_order) {
    start_redis();
    redis({"SET", key("n"), "41"});
    redis({"RPUSH", key("l"), "a"});
    lose_redis();
    EXPECT_EQ(ask({"INCR", "n"}), ":1\r\n") << "the store has no copy";
    ask({"RPUSH", "l", "b", "c"});
    ask({"SET", "s", "1", "EX", "1000"});
    ask({"APPEND", "s", "2"});
    ask({"HSET", "h", "f", "v"});
    ask({"HDEL", "h", "f"});
    auto elsewhere = job({{"SET", "k", "in database 3"}});
    elsewhere.database = 3;
    EXPECT_EQ(answer(std::move(elsewhere)), "+OK\r\n");
    EXPECT_EQ(service().numbers().journal_operations, 7u);
    EXPECT_EQ(redis({"GET", key("n")}), "41") << "not yet";
    ASSERT_TRUE(recovers());
    EXPECT_EQ(redis({"GET", key("n")}), "42");
    EXPECT_EQ(redis({"LRANGE", key("l"), "0", "-1"}), "a b c");
    EXPECT_EQ(redis({"GET", key("s")}), "12");
    EXPECT_GT(std::stoi(redis({"TTL", key("s")})), 900);
    EXPECT_EQ(redis({"EXISTS", key("h")}), "0");
    EXPECT_EQ(redis({"EXISTS", key("k")}), "0");
    redis({"SELECT", "3"});
    EXPECT_EQ(redis({"GET", key("k")}), "in database 3");
    EXPECT_TRUE(until([&] { return service().numbers().own_writes == 0; }));
    const auto numbers = service().numbers();
    EXPECT_EQ(numbers.replayed_total, 7u);
    EXPECT_EQ(numbers.journal_operations, 0u);
    EXPECT_EQ(numbers.journal_bytes, 0u);
    EXPECT_EQ(numbers.refused_by_redis_total, 0u);
    EXPECT_EQ(numbers.dropped_total, 0u);
    EXPECT_EQ(numbers.memory_keys, 0u) << "nothing is remembered";
    EXPECT_TRUE(until([&] { return !service().numbers().replaying; }));
}

TEST_F(replay_test, reads_hold_nothing) {
    start_redis();
    lose_redis();
    EXPECT_EQ(ask({"GET", "k"}), "$-1\r\n");
    EXPECT_EQ(ask({"SREM", "k", "m"}), ":0\r\n") << "nor what changes nothing";
    probe();
    EXPECT_TRUE(circuit().passes());
}

TEST_F(replay_test, many_operations_go_in_batches) {
    start_redis();
    lose_redis();
    constexpr int count = 2'345;
    for (int i = 0; i < count; ++i) post(job({{"RPUSH", "l", std::to_string(i)}}));
    for (int i = 0; i < count; ++i) EXPECT_EQ(next(0).replies.view(), ":" + std::to_string(i + 1) + "\r\n");
    ASSERT_TRUE(recovers());
    EXPECT_EQ(redis({"LLEN", key("l")}), std::to_string(count));
    for (const int i : {0, 99, 100, 101, 2'344}) EXPECT_EQ(redis({"LINDEX", key("l"), std::to_string(i)}), std::to_string(i));
}

TEST_F(replay_test, an_operation_that_redis_refuses_is_counted_and_the_rest_goes_on) {
    start_redis();
    redis({"SET", key("k"), "a string"});
    lose_redis();
    ask({"SET", "before", "1"});
    EXPECT_EQ(ask({"LPUSH", "k", "x"}), ":1\r\n");
    ask({"SET", "after", "1"});
    ASSERT_TRUE(recovers());
    EXPECT_EQ(redis({"GET", key("k")}), "a string");
    EXPECT_EQ(redis({"MGET", key("before"), key("after")}), "1 1");
    EXPECT_EQ(service().numbers().refused_by_redis_total, 1u);
    EXPECT_EQ(service().numbers().replayed_total, 2u);
}

TEST_F(replay_test, what_redis_does_not_even_queue_is_left_out_and_the_rest_goes_on) {
    start_redis();
    redis({"ACL", "SETUSER", "default", "-lpush"});
    lose_redis();
    ask({"SET", "before", "1"});
    ask({"LPUSH", "l", "x"});
    ask({"SET", "after", "1"});
    ASSERT_TRUE(recovers());
    EXPECT_EQ(redis({"MGET", key("before"), key("after"), key("l")}), "1 1 nil");
    EXPECT_EQ(service().numbers().refused_by_redis_total, 1u);
    EXPECT_EQ(service().numbers().replayed_total, 2u);
}

TEST_F(replay_test, an_operation_at_which_redis_hangs_up_each_time_is_given_up_and_the_rest_goes_on) {
    start_redis({"--proto-max-bulk-len", "1mb"});
    lose_redis();
    ask({"RPUSH", "l", "before"});
    EXPECT_EQ(ask({"SET", "k", std::string(1'500'000, 'x')}), "+OK\r\n");
    ask({"RPUSH", "l", "after"});
    ASSERT_TRUE(recovers());
    EXPECT_EQ(redis({"LRANGE", key("l"), "0", "-1"}), "before after");
    EXPECT_EQ(redis({"EXISTS", key("k")}), "0");
    EXPECT_EQ(service().numbers().refused_by_redis_total, 1u);
    EXPECT_EQ(service().numbers().replayed_total, 2u);
    EXPECT_TRUE(until([&] { return service().numbers().own_writes == 0; }));
    lose_redis();
    EXPECT_EQ(ask({"EXISTS", "k"}), ":0\r\n") << "nobody knows what Redis has";
}

TEST_F(replay_test, a_database_that_redis_has_not_costs_its_operations_alone) {
    start_redis({"--databases", "2"});
    lose_redis();
    auto nowhere = job({{"SET", "k", "nowhere"}});
    nowhere.database = 9;
    EXPECT_EQ(answer(std::move(nowhere)), "+OK\r\n");
    ask({"SET", "k", "here"});
    ASSERT_TRUE(recovers());
    EXPECT_EQ(redis({"GET", key("k")}), "here");
    EXPECT_EQ(service().numbers().refused_by_redis_total, 1u);
}

TEST_F(replay_test, while_redis_cannot_write_the_replay_waits) {
    start_redis();
    redis({"REPLICAOF", "127.0.0.1", "1"});
    lose_redis();
    ask({"SET", "k", "v"});
    probe();
    ASSERT_EQ(circuit().state(), breaker_state::half_open);
    EXPECT_TRUE(until([&] { return circuit().state() == breaker_state::open; })) << "READONLY";
    EXPECT_EQ(service().numbers().journal_operations, 1u);
    EXPECT_EQ(ask({"GET", "k"}), "$1\r\nv\r\n");
    redis({"REPLICAOF", "NO", "ONE"});
    ASSERT_TRUE(recovers());
    EXPECT_EQ(redis({"GET", key("k")}), "v");
    EXPECT_EQ(service().numbers().refused_by_redis_total, 0u);
}

/// It serves whoever reads: nobody is kept from it for longer than three attempts take.
TEST_F(replay_test, what_redis_takes_no_writes_of_is_given_up_in_the_end) {
    for (const std::vector<std::string>& setting : {std::vector<std::string>{"maxmemory", "1"}, {"min-replicas-to-write", "1"}}) {
        start_redis();
        redis({"CONFIG", "SET", setting[0], setting[1]});
        const auto before = service().numbers();
        lose_redis();
        ask({"SET", "k", "v"});
        ask({"INCR", "n"});
        for (int attempt = 0; attempt < 3; ++attempt) {
            probe();  // half-open, until the attempt has failed
            ASSERT_TRUE(until([&] { return circuit().state() == breaker_state::open; }));
            EXPECT_EQ(service().numbers().journal_operations, 2u);
            EXPECT_EQ(service().numbers().refused_by_redis_total, before.refused_by_redis_total);
        }
        ASSERT_TRUE(recovers());
        EXPECT_EQ(service().numbers().refused_by_redis_total, before.refused_by_redis_total + 2);
        EXPECT_EQ(service().numbers().replayed_total, before.replayed_total);
        EXPECT_EQ(service().numbers().journal_bytes, 0u);
        redis({"CONFIG", "SET", setting[0], "0"});
        EXPECT_EQ(redis({"EXISTS", key("k"), key("n")}), "0");
    }
}

TEST_F(replay_test, a_redis_that_takes_writes_again_before_that_gets_all_of_them) {
    start_redis();
    for (int outage = 0; outage < 2; ++outage) {  // the second has three attempts again
        redis({"CONFIG", "SET", "maxmemory", "1"});
        lose_redis();
        ask({"INCR", "n"});
        for (int attempt = 0; attempt < 2; ++attempt) {
            probe();
            ASSERT_TRUE(until([&] { return circuit().state() == breaker_state::open; }));
        }
        redis({"CONFIG", "SET", "maxmemory", "0"});
        ASSERT_TRUE(recovers());
        EXPECT_EQ(redis({"GET", key("n")}), std::to_string(outage + 1));
    }
    EXPECT_EQ(service().numbers().refused_by_redis_total, 0u);
}

/// The tenants' keys are all that weir needs while Redis is there.
TEST_F(replay_test, a_user_who_may_not_write_the_marker_has_each_operation_done_alone) {
    settings.upstream.username = "weir";
    settings.upstream.password = "secret";
    start_redis();
    redis({"ACL", "SETUSER", "weir", "on", ">secret", "~tenant:*", "&*", "+@all"});
    lose_redis();
    for (int i = 0; i < 50; ++i) ask({"INCR", "n"});
    ASSERT_TRUE(recovers());
    EXPECT_EQ(redis({"GET", key("n")}), "50");
    EXPECT_EQ(service().numbers().replayed_total, 50u);
    EXPECT_EQ(service().numbers().refused_by_redis_total, 0u);
}

TEST_F(replay_test, a_transaction_comes_to_redis_as_one) {
    start_redis();
    lose_redis();
    for (int i = 0; i < 150; ++i) {
        auto transaction = job({{"INCR", "a"}, {"INCR", "b"}, {"INCR", "c"}});
        transaction.transaction = true;
        post(std::move(transaction));
    }
    for (int i = 0; i < 150; ++i) static_cast<void>(next(0));
    test::redis_client monitor(folder_ / "redis.sock");
    monitor.ask({"MONITOR"});
    ASSERT_TRUE(recovers());
    EXPECT_EQ(redis({"MGET", key("a"), key("b"), key("c")}), "150 150 150");
    int in_batch = 0;
    int batches = 0;
    for (std::string line; line.find("\"MGET\"") == std::string::npos; line = monitor.next()) {
        if (line.find("\"INCR\"") != std::string::npos) ++in_batch;
        if (line.find("\"EXEC\"") == std::string::npos || in_batch == 0) continue;
        ++batches;
        EXPECT_EQ(in_batch % 3, 0);
        in_batch = 0;
    }
    EXPECT_GT(batches, 3);
}

/// 100 of them in one transaction would keep Redis from everybody for as long as its own data takes.
TEST_F(replay_test, what_was_stored_of_other_keys_comes_to_redis_as_it_was_acknowledged) {
    start_redis();
    redis({"ZADD", key("z"), "1", "a", "2", "b", "3", "c"});
    redis({"SET", key("k"), "Redis'"});
    lose_redis();
    ask({"ZADD", "z", "5", "mine"});
    EXPECT_EQ(ask({"ZUNIONSTORE", "d", "1", "z"}), ":1\r\n");
    ask({"SET", "k", "mine", "PX", "100000"});
    EXPECT_EQ(ask({"COPY", "k", "l", "DB", "3"}), ":1\r\n");
    ASSERT_TRUE(recovers());
    EXPECT_EQ(redis({"ZRANGE", key("d"), "0", "-1"}), "mine");
    EXPECT_EQ(redis({"ZCARD", key("z")}), "4");
    redis({"SELECT", "3"});
    EXPECT_EQ(redis({"GET", key("l")}), "mine");
    EXPECT_GT(std::stoi(redis({"PTTL", key("l")})), 50'000);
    EXPECT_EQ(service().numbers().refused_by_redis_total, 0u);
}

TEST_F(replay_test, a_transaction_that_makes_more_and_more_stops_where_the_journal_is_full) {
    settings.fallback.memory.max_journal_bytes = 1'000'000;
    start_redis();
    lose_redis();
    std::vector<request> commands{{"RPUSH", "l"}, {"SORT", "l", "BY", "nosort"}};
    for (int i = 0; i < 100; ++i) commands[0].push_back(std::to_string(i));
    for (int i = 0; i < 30; ++i) commands.push_back({"SORT", "l", "BY", "nosort", "GET", "#", "GET", "#", "STORE", "l"});
    commands.push_back({"SET", "after", "v"});
    auto transaction = job(commands);
    transaction.transaction = true;
    const auto done = run(std::move(transaction));
    EXPECT_THAT(std::string(done.replies.view()), HasSubstr("\r\n:400\r\n"));
    EXPECT_THAT(std::string(done.replies.view()), HasSubstr("\r\n-FALLBACK breaker open: 'sort' cannot be "));
    EXPECT_THAT(std::string(done.replies.view()), testing::EndsWith("(the journal is full)\r\n+OK\r\n"));
    EXPECT_LE(service().numbers().journal_bytes, 1'000'000u);
    const auto length = ask({"LLEN", "l"});
    ASSERT_TRUE(recovers());
    EXPECT_EQ(":" + redis({"LLEN", key("l")}) + "\r\n", length);
    EXPECT_EQ(redis({"GET", key("after")}), "v");
}

TEST_F(replay_test, a_full_journal_refuses_writes_before_they_are_done) {
    settings.fallback.memory.max_journal_bytes = 20'000;
    start_redis();
    lose_redis();
    int accepted = 0;
    std::string refused;
    for (int i = 0; i < 100 && refused.empty(); ++i) {
        const auto reply = ask({"APPEND", "k", std::string(1'000, 'x')});
        if (reply.front() == '-') refused = reply;
        else ++accepted;
    }
    EXPECT_THAT(refused, StartsWith("-FALLBACK breaker open: 'append' "));
    EXPECT_THAT(refused, HasSubstr("(the journal is full)"));
    EXPECT_LE(service().numbers().journal_bytes, 20'000u);
    EXPECT_GT(accepted, 10);
    const std::string length = ":" + std::to_string(accepted * 1'000) + "\r\n";
    EXPECT_EQ(ask({"STRLEN", "k"}), length) << "reads go on";
    auto transaction = job({{"APPEND", "k", std::string(1'000, 'y')}, {"GET", "k"}});
    transaction.transaction = true;
    const auto done = run(std::move(transaction));
    EXPECT_THAT(std::string(done.replies.view()), StartsWith("-FALLBACK breaker open: 'exec' "));
    EXPECT_EQ(done.refused, 2u);
    EXPECT_EQ(ask({"STRLEN", "k"}), length);
    ASSERT_TRUE(recovers());
    EXPECT_EQ(redis({"STRLEN", key("k")}), std::to_string(accepted * 1'000));
}

TEST_F(replay_test, a_tenant_that_fills_the_journal_leaves_room_for_the_others) {
    settings.fallback.memory.max_journal_bytes = 100'000;
    start_redis();
    lose_redis();
    while (ask({"SET", "k", std::string(1'000, 'x')}).front() == '+') {
    }
    auto others = job({{"SET", "k", std::string(1'000, 'y')}, {"DEL", "none"}});
    others.whose = tenant_named("other");
    EXPECT_EQ(answer(std::move(others)), "+OK\r\n:0\r\n");
    ASSERT_TRUE(recovers());
    EXPECT_EQ(redis({"GET", "tenant:other:k"}), std::string(1'000, 'y'));
}

TEST_F(replay_test, what_memory_does_not_know_is_deleted_all_the_same) {
    settings.fallback.memory.max_bytes = 50'000;
    start_redis();
    for (const char* name : {"cached", "one", "two", "queued", "kept"}) redis({"SET", key(name), "of before"});
    lose_redis();
    EXPECT_EQ(ask({"DEL", "cached"}), ":0\r\n");
    EXPECT_EQ(ask({"UNLINK", "one", "two"}), ":0\r\n");
    auto transaction = job({{"GET", "queued"}, {"DEL", "queued"}});
    transaction.transaction = true;
    EXPECT_EQ(answer(std::move(transaction)), "*2\r\n$-1\r\n:0\r\n");
    ask({"SET", "pushed out", "v"});
    for (int i = 0; i < 100; ++i) ask({"SET", "fills " + std::to_string(i), std::string(1'000, 'x')});
    EXPECT_EQ(ask({"GET", "pushed out"}), "$-1\r\n");
    EXPECT_EQ(ask({"DEL", "pushed out"}), ":0\r\n");
    ASSERT_TRUE(recovers());
    EXPECT_EQ(redis({"EXISTS", key("cached"), key("one"), key("two"), key("queued"), key("pushed out")}), "0");
    EXPECT_EQ(redis({"GET", key("kept")}), "of before");
}

/// Each SORT is short, and stores the whole list anew.
TEST_F(replay_test, a_transaction_of_short_commands_does_not_take_the_journal_beyond_its_bound) {
    settings.fallback.memory.max_journal_bytes = 1 << 20;
    start_redis();
    lose_redis();
    request list{"RPUSH", "l"};
    for (int i = 0; i < 1'000; ++i) list.push_back(std::string(100, 'x'));
    ask(list);
    auto transaction = job(std::vector<request>(100, {"SORT", "l", "ALPHA", "STORE", "d"}));
    transaction.transaction = true;
    const auto reply = answer(std::move(transaction));
    EXPECT_THAT(reply, StartsWith("*100\r\n:1000\r\n"));
    EXPECT_THAT(reply, HasSubstr("-FALLBACK breaker open: 'sort' cannot be answered while Redis is away (the journal is full)\r\n"));
    EXPECT_LE(service().numbers().journal_bytes, std::size_t{1} << 20);
    auto others = job({{"SET", "k", "v"}});
    others.whose = tenant_named("other");
    EXPECT_EQ(answer(std::move(others)), "+OK\r\n");
    ASSERT_TRUE(recovers());
    EXPECT_EQ(redis({"LLEN", key("d")}), "1000") << "what was done of it";
}

TEST_F(replay_test, flushes_one_behind_the_other_are_done_once) {
    start_redis();
    redis({"SET", key("k"), "v"});
    lose_redis();
    for (int i = 0; i < 500; ++i) {
        EXPECT_EQ(answer(job({{"FLUSHALL"}, {"GET", "k"}})), "+OK\r\n$-1\r\n");
        auto others = job({{"SET", "k", std::to_string(i)}});
        others.whose = tenant_named("other");
        EXPECT_EQ(answer(std::move(others)), "+OK\r\n");
    }
    EXPECT_EQ(service().numbers().journal_operations, 501u);
    ASSERT_TRUE(recovers());
    EXPECT_EQ(redis({"KEYS", "tenant:*"}), "tenant:other:k");
    EXPECT_EQ(redis({"GET", "tenant:other:k"}), "499");
    EXPECT_EQ(service().numbers().replayed_total, 501u);
}

TEST_F(replay_test, flushdb_takes_the_tenants_keys_alone_and_what_comes_later_stays) {
    start_redis();
    for (int i = 0; i < 2'000; ++i) redis({"SET", key(std::to_string(i)), "v"});
    redis({"SET", "tenant:other:k", "v"});
    redis({"SELECT", "1"});
    redis({"SET", key("elsewhere"), "v"});
    redis({"SELECT", "0"});
    lose_redis();
    ask({"SET", "before", "1"});
    ask({"FLUSHDB"});
    ask({"SET", "after", "1"});
    ASSERT_TRUE(recovers());
    EXPECT_EQ(redis({"KEYS", "tenant:acme:*"}), key("after"));
    EXPECT_EQ(redis({"GET", "tenant:other:k"}), "v");
    redis({"SELECT", "1"});
    EXPECT_EQ(redis({"GET", key("elsewhere")}), "v");
}

TEST_F(replay_test, flushall_takes_them_in_every_database) {
    start_redis();
    redis({"SET", "tenant:other:k", "v"});
    redis({"SELECT", "1"});
    redis({"SET", key("elsewhere"), "v"});
    lose_redis();
    ask({"FLUSHALL"});
    ASSERT_TRUE(recovers());
    EXPECT_EQ(redis({"EXISTS", key("elsewhere")}), "0");
    redis({"SELECT", "0"});
    EXPECT_EQ(redis({"GET", "tenant:other:k"}), "v");
}

TEST_F(replay_test, what_was_replayed_stays_as_a_copy_where_all_of_it_is_known) {
    settings.fallback.remember.writes = true;
    start_redis();
    redis({"SET", key("counter"), "100"});
    lose_redis();
    ask({"SET", "known", "1"});
    ask({"INCR", "known"});
    ask({"INCR", "counter"});
    ask({"SET", "refused", "1"});
    ASSERT_TRUE(recovers());
    EXPECT_TRUE(until([&] { return service().numbers().own_writes == 0; }));
    lose_redis();
    EXPECT_EQ(ask({"MGET", "known", "counter", "refused"}), "*3\r\n$1\r\n2\r\n$-1\r\n$1\r\n1\r\n");
    service().stamps()->write(write_stamps::slot_of("tenant:acme:", 0, "known"), 1);
    EXPECT_EQ(ask({"GET", "known"}), "$-1\r\n") << "written through weir since";
}

TEST_F(replay_test, writes_during_the_replay_are_neither_lost_nor_out_of_order) {
    start_redis();
    lose_redis();
    constexpr int before = 20'000;  // the last 5,000 are replayed while nothing is accepted
    for (int i = 0; i < before; ++i) post(job({{"RPUSH", "l", std::to_string(i)}}));
    for (int i = 0; i < before; ++i) static_cast<void>(next(0));
    std::jthread writing([&](const std::stop_token& stop) {
        for (int i = before; !stop.stop_requested(); ++i) {
            const auto done = run(job({{"RPUSH", "l", std::to_string(i)}}));
            if (done.result == fallback_job::outcome::returned) return;  // the breaker has closed
            written_.store(i + 1);
        }
    });
    const bool closed = recovers();
    writing.join();
    ASSERT_TRUE(closed);
    EXPECT_GE(written_.load(), before);
    EXPECT_EQ(redis({"LLEN", key("l")}), std::to_string(std::max(written_.load(), before)));
    std::string expected;
    for (int i = 0; i < std::max(written_.load(), before); ++i) expected += (i == 0 ? "" : " ") + std::to_string(i);
    EXPECT_EQ(redis({"LRANGE", key("l"), "0", "-1"}), expected);
}

/// A full journal takes in as many as the replay takes out.
TEST_F(replay_test, it_ends_although_clients_write_on_and_on) {
    settings.fallback.memory.max_journal_bytes = 4 << 20;
    start_redis();
    lose_redis();
    std::vector<std::jthread> writing;
    for (std::size_t worker = 0; worker < workers; ++worker) {
        writing.emplace_back([this, worker](const std::stop_token& stop) {
            const std::vector<request> increments(200, {"INCR", "n"});
            for (int i = 0; i < 5; ++i) post(job(increments, worker));
            for (int left = 5; left > 0 && !stop.stop_requested();) {
                auto done = next(worker);
                if (done.result == fallback_job::outcome::returned) {
                    --left;
                    continue;
                }
                written_ += static_cast<int>(done.performed - done.refused);
                post(job(increments, worker));
            }
        });
    }
    ASSERT_TRUE(until([&] { return service().numbers().journal_bytes > 2'500'000; }));
    ASSERT_TRUE(recovers());
    for (std::jthread& one : writing) one.join();
    EXPECT_EQ(redis({"GET", key("n")}), std::to_string(written_.load()));
}

/// Redis is killed while the replay is under way, and comes back with what it had on disk: after an EXEC the answer of which
/// may be lost, or before.
TEST_F(replay_test, nothing_is_repeated_nor_skipped_when_redis_is_killed_in_the_middle) {
    start_redis({"--appendonly", "yes", "--appendfsync", "always"});
    redis({"PING"});
    lose_redis();
    constexpr int count = 3'000;
    for (int i = 0; i < count; ++i) {
        post(job({{"INCR", "n"}}));
        post(job({{"RPUSH", "l", std::to_string(i)}}));
    }
    for (int i = 0; i < 2 * count; ++i) static_cast<void>(next(0));
    for (int round = 0; round < 6; ++round) {
        const auto replayed = service().numbers().replayed_total;
        auto due = now();
        ASSERT_TRUE(until([&] {
            if (!circuit().passes() && now() >= due) {
                due = now() + 20ms;
                probe();
            }
            return circuit().passes() || service().numbers().replayed_total > replayed;
        }));
        redis_->kill();
        redis_->start();
    }
    ASSERT_TRUE(recovers());
    EXPECT_EQ(redis({"GET", key("n")}), std::to_string(count));
    EXPECT_EQ(redis({"LLEN", key("l")}), std::to_string(count));
    EXPECT_EQ(service().numbers().replayed_total, 2u * count);
}

/// The batch stands unread in the socket of a Redis that is frozen; weir gives up waiting. When Redis goes on, it finds the
/// old batch and the new connection's at once.
TEST_F(replay_test, a_batch_that_a_frozen_redis_finds_later_is_not_done_twice) {
    settings.upstream.command_timeout = 500ms;
    start_redis();
    for (int round = 0; round < 5; ++round) {
        lose_redis();
        for (int i = 0; i < 1'000; ++i) post(job({{"INCR", "n"}}));
        for (int i = 0; i < 1'000; ++i) static_cast<void>(next(0));
        probe();
        ASSERT_TRUE(until([&] { return service().numbers().replayed_total > 1'000u * round || circuit().passes(); }));
        redis_->freeze();
        ASSERT_TRUE(until([&] { return circuit().passes() || circuit().state() == breaker_state::open; }));
        redis_->thaw();
        ASSERT_TRUE(recovers());
        EXPECT_EQ(redis({"GET", key("n")}), std::to_string(1'000 * (round + 1)));
    }
}

}  // namespace
}  // namespace weir
