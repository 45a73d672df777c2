#include "proxy/fallback/fallback_service.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <set>
#include <thread>

#include "tests/support/fallback_world.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using test::fallback_world;
using testing::HasSubstr;
using testing::StartsWith;

class fallback_service_test : public testing::Test, protected fallback_world {
protected:
    /// That GET has just shown this.
    static observation shown(fallback_service& service, const std::shared_ptr<const tenant>& whose, const std::string& key,
                             const std::string& value) {
        observation seen;
        seen.whose = whose;
        seen.name = "get";
        seen.words = {"GET", key};
        const auto stamp = service.stamps()->now(write_stamps::slot_of(whose->prefix(), 0, key));
        seen.stamps = {{stamp, stamp}};
        seen.reply = "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
        seen.at = std::chrono::duration_cast<std::chrono::milliseconds>(
                      std::chrono::system_clock::now().time_since_epoch()).count();
        return seen;
    }
};

TEST_F(fallback_service_test, answers_as_redis_would) {
    open();
    EXPECT_EQ(ask({"SET", "k", "v"}), "+OK\r\n");
    EXPECT_EQ(ask({"GET", "k"}), "$1\r\nv\r\n");
    EXPECT_EQ(ask({"GET", "none"}), "$-1\r\n");
    EXPECT_EQ(ask({"LPUSH", "k", "x"}),
              "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    auto three = job({{"HSET", "h", "f", "v"}, {"HGETALL", "h"}});
    three.version = resp_version::resp3;
    EXPECT_EQ(answer(std::move(three)), ":1\r\n%1\r\n$1\r\nf\r\n$1\r\nv\r\n");
}

/// Or a client would see what Redis has between its own writes.
TEST_F(fallback_service_test, once_it_has_taken_writes_no_command_tries_redis_before_the_breaker_closes) {
    breaker_settings.open_for = 1ms;
    breaker_settings.successes_to_close = 2;
    breaker_settings.consecutive_failures = 1;
    auto time = now();
    for (const bool writes : {false, true, false}) {
        static_cast<void>(service());
        circuit().fail(breaker_failure::lost, time += 1s);
        ASSERT_EQ(circuit().state(), breaker_state::open);
        ask({"GET", "k"});
        if (writes) ask({"DEL", "k"});
        circuit().probe(true, time += 1s);
        ASSERT_EQ(circuit().state(), breaker_state::half_open);
        EXPECT_EQ(circuit().admit(time), !writes);
        circuit().untried();
        circuit().probe(true, time += 1s);
        EXPECT_EQ(circuit().state(), breaker_state::closed);
    }
}

TEST_F(fallback_service_test, tenants_and_databases_have_keys_of_their_own) {
    open();
    ask({"SET", "k", "acme's"});
    auto other = job({{"GET", "k"}});
    other.whose = tenant_named("other");
    EXPECT_EQ(answer(std::move(other)), "$-1\r\n");
    auto elsewhere = job({{"GET", "k"}});
    elsewhere.database = 1;
    EXPECT_EQ(answer(std::move(elsewhere)), "$-1\r\n");
    auto again = job({{"GET", "k"}});
    again.whose = tenant_named("acme");
    EXPECT_EQ(answer(std::move(again)), "$6\r\nacme's\r\n") << "configured anew, the same tenant";
}

TEST_F(fallback_service_test, a_server_with_many_databases_has_them_here_too) {
    open();
    const auto at = [&](int database, const request& words) {
        auto one = job({words});
        one.database = database;
        return answer(std::move(one));
    };
    EXPECT_EQ(at(20, {"SET", "k", "v"}), "+OK\r\n");
    EXPECT_EQ(at(4, {"GET", "k"}), "$-1\r\n");
    EXPECT_EQ(at(20, {"COPY", "k", "k", "DB", "4"}), ":1\r\n");
    EXPECT_EQ(at(4, {"GET", "k"}), "$1\r\nv\r\n");
    EXPECT_EQ(at(4, {"COPY", "k", "l", "DB", "20"}), ":1\r\n");
    EXPECT_EQ(at(4, {"COPY", "k", "l", "DB", "21"}), "-ERR DB index is out of range\r\n");
}

TEST_F(fallback_service_test, a_pipeline_stops_when_its_replies_have_become_long) {
    open();
    ask({"SET", "k", std::string(400'000, 'x')});
    const auto done = run(job({{"GET", "k"}, {"GET", "k"}, {"GET", "k"}, {"GET", "k"}, {"GET", "k"}}));
    EXPECT_EQ(done.answered_by_memory, 3u);
    EXPECT_EQ(done.commands.size() - done.performed, 2u);
    EXPECT_FALSE(done.overflowed);
    const auto all = run(job({{"GET", "none"}, {"XADD", "k", "*", "f", "v"}}));
    EXPECT_EQ(all.commands.size(), all.performed);
}

TEST_F(fallback_service_test, a_transactions_reply_is_no_longer_than_a_client_may_leave_unsent) {
    settings.clients.max_unsent_bytes = 2'000'000;
    open();
    ask({"SET", "k", std::string(600'000, 'x')});
    auto three = job({{"GET", "k"}, {"GET", "k"}, {"GET", "k"}});
    three.transaction = true;
    EXPECT_FALSE(run(std::move(three)).overflowed);
    auto five = job({{"GET", "k"}, {"GET", "k"}, {"GET", "k"}, {"GET", "k"}, {"GET", "k"}});
    five.transaction = true;
    EXPECT_TRUE(run(std::move(five)).overflowed);
}

TEST_F(fallback_service_test, no_command_writes_a_longer_reply_either) {
    settings.clients.max_unsent_bytes = 2'000'000;
    open();
    const std::string large(100'000, 'x');
    ask({"SET", "k", large});
    ask({"HSET", "h", "f", large});
    ask({"SADD", "t", large});
    ask({"ZADD", "z", "1", large});
    request many{"MGET"};
    request fields{"HMGET", "h"};
    request list{"RPUSH", "l"};
    for (int i = 0; i < 1'000; ++i) {
        many.emplace_back("k");
        fields.emplace_back("f");
        list.emplace_back("k");
    }
    ask(list);
    for (const request& greedy : {many, fields, request{"SRANDMEMBER", "t", "-10000"}, request{"ZRANDMEMBER", "z", "-10000"},
                                  request{"HRANDFIELD", "h", "-10000", "WITHVALUES"}, request{"SORT", "l", "BY", "nosort", "GET", "*"}}) {
        const auto done = run(job({greedy, {"SET", "behind", "it"}}));
        EXPECT_TRUE(done.overflowed) << greedy[0];
        EXPECT_EQ(done.performed, 1u);
        EXPECT_LT(done.replies.size(), 2'000'000u + 2 * large.size()) << greedy[0];
    }
    EXPECT_EQ(run(job({{"EXISTS", "behind"}})).replies.size(), 4u);
}

TEST_F(fallback_service_test, who_has_sent_much_waits_for_those_who_have_not) {
    open();
    std::string one;
    std::string other;
    for (int i = 0; i < 500; ++i) {
        one += "ab";
        other += "ba";
    }
    ask({"SET", "x", one});
    ask({"SET", "y", other});
    constexpr std::size_t count = 500;
    post(job(std::vector<request>(count, {"LCS", "x", "y", "LEN"}), 0));
    post(job({{"GET", "none"}}, 1));
    EXPECT_EQ(next(1).replies.view(), "$-1\r\n");
    const auto first = next(0);
    EXPECT_GE(first.performed, 1u);
    EXPECT_LT(first.performed, count) << "the rest is posted again, behind the other one";
}

TEST_F(fallback_service_test, a_transaction_is_one_array_with_nothing_in_between) {
    open();
    auto transaction = job({{"INCR", "n"}, {"GET", "n"}, {"LPUSH", "n", "x"}});
    transaction.transaction = true;
    transaction.add_literal("+PONG\r\n");
    const auto done = run(std::move(transaction));
    EXPECT_EQ(done.replies.view(), "*4\r\n:1\r\n$1\r\n1\r\n-WRONGTYPE Operation against a key holding the wrong kind of "
                                   "value\r\n+PONG\r\n");
    EXPECT_EQ(done.answered_by_memory, 3u);
}

TEST_F(fallback_service_test, transactions_of_many_clients_do_not_mix) {
    open();
    constexpr int each = 200;
    std::vector<std::jthread> clients;
    for (std::size_t worker = 0; worker < workers; ++worker) {
        clients.emplace_back([&, worker] {
            for (int i = 0; i < each; ++i) {
                auto transaction = job({{"INCR", "a"}, {"INCR", "b"}}, worker);
                transaction.transaction = true;
                post(std::move(transaction));
            }
        });
    }
    clients.clear();
    std::set<std::string> seen;
    for (std::size_t worker = 0; worker < workers; ++worker) {
        for (int i = 0; i < each; ++i) {
            const auto done = next(worker);
            std::string number(done.replies.view().substr(4));
            number.resize(number.find('\r'));
            EXPECT_EQ(done.replies.view(), "*2\r\n" + number + "\r\n" + number + "\r\n");
            EXPECT_TRUE(seen.insert(number).second) << number;
        }
    }
}

TEST_F(fallback_service_test, jobs_of_several_workers_come_back_in_their_order) {
    open();
    constexpr int each = 500;
    std::vector<std::jthread> posting;
    for (std::size_t worker = 0; worker < workers; ++worker) {
        posting.emplace_back([&, worker] {
            for (int i = 0; i < each;) {
                std::vector<fallback_job> jobs;
                for (int n = 0; n < 7 && i < each; ++n, ++i) jobs.push_back(job({{"ECHO", "x"}}, worker));
                for (auto& one : jobs) one.database = i;  // says which it was
                service().post(std::move(jobs));
            }
        });
    }
    posting.clear();
    for (std::size_t worker = 0; worker < workers; ++worker) {
        for (int i = 0, last = 0; i < each; ++i) {
            const auto done = next(worker);
            EXPECT_EQ(done.worker, worker);
            EXPECT_GE(done.database, last);
            last = done.database;
        }
    }
}

TEST_F(fallback_service_test, jobs_of_several_workers_in_one_post_go_each_to_its_own) {
    open();
    std::vector<fallback_job> jobs;
    for (std::size_t i = 0; i < 9; ++i) jobs.push_back(job({{"RPUSH", "l", std::to_string(i)}}, i % workers));
    service().post(std::move(jobs));
    for (std::size_t i = 0; i < 9; ++i) {
        EXPECT_EQ(next(i % workers).replies.view(), ":" + std::to_string(i + 1) + "\r\n");
    }
}

TEST_F(fallback_service_test, what_no_store_can_do_gets_an_error_that_names_the_state) {
    open();
    const auto done = run(job({{"XADD", "s", "*", "f", "v"}, {"GET", "k"}}));
    EXPECT_EQ(done.replies.view(), "-FALLBACK breaker forced_open: 'xadd' cannot be answered while Redis is away (forced "
                                   "open by the test)\r\n$-1\r\n");
    EXPECT_EQ(done.refused, 1u);
    EXPECT_EQ(done.answered_by_memory, 1u);
}

TEST_F(fallback_service_test, nothing_is_done_while_the_breaker_passes) {
    EXPECT_EQ(run(job({{"SET", "k", "v"}})).result, fallback_job::outcome::returned);
    open();
    EXPECT_EQ(ask({"GET", "k"}), "$-1\r\n");
    ask({"SET", "k", "v"});
    close();
    const auto done = run(job({{"DEL", "k"}}));
    EXPECT_EQ(done.result, fallback_job::outcome::returned);
    EXPECT_TRUE(done.replies.empty());
    EXPECT_EQ(done.answered_by_memory, 0u);
}

TEST_F(fallback_service_test, what_was_written_meanwhile_is_dropped_when_the_breaker_closes) {
    open();
    ask({"MSET", "a", "1", "b", "2"});
    EXPECT_EQ(service().numbers().own_writes, 2u);
    EXPECT_EQ(service().numbers().memory_keys, 2u);
    close();
    EXPECT_TRUE(until([&] { return service().numbers().dropped_total == 2; }));
    EXPECT_EQ(service().numbers().own_writes, 0u);
    EXPECT_EQ(service().numbers().memory_bytes, 0u);
    open();
    EXPECT_EQ(ask({"GET", "a"}), "$-1\r\n");
}

TEST_F(fallback_service_test, without_a_store_the_last_resort_answers) {
    settings.fallback.order.clear();
    settings.fallback.last_resort = fallback_last_resort::empty;
    open();
    const auto done = run(job({{"GET", "k"}, {"HGETALL", "h"}, {"LRANGE", "l", "0", "-1"}, {"EXISTS", "k"}, {"KEYS", "*"},
                               {"SCAN", "0"}, {"SET", "k", "v"}, {"GETBIT", "k", "0"}}));
    EXPECT_THAT(std::string(done.replies.view()),
                StartsWith("$-1\r\n*0\r\n*0\r\n:0\r\n*0\r\n*2\r\n$1\r\n0\r\n*0\r\n-FALLBACK breaker forced_open: 'set' "));
    EXPECT_THAT(std::string(done.replies.view()), HasSubstr("\r\n-FALLBACK breaker forced_open: 'getbit' "));
    EXPECT_EQ(done.answered_empty, 6u);
    EXPECT_EQ(done.refused, 2u);
}

TEST_F(fallback_service_test, without_a_store_and_a_last_resort_all_is_refused) {
    settings.fallback.order.clear();
    open();
    const auto done = run(job({{"GET", "k"}}));
    EXPECT_THAT(std::string(done.replies.view()), StartsWith("-FALLBACK breaker forced_open: 'get' "));
    EXPECT_EQ(done.refused, 1u);
}

TEST_F(fallback_service_test, expired_keys_go_without_being_asked_for) {
    open();
    ask({"SET", "gone", "v", "PX", "1"});
    ask({"SET", "stays", "v"});
    EXPECT_TRUE(until([&] { return service().numbers().memory_keys == 1; }));
    EXPECT_EQ(ask({"EXISTS", "gone", "stays"}), ":1\r\n");
}

TEST_F(fallback_service_test, holds_no_more_than_it_may) {
    settings.fallback.memory.max_bytes = 50'000;
    open();
    for (int i = 0; i < 100; ++i) ask({"SET", std::to_string(i), std::string(1'000, 'x')});
    const auto numbers = service().numbers();
    EXPECT_LE(numbers.memory_bytes, 50'000u);
    EXPECT_GT(numbers.evicted_total, 40u);
    EXPECT_EQ(numbers.memory_keys + numbers.evicted_total, 100u);
    EXPECT_EQ(numbers.own_writes, numbers.memory_keys);
}

TEST_F(fallback_service_test, what_was_seen_of_redis_answers_when_it_is_away) {
    settings.fallback.remember.reads = true;
    static_cast<void>(service());
    ASSERT_NE(service().stamps(), nullptr);
    const auto see = [&](const std::string& key, const std::string& value) {
        std::vector<observation> all;
        all.push_back(shown(service(), tenant_named("acme"), key, value));
        service().observe(std::move(all));
    };
    see("a", "1");
    EXPECT_TRUE(until([&] { return service().numbers().observed_total == 1; })) << "without a job";
    see("b", "2");
    open();
    EXPECT_EQ(ask({"MGET", "a", "b", "c"}), "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$-1\r\n");
    EXPECT_EQ(ask({"INCR", "a"}), ":2\r\n");
    EXPECT_EQ(service().numbers().own_writes, 1u);
    close();
    EXPECT_TRUE(until([&] { return service().numbers().dropped_total == 1; }));
    open();
    EXPECT_EQ(ask({"MGET", "a", "b"}), "*2\r\n$-1\r\n$1\r\n2\r\n") << "the copy that was counted up is gone";
}

/// As long as the thread is busy, here with handing back.
TEST_F(fallback_service_test, observations_that_wait_are_bounded_and_without_the_rest_nothing_is_known) {
    settings.fallback.remember.reads = true;
    settings.fallback.remember.max_value_bytes = 4 << 20;
    circuit().force_open(now(), "the test");
    std::promise<void> busy;
    std::promise<void> free;
    fallback_service slow(settings, circuit(), 1, [&](std::size_t, const std::vector<fallback_job>&) {
        busy.set_value();
        free.get_future().wait();
    });
    const auto whose = tenant_named("acme");
    const auto see = [&](const std::string& key, std::size_t size) {
        std::vector<observation> one;
        one.push_back(shown(slow, whose, key, std::string(size, 'x')));
        slow.observe(std::move(one));
    };
    std::vector<fallback_job> jobs;
    jobs.push_back(job({{"PING"}}));
    slow.post(std::move(jobs));
    busy.get_future().wait();
    for (int i = 0; i < 80; ++i) see(std::to_string(i), 1 << 20);
    EXPECT_LE(whose.use_count(), 40) << "so many MiB are kept";
    free.set_value();
    EXPECT_TRUE(until([&] { return slow.numbers().observed_total > 0 && slow.numbers().memory_keys == 0; }))
        << "a FLUSHDB might have been among the others";
    see("later", 10);
    EXPECT_TRUE(until([&] { return slow.numbers().memory_keys == 1; }));
}

TEST_F(fallback_service_test, without_anything_to_remember_there_are_no_stamps) {
    EXPECT_EQ(service().stamps(), nullptr);
    service().observe({});
}

TEST_F(fallback_service_test, ends_with_jobs_not_yet_run) {
    open();
    for (int i = 0; i < 1'000; ++i) post(job({{"SET", std::to_string(i), "v"}}));
    end_service();
}

}  // namespace
}  // namespace weir
