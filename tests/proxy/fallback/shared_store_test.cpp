// The store in Postgres as the fallback uses it, with a real Redis and a real Postgres.

#include "tests/support/postgres_server.hpp"

#include "proxy/fallback/shared_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "tests/support/fallback_world.hpp"
#include "tests/support/redis_client.hpp"
#include "tests/support/redis_server.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::fallback_world;
using testing::HasSubstr;

/// One of the weirs on a schema.
class weir_process : public fallback_world {
public:
    weir_process(const std::string& redis, const std::string& dsn, const std::string& schema) {
        settings.fallback.order = {fallback_store::postgres};
        settings.fallback.postgres.dsn = dsn;
        settings.fallback.postgres.schema = schema;
        // A machine may be slow; what ends is told at once.
        settings.fallback.postgres.start_timeout = patience;
        settings.fallback.postgres.statement_timeout = patience;
        settings.fallback.postgres.pool.acquire_timeout = patience;
        settings.fallback.postgres.pool.connect_timeout = patience;
        settings.upstream.address = {"", 0, redis};
        settings.upstream.command_timeout = 2s;
        breaker_settings.open_for = 1ms;
        breaker_settings.max_open_for = 1ms;
        breaker_settings.successes_to_close = 1;
        breaker_settings.consecutive_failures = 1;
    }

    /// Redis is away, and nobody looks whether it is back.
    void lose_redis() {
        static_cast<void>(service());
        circuit().fail(breaker_failure::lost, later());
        ASSERT_EQ(circuit().state(), breaker_state::open);
    }
    /// What a health probe does.
    void probe() { circuit().probe(true, later()); }
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
    [[nodiscard]] shared_store_numbers numbers() { return service().numbers().postgres.value_or(shared_store_numbers{}); }
    /// Leaves the store, so that the next outage finds none in it.
    [[nodiscard]] bool leaves() {
        return until([&] { return !numbers().in_use; });
    }

private:
    [[nodiscard]] breaker_time later() { return time_ += 1s; }
    breaker_time time_ = now();
};

class shared_store_test : public testing::Test {
protected:
    shared_store_test() {
        redis_.emplace(folder_, std::vector<std::string>{});
        administrator_.emplace(folder_ / "redis.sock");
        start();
    }

    void start() { weir_.emplace(folder_ / "redis.sock", postgres().dsn(), schema_); }
    [[nodiscard]] static test::postgres_server& postgres() { return test::shared_postgres(); }
    /// As weir's tenants have it.
    std::string redis(const std::vector<std::string>& words) { return administrator_->ask(words); }
    static std::string key(const std::string& name) { return "tenant:acme:" + name; }
    std::string sql(std::string text) {
        for (auto at = text.find("{schema}"); at != std::string::npos; at = text.find("{schema}")) text.replace(at, 8, schema_);
        const std::unique_ptr<PGconn, decltype(&PQfinish)> on(PQconnectdb(postgres().dsn().c_str()), &PQfinish);
        const std::unique_ptr<PGresult, decltype(&PQclear)> got(PQexec(on.get(), text.c_str()), &PQclear);
        EXPECT_EQ(PQresultErrorMessage(got.get()), std::string());
        return PQntuples(got.get()) == 0 ? "" : PQgetvalue(got.get(), 0, 0);
    }
    [[nodiscard]] std::string marker() {
        redis({"SELECT", "0"});
        return redis({"KEYS", std::string("\x01") + "weir:replay:*"});
    }

    static std::string fresh_schema() {
        static int count = 0;
        return "weir_shared_" + std::to_string(++count);
    }

    const std::string schema_ = fresh_schema();
    temporary_folder folder_;
    std::optional<redis_server> redis_;
    std::optional<test::redis_client> administrator_;
    std::optional<weir_process> weir_;
};

TEST_F(shared_store_test, what_was_written_meanwhile_comes_to_redis_in_its_order) {
    redis({"SET", key("n"), "41"});
    redis({"RPUSH", key("l"), "a"});
    weir_->lose_redis();
    EXPECT_EQ(weir_->ask({"INCR", "n"}), ":1\r\n") << "the store has no copy";
    weir_->ask({"RPUSH", "l", "b", "c"});
    weir_->ask({"SET", "s", "1", "EX", "1000"});
    weir_->ask({"APPEND", "s", "2"});
    EXPECT_EQ(weir_->ask({"GET", "s"}), "$2\r\n12\r\n");
    auto elsewhere = weir_->job({{"SET", "k", "in database 3"}});
    elsewhere.database = 3;
    const auto done = weir_->run(std::move(elsewhere));
    EXPECT_EQ(done.answered_by_postgres, 1u);
    EXPECT_EQ(sql("select count(*) from {schema}.journal"), "5");
    EXPECT_EQ(redis({"GET", key("n")}), "41") << "not yet";
    EXPECT_EQ(weir_->service().numbers().store, "postgres");
    ASSERT_TRUE(weir_->recovers());
    EXPECT_EQ(redis({"GET", key("n")}), "42");
    EXPECT_EQ(redis({"LRANGE", key("l"), "0", "-1"}), "a b c");
    EXPECT_EQ(redis({"GET", key("s")}), "12");
    EXPECT_GT(std::stoi(redis({"TTL", key("s")})), 900);
    redis({"SELECT", "3"});
    EXPECT_EQ(redis({"GET", key("k")}), "in database 3");
    EXPECT_EQ(sql("select count(*) from {schema}.journal"), "0");
    EXPECT_EQ(weir_->service().numbers().replayed_total, 5u);
}

TEST_F(shared_store_test, reads_that_find_nothing_written_close_at_once) {
    weir_->lose_redis();
    EXPECT_EQ(weir_->ask({"GET", "k"}), "$-1\r\n");
    weir_->probe();
    EXPECT_TRUE(weir_->circuit().passes());
}

TEST_F(shared_store_test, what_an_outage_has_left_is_not_what_the_next_one_shows) {
    weir_->lose_redis();
    weir_->ask({"SET", "k", "of the first outage"});
    ASSERT_TRUE(weir_->recovers());
    redis({"SET", key("k"), "of Redis"});
    ASSERT_TRUE(weir_->leaves());
    weir_->lose_redis();
    EXPECT_EQ(weir_->ask({"GET", "k"}), "$-1\r\n");
    ASSERT_TRUE(weir_->recovers());
    EXPECT_EQ(redis({"GET", key("k")}), "of Redis");
}

TEST_F(shared_store_test, a_process_that_starts_replays_what_one_that_died_has_left) {
    weir_->lose_redis();
    weir_->ask({"SET", "k", "1"});
    weir_->ask({"INCR", "k"});
    start();
    static_cast<void>(weir_->service());
    EXPECT_FALSE(weir_->circuit().passes()) << "nobody may see Redis before";
    EXPECT_EQ(weir_->ask({"INCR", "k"}), ":3\r\n");
    ASSERT_TRUE(weir_->recovers());
    EXPECT_EQ(redis({"GET", key("k")}), "3");
}

TEST_F(shared_store_test, a_batch_that_redis_has_is_not_done_again_when_the_process_died_before_it_knew) {
    weir_->lose_redis();
    weir_->ask({"INCR", "n"});
    weir_.reset();
    sql("update {schema}.replay set batch = 77, ids = array(select id from {schema}.journal)");
    // As if Redis had done the batch.
    redis({"SET", std::string("\x01") + "weir:replay:" + sql("select marker from {schema}.replay"), "77"});
    redis({"SET", key("n"), "1"});
    start();
    weir_->ask({"INCR", "n"});
    ASSERT_TRUE(weir_->recovers());
    EXPECT_EQ(redis({"GET", key("n")}), "2");
}

TEST_F(shared_store_test, what_redis_refuses_is_kept_with_its_reason) {
    weir_->lose_redis();
    weir_->ask({"RPUSH", "k", "a"});
    weir_->ask({"SET", "other", "v"});
    redis({"SET", key("k"), "of another type"});
    ASSERT_TRUE(weir_->recovers());
    EXPECT_EQ(redis({"GET", key("other")}), "v");
    EXPECT_EQ(sql("select reason || ' ' || array_to_string(array(select convert_from(word, 'UTF8') from unnest(words) as w (word)), ' ')"
                  " from {schema}.dead_letters"),
              "WRONGTYPE RPUSH k a");
    EXPECT_TRUE(weir_->until([&] { return weir_->numbers().dead_letters == 1; }));
}

TEST_F(shared_store_test, flushes_and_transactions_are_replayed_too) {
    redis({"SET", key("old"), "v"});
    redis({"SET", "tenant:other:k", "v"});
    weir_->lose_redis();
    weir_->ask({"FLUSHDB"});
    weir_->ask({"FLUSHDB"});
    auto both = weir_->job({{"SET", "a", "1"}, {"INCR", "a"}});
    both.transaction = true;
    EXPECT_EQ(weir_->answer(std::move(both)), "*2\r\n+OK\r\n:2\r\n");
    ASSERT_TRUE(weir_->recovers());
    EXPECT_EQ(redis({"EXISTS", key("old")}), "0");
    EXPECT_EQ(redis({"GET", key("a")}), "2");
    EXPECT_EQ(redis({"EXISTS", "tenant:other:k"}), "1");
}

TEST_F(shared_store_test, one_that_is_closed_replays_for_one_that_died) {
    weir_process other(folder_ / "redis.sock", postgres().dsn(), schema_);
    static_cast<void>(other.service());
    weir_->lose_redis();
    weir_->ask({"SET", "k", "v"});
    EXPECT_EQ(redis({"EXISTS", key("k")}), "0");
    weir_.reset();
    EXPECT_TRUE(other.until([&] { return redis({"GET", key("k")}) == "v"; }));
    EXPECT_TRUE(other.until([&] { return sql("select count(*) from {schema}.journal") == "0"; }));
    EXPECT_TRUE(other.circuit().passes());
}

TEST_F(shared_store_test, two_that_are_open_see_what_each_other_writes_and_replay_it_once) {
    weir_process other(folder_ / "redis.sock", postgres().dsn(), schema_);
    weir_->lose_redis();
    other.lose_redis();
    EXPECT_EQ(weir_->ask({"INCR", "n"}), ":1\r\n");
    EXPECT_EQ(other.ask({"INCR", "n"}), ":2\r\n");
    EXPECT_EQ(weir_->ask({"INCR", "n"}), ":3\r\n");
    ASSERT_TRUE(weir_->recovers());
    EXPECT_EQ(other.ask({"INCR", "n"}), ":4\r\n");
    ASSERT_TRUE(other.recovers());
    EXPECT_EQ(redis({"GET", key("n")}), "4");
}

TEST_F(shared_store_test, the_journal_gets_empty_while_clients_go_on_writing) {
    weir_->lose_redis();
    int answered = 0;
    int returned = 0;
    const auto take = [&] {
        const auto done = weir_->next(0);
        (done.result == fallback_job::outcome::answered ? answered : returned) += 1;
    };
    for (int i = 0; i < 500; ++i) weir_->post(weir_->job({{"INCR", "n"}}));
    take();
    int waiting = 499;
    // As many clients as jobs: each sends another one when it has been answered.
    while (!weir_->circuit().passes() && answered < 100'000) {
        if (answered % 200 == 0) weir_->probe();
        weir_->post(weir_->job({{"INCR", "n"}}));
        take();
    }
    for (; waiting > 0; --waiting) take();
    EXPECT_EQ(redis({"GET", key("n")}), std::to_string(answered)) << returned << " went to Redis";
}

TEST_F(shared_store_test, an_outage_right_behind_another_does_not_show_what_that_one_left) {
    for (int i = 0; i < 20; ++i) {
        weir_->lose_redis();
        EXPECT_EQ(weir_->ask({"SETNX", "k", "v"}), ":1\r\n") << i;
        ASSERT_TRUE(weir_->recovers());
    }
}

TEST_F(shared_store_test, a_connection_that_breaks_does_not_make_this_outage_one_that_is_over) {
    weir_process other(folder_ / "redis.sock", postgres().dsn(), schema_);
    static_cast<void>(other.service());
    weir_->lose_redis();
    weir_->ask({"SET", "k", "v"});
    // The other one replays it, and this one goes on with an empty journal.
    ASSERT_TRUE(other.until([&] { return sql("select count(*) from {schema}.journal") == "0"; }));
    sql("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and mode = 'ShareLock' and objid = 1"
        " and classid = '{schema}'::regnamespace::oid");
    EXPECT_EQ(weir_->ask({"GET", "k"}), "$1\r\nv\r\n");
    EXPECT_EQ(weir_->ask({"SETNX", "k", "w"}), ":0\r\n");
}

TEST_F(shared_store_test, a_key_that_postgres_cannot_hold_is_refused_alone) {
    weir_->settings.fallback.order = {fallback_store::postgres, fallback_store::memory};
    weir_->lose_redis();
    weir_->ask({"SET", "k", "v"});
    std::string key;
    for (std::uint32_t i = 1; key.size() < 6'000; ++i) key += std::to_string(i * 2'654'435'761U);
    EXPECT_THAT(weir_->ask({"SET", key, "v"}), HasSubstr("Postgres refused it"));
    EXPECT_EQ(weir_->service().numbers().store, "postgres");
    EXPECT_EQ(weir_->ask({"GET", "k"}), "$1\r\nv\r\n");
}

/// With the memory behind it, and a Postgres of its own.
class broken_store_test : public shared_store_test {
protected:
    broken_store_test() {
        weir_.emplace(folder_ / "redis.sock", own_.dsn(), schema_);
        weir_->settings.fallback.order = {fallback_store::postgres, fallback_store::memory};
        weir_->settings.fallback.memory.replay = true;
    }
    test::postgres_server own_;
};

TEST_F(broken_store_test, memory_answers_instead_until_redis_is_back_and_all_of_it_is_replayed_in_its_order) {
    weir_->lose_redis();
    EXPECT_EQ(weir_->ask({"RPUSH", "l", "a"}), ":1\r\n");
    own_.kill();
    EXPECT_EQ(weir_->ask({"GET", "none"}), "$-1\r\n");
    EXPECT_EQ(weir_->ask({"RPUSH", "l", "b"}), ":1\r\n") << "the memory has no copy";
    EXPECT_EQ(weir_->service().numbers().store, "memory");
    own_.start();
    ASSERT_TRUE(weir_->until([&] { return weir_->numbers().available; }));
    EXPECT_EQ(weir_->ask({"RPUSH", "l", "c"}), ":2\r\n") << "or it would come before b";
    ASSERT_TRUE(weir_->recovers());
    EXPECT_EQ(redis({"LRANGE", key("l"), "0", "-1"}), "a b c");
}

TEST_F(broken_store_test, redis_is_not_let_in_before_the_journal_can_be_read_again) {
    weir_->lose_redis();
    weir_->ask({"SET", "k", "v"});
    own_.kill();
    for (int i = 0; i < 5; ++i) weir_->probe();
    EXPECT_EQ(weir_->ask({"GET", "none"}), "$-1\r\n");
    EXPECT_FALSE(weir_->circuit().passes());
    own_.start();
    ASSERT_TRUE(weir_->recovers());
    EXPECT_EQ(redis({"GET", key("k")}), "v");
}

TEST_F(broken_store_test, redis_is_let_in_where_postgres_has_accepted_nothing) {
    weir_->settings.fallback.order = {fallback_store::postgres};
    weir_->lose_redis();
    EXPECT_EQ(weir_->ask({"GET", "k"}), "$-1\r\n");
    own_.kill();
    EXPECT_THAT(weir_->ask({"SET", "k", "v"}), HasSubstr("FALLBACK"));
    EXPECT_TRUE(weir_->recovers());
}

TEST_F(broken_store_test, without_a_word_of_the_journal_it_starts_after_some_time_and_says_so) {
    own_.kill();
    weir_->settings.fallback.postgres.start_timeout = 200ms;
    EXPECT_THROW(static_cast<void>(weir_->service()), std::runtime_error);
}

}  // namespace
}  // namespace weir
