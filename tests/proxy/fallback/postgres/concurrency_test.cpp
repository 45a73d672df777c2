#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <sstream>
#include <thread>

#include "proxy/fallback/engine/commands.hpp"
#include "tests/proxy/fallback/engine/map_keyspace.hpp"
#include "tests/proxy/fallback/postgres/store_world.hpp"

namespace weir::pg::test {
namespace {

/// Clients that each send one job after the other, some to this store and some to that one.
class concurrency_test : public testing::Test {
protected:
    using make_job = std::function<fallback_job(std::size_t client)>;
    using take_answer = std::function<void(std::size_t client, const fallback_job&, verdict)>;

    void run(std::size_t clients, std::size_t jobs_each, const make_job& make, const take_answer& take = {}) {
        std::vector<std::size_t> left(clients, jobs_each);
        std::size_t done = 0;
        std::function<void(std::size_t)> next = [&](std::size_t client) {
            if (left[client]-- == 0) {
                ++done;
                return;
            }
            world_.stores[client % world_.stores.size()]->answer(make(client), world_.now, [&, client](const fallback_job& job, verdict how) {
                if (take) {
                    take(client, job, how);
                } else {
                    EXPECT_EQ(how, verdict::answered);
                }
                next(client);
            });
        };
        for (std::size_t client = 0; client < clients; ++client) next(client);
        ASSERT_TRUE(world_.until([&] { return done == clients; }));
    }
    std::string key(std::size_t range) { return "k" + std::to_string(random_() % range); }

    store_world world_;
    std::mt19937 random_{1};
};

TEST_F(concurrency_test, counters_and_lists_of_two_stores_are_exact) {
    world_.add_store();
    world_.add_store();
    run(24, 25, [&](std::size_t client) {
        return world_.job({{"INCR", "n"}, {"RPUSH", "l", std::to_string(client)}, {"HINCRBY", "h", "f", "2"}});
    });
    EXPECT_EQ(world_.pipeline({{"GET", "n"}, {"LLEN", "l"}, {"HGET", "h", "f"}}), "$3\r\n600\r\n:600\r\n$4\r\n1200\r\n");
    for (const auto& store : world_.stores) EXPECT_LT(store->counters().transactions_total, 300u);
}

TEST_F(concurrency_test, commands_with_many_keys_in_any_order_do_not_lock_each_other_out) {
    world_.add_store();
    world_.add_store();
    for (int i = 0; i < 20; ++i) world_.ask({"SET", "k" + std::to_string(i), "100"});
    run(16, 25, [&](std::size_t) {
        const std::string from = key(20), to = key(20);
        switch (random_() % 5) {
            case 0: return world_.job({{"MSET", "x" + key(9), "1", "x" + key(9), "2", "x" + key(9), "3"}});
            case 1: return world_.job({{"MGET", key(20), key(20), key(20)}});
            case 2: return world_.job({{"SUNIONSTORE", "s" + key(5), "s" + key(5), "s" + key(5)}, {"SADD", "s" + key(5), key(50)}});
            default: return world_.job({{"DECRBY", from, "7"}, {"INCRBY", to, "7"}}, true);
        }
    });
    // What was moved about is neither more nor less.
    const std::string values = world_.ask({"MGET", "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "k10", "k11", "k12",
                                           "k13", "k14", "k15", "k16", "k17", "k18", "k19"});
    long sum = 0;
    std::istringstream lines(values);
    for (std::string line; std::getline(lines, line);) {
        if (line[0] != '$' && line[0] != '*') sum += std::stol(line);
    }
    EXPECT_EQ(sum, 2'000);
    for (const auto& store : world_.stores) EXPECT_EQ(store->counters().conflicts_total, 0u);
}

TEST_F(concurrency_test, a_transaction_of_reads_sees_one_state) {
    world_.add_store();
    world_.add_store();
    world_.ask({"MSET", "a", "0", "b", "0"});
    std::size_t torn = 0;
    run(
        12, 25,
        [&](std::size_t client) {
            if (client % 3 == 0) return world_.job({{"INCR", "a"}, {"INCR", "b"}, {"SET", "c" + key(5), "x"}}, true);
            if (client % 3 == 1) return world_.job({{"GET", "a"}, {"GET", "b"}}, true);
            return world_.job({{"GET", "a"}, {"DBSIZE"}, {"GET", "b"}}, true);
        },
        [&](std::size_t client, const fallback_job& job, verdict how) {
            EXPECT_EQ(how, verdict::answered);
            if (client % 3 == 0) return;
            std::vector<std::string> numbers;
            std::istringstream lines{std::string(job.replies.view())};
            for (std::string line; std::getline(lines, line);) {
                if (line[0] >= '0' && line[0] <= '9') numbers.push_back(line);
            }
            torn += numbers.size() != 2 || numbers[0] != numbers[1];
        });
    EXPECT_EQ(torn, 0u);
}

TEST_F(concurrency_test, flushes_come_between_transactions_not_into_them) {
    world_.add_store();
    world_.add_store();
    run(12, 20, [&](std::size_t client) {
        return client % 6 == 0 ? world_.job({{"FLUSHDB"}}) : world_.job({{"INCR", "a"}, {"INCR", "b"}}, true);
    });
    const std::string both = world_.ask({"MGET", "a", "b"}).substr(4);
    EXPECT_EQ(both.substr(0, both.size() / 2), both.substr(both.size() / 2));
}

TEST_F(concurrency_test, the_journals_order_makes_the_same_values) {
    world_.add_store();
    world_.add_store();
    run(16, 25, [&](std::size_t client) {
        const std::string of = key(4);
        switch (random_() % 6) {
            case 0: return world_.job({{"SET", of, std::to_string(random_() % 100)}});
            case 1: return world_.job({{"INCR", of}, {"APPEND", of, std::to_string(client % 10)}});
            case 2: return world_.job({{"DEL", of}});
            case 3: return world_.job({{"RPUSH", "l" + of, std::to_string(client)}, {"LPOP", "l" + key(4)}});
            case 4: return world_.job({{"RENAME", key(4), of}});
            default: return random_() % 10 == 0 ? world_.job({{"FLUSHDB"}}) : world_.job({{"SADD", "s", of}, {"SPOP", "s"}}, true);
        }
    });
    engine::map_keyspace keys;
    engine::random_source random;
    const auto [on, failed] = world_.connect(world_.server.dsn());
    const outcome journal = world_.run(*on, schema(world_.settings.schema).in("select words from {schema}.journal order by id"));
    ASSERT_FALSE(journal.failed) << journal.failed->text;
    EXPECT_GT(journal.results[0].rows(), 200u);
    for (std::size_t row = 0; row < journal.results[0].rows(); ++row) {
        array_reader reader(*journal.results[0].bytes(row, 0), oid::bytea);
        std::vector<std::string_view> words;
        while (const auto word = reader.next()) words.push_back(*word);
        buffer out;
        reply_writer reply(out, resp_version::resp2);
        engine::surroundings around{keys, reply, world_.now, random};
        engine::run(*engine::find_command(store_world::spec_of({std::string(words[0])}).name), words, around);
    }
    std::size_t shown = 0;
    static_cast<void>(keys.scan(0, 100, world_.now, [&](std::string_view key, const engine::entry& value) {
        ++shown;
        const std::string name(key);
        if (const auto* text = std::get_if<std::string>(&value.held)) {
            EXPECT_EQ(world_.ask({"GET", name}), bulk(*text)) << name;
        }
        if (const auto* list = std::get_if<engine::list_value>(&value.held)) {
            std::string all = "*" + std::to_string(list->size()) + "\r\n";
            for (std::size_t i = 0; i < list->size(); ++i) all += bulk((*list)[i]);
            EXPECT_EQ(world_.ask({"LRANGE", name, "0", "-1"}), all) << name;
        }
    }));
    EXPECT_EQ(world_.ask({"DBSIZE"}), ":" + std::to_string(shown) + "\r\n");
}

TEST_F(concurrency_test, keys_that_only_values_name_are_locked_as_well) {
    world_.add_store();
    world_.add_store();
    world_.pipeline({{"RPUSH", "ids", "1", "2"}, {"MSET", "w_1", "1", "w_2", "2"}});
    const std::string gate = "('{schema}'::regnamespace::oid::int, 99)";
    world_.sql("create function {schema}.await_gate() returns trigger language plpgsql as $$ begin if new.key = 'sorted' then"
               " perform pg_advisory_xact_lock_shared" + gate + "; end if; return new; end $$; create trigger await_gate before insert"
               " on {schema}.entries for each row execute function {schema}.await_gate()");
    const auto [keeper, failed] = world_.connect(world_.server.dsn());
    const auto keep = [&, on = keeper](const std::string& function) {
        const auto got = world_.run(*on, schema(world_.settings.schema).in("select " + function + gate));
        EXPECT_FALSE(got.failed);
    };
    const auto waiting = [&] { return world_.sql("select count(*) from pg_locks where locktype = 'advisory' and not granted"); };
    std::string sorting, changing;
    const auto ask = [&](std::size_t store, fallback_job job, std::string& reply) {
        world_.stores[store]->answer(std::move(job), world_.now, [&reply](const fallback_job& done, verdict) { reply = done.replies.view(); });
    };
    keep("pg_advisory_lock");
    ask(0, world_.job({{"SORT", "ids", "BY", "w_*", "STORE", "sorted"}}), sorting);
    ASSERT_TRUE(world_.until([&] { return waiting() == "1"; }));
    // The first one went by the old weight, so this one comes behind it, and must see what it stored.
    ask(1, world_.job({{"SET", "w_1", "9"}, {"LRANGE", "sorted", "0", "-1"}}, true), changing);
    ASSERT_TRUE(world_.until([&] { return waiting() == "2" || !changing.empty(); }));
    keep("pg_advisory_unlock");
    ASSERT_TRUE(world_.until([&] { return !sorting.empty() && !changing.empty(); }));
    EXPECT_EQ(changing, "*2\r\n+OK\r\n*2\r\n" + bulk("1") + bulk("2"));
}

TEST_F(concurrency_test, a_deadlock_with_somebody_else_is_run_anew) {
    postgres_server server({"-c", "deadlock_timeout=50ms"});
    store_world world(server);
    world.pipeline({{"SET", "a", "1"}, {"SET", "b", "1"}});
    // Whoever waits last finds the deadlock, and is its victim. So ours goes on to the second row only when the operator already
    // waits for the first one.
    world.sql("create sequence {schema}.turns; create function {schema}.let_others_wait() returns trigger language plpgsql as $$ begin"
              " if new.key = 'b' and nextval('{schema}.turns') = 1 then perform pg_advisory_xact_lock(1);"
              " while not exists (select from pg_locks where not granted) loop perform pg_sleep(0.01); end loop; end if;"
              " return new; end $$; create trigger let_others_wait before insert on {schema}.entries for each row"
              " execute function {schema}.let_others_wait()");
    std::thread operator_at_work([&] {
        world.sql("set deadlock_timeout = '60s'; begin; update {schema}.entries set grown = false where key = 'b';"
                  " do $$ begin while not exists (select from pg_locks where locktype = 'advisory' and objid = 1 and granted) loop"
                  " perform pg_sleep(0.01); end loop; end $$;"
                  " update {schema}.entries set grown = false where key = 'a'; commit");
    });
    EXPECT_TRUE(world.until([&] {
        return world.sql("select count(*) from pg_locks where mode = 'RowExclusiveLock' and relation = '{schema}.entries'::regclass") != "0";
    }));
    EXPECT_EQ(world.ask({"MSET", "a", "2", "b", "2"}), ok);
    operator_at_work.join();
    EXPECT_EQ(world.store().counters().conflicts_total, 1u);
    EXPECT_EQ(world.ask({"MGET", "a", "b"}), "*2\r\n" + bulk("2") + bulk("2"));
    EXPECT_EQ(world.sql("select string_agg(words[1]::text, ' ') from {schema}.journal_shown"), "SET SET SET SET");
}

}  // namespace
}  // namespace weir::pg::test
