#include "proxy/fallback/engine/effects.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/proxy/fallback/engine/engine_client.hpp"

namespace weir::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(engine_effects_test, relative_times_become_points_in_time) {
    engine_client client;
    client({"SET", "k", "v", "EX", "10", "NX"});
    client({"SETEX", "k", "10", "v"});
    client({"EXPIRE", "k", "20", "GT"});
    client({"GETEX", "k", "PX", "5"});
    client({"GETEX", "k", "PERSIST"});
    client({"EXPIRE", "k", "-1"});
    EXPECT_THAT(client.journaled(),
                ElementsAre("SET k v PXAT 1700000010000", "SET k v PXAT 1700000010000", "PEXPIREAT k 1700000020000",
                            "PEXPIREAT k 1700000000005", "PERSIST k", "DEL k"));
}

TEST(engine_effects_test, random_choices_and_sums_become_what_came_of_them) {
    engine_client client;
    client({"SADD", "s", "1", "2", "3"});
    client.journaled();
    const std::string popped = client({"SPOP", "s"});
    EXPECT_THAT(client.journaled(), ElementsAre("SREM s " + popped.substr(4, 1)));
    client({"INCRBYFLOAT", "f", "0.5"});
    client({"HINCRBYFLOAT", "h", "f", "0.5"});
    EXPECT_THAT(client.journaled(), ElementsAre("SET f 0.5 KEEPTTL", "HSET h f 0.5"));
}

TEST(engine_effects_test, what_was_sorted_becomes_the_list_that_came_of_it) {
    engine_client client;
    client({"SADD", "s", "3", "1"});
    client.journaled();
    client({"SORT", "s", "STORE", "l"});
    client({"SORT", "none", "STORE", "l"});
    client({"SORT", "none", "STORE", "l"});
    EXPECT_THAT(client.journaled(), ElementsAre("DEL l", "RPUSH l 1 3", "DEL l", "DEL l"));
}

TEST(engine_effects_test, what_was_worked_out_of_other_keys_becomes_the_value_itself) {
    engine_client client;
    client({"SADD", "s", "1", "2"});
    client({"SADD", "t", "2", "3"});
    client({"ZADD", "z", "1.5", "a", "-inf", "b"});
    client({"HSET", "h", "f", "v", "g", "w"});
    client({"PEXPIREAT", "h", "1700000000005"});
    client({"SET", "k", "v", "PXAT", "1700000000006"});
    client.journaled();
    client({"SUNIONSTORE", "d", "s", "t"});
    client({"SINTERSTORE", "d", "s", "t"});
    client({"SDIFFSTORE", "d", "s", "s"});
    EXPECT_THAT(client.journaled(), ElementsAre("DEL d", "SADD d 1 2 3", "DEL d", "SADD d 2", "DEL d"));
    client({"ZUNIONSTORE", "d", "1", "s"});
    client({"ZINTERSTORE", "d", "1", "z", "WEIGHTS", "2"});
    client({"ZDIFFSTORE", "d", "1", "none"});
    client({"ZRANGESTORE", "d", "z", "1", "1"});
    EXPECT_THAT(client.journaled(), ElementsAre("DEL d", "ZADD d 1 1 1 2", "DEL d", "ZADD d 3 a -inf b", "DEL d", "DEL d", "ZADD d 1.5 a"));
    client({"COPY", "h", "d", "REPLACE"});
    client({"COPY", "k", "d", "DB", "3"});
    client({"COPY", "s", "k"});
    EXPECT_THAT(client.journaled(), ElementsAre("DEL d", "HSET d f v g w", "PEXPIREAT d 1700000000005", "3: SET d v PXAT 1700000000006"));
}

TEST(engine_effects_test, a_long_value_becomes_several_operations) {
    engine_client client;
    for (int i = 0; i < 5'000; ++i) client({"RPUSH", "l", std::to_string(i)});
    for (int i = 0; i < 20; ++i) client({"HSET", "h", std::to_string(i), std::string(20'000, 'x')});
    client.journal.clear();
    client({"COPY", "l", "m"});
    client({"COPY", "h", "i"});
    std::size_t pushed = 0;
    engine_client other;
    for (const auto& operation : client.journal.operations()) {
        EXPECT_LE(operation.words.size(), 1'010u);
        other.send(std::vector<std::string_view>(operation.words.begin(), operation.words.end()));
        pushed += operation.words[0] == "RPUSH";
    }
    EXPECT_EQ(pushed, 6u);
    for (const auto& question : std::vector<std::vector<std::string_view>>{{"LRANGE", "m", "0", "-1"}, {"HGETALL", "i"}}) {
        EXPECT_EQ(client.send(question), other.send(question)) << question[0];
    }
}

TEST(engine_effects_test, what_the_journal_has_no_room_for_is_not_done) {
    engine_client client;
    client({"SADD", "s", "a", "b"});
    client({"SET", "d", "before"});
    client.journaled();
    client.journal.set_room(200);
    for (const auto& command : std::vector<std::vector<std::string_view>>{{"SUNIONSTORE", "d", "s"},
                                                                          {"ZUNIONSTORE", "d", "1", "s"},
                                                                          {"SORT", "s", "ALPHA", "STORE", "d"},
                                                                          {"COPY", "s", "d", "REPLACE"}}) {
        EXPECT_EQ(client.send(command), "") << command[0];
        EXPECT_EQ(client.obstacle, "the journal is full") << command[0];
        EXPECT_THAT(client.journaled(), IsEmpty()) << command[0];
        EXPECT_EQ(client({"GET", "d"}), bulk("before")) << command[0];
    }
    client.journal.set_room(500);
    EXPECT_EQ(client({"SUNIONSTORE", "d", "s"}), integer(2));
    EXPECT_EQ(client.obstacle, "");
}

/// A value in several pieces names its key in each.
TEST(engine_effects_test, a_long_key_counts_as_often_as_it_is_named) {
    engine_client client;
    for (int i = 0; i < 3'000; ++i) client({"SADD", "s", std::to_string(i)});
    client.journaled();
    const std::string key(1'000, 'k');
    client.journal.set_room(157'000);  // the members take 154,890
    EXPECT_EQ(client.send({"SUNIONSTORE", key, "s"}), "");
    EXPECT_EQ(client.obstacle, "the journal is full");
    client.journal.set_room(163'000);
    EXPECT_EQ(client({"SUNIONSTORE", key, "s"}), integer(3'000));
    std::size_t named = 0;
    for (const auto& operation : client.journaled()) named += operation.find(key) != std::string::npos;
    EXPECT_GE(named, 4u);
    EXPECT_LE(named, 6u);
}

TEST(engine_effects_test, a_pop_from_one_of_many_names_the_one) {
    engine_client client;
    client({"RPUSH", "l", "a", "b"});
    client({"ZADD", "z", "1", "a", "2", "b"});
    client.journaled();
    client({"LMPOP", "2", "none", "l", "RIGHT", "COUNT", "5"});
    client({"ZMPOP", "2", "none", "z", "MIN"});
    EXPECT_THAT(client.journaled(), ElementsAre("RPOP l 2", "ZPOPMIN z 1"));
}

TEST(engine_effects_test, what_changed_nothing_is_not_there) {
    engine_client client;
    client({"SET", "k", "v"});
    client({"SADD", "s", "a"});
    client({"ZADD", "z", "1", "a"});
    client.journaled();
    for (const auto& command : std::vector<std::vector<std::string_view>>{{"GET", "k"},
                                                                          {"SETNX", "k", "w"},
                                                                          {"MSETNX", "k", "w", "n", "w"},
                                                                          {"INCR", "s"},
                                                                          {"SADD", "s", "a"},
                                                                          {"SREM", "s", "b"},
                                                                          {"ZADD", "z", "1", "a"},
                                                                          {"ZADD", "z", "XX", "1", "b"},
                                                                          {"LPUSHX", "l", "a"},
                                                                          {"DEL", "none"},
                                                                          {"PERSIST", "k"},
                                                                          {"EXPIRE", "none", "5"},
                                                                          {"RENAMENX", "k", "s"}}) {
        client.send(command);
        EXPECT_THAT(client.journaled(), IsEmpty()) << command[0];
    }
}

TEST(engine_effects_test, repeated_they_lead_to_the_same_values) {
    engine_client first;
    for (int i = 0; i < 50; ++i) {
        const std::string member = std::to_string(i);
        first({"SADD", "s", member});
        first({"HINCRBYFLOAT", "h", "f", "1.1"});
        first({"SPOP", "s", "1"});
        first({"SADD", "s", member, "x" + member});
        first({"SPOP", "s"});
        first({"SET", "k" + member, "v", "PX", "7"});
        first.now += 1;
    }
    engine_client second;
    second.now = first.now;
    for (const auto& operation : first.journal.operations()) {
        second.send(std::vector<std::string_view>(operation.words.begin(), operation.words.end()));
    }
    for (const auto& question : std::vector<std::vector<std::string_view>>{
             {"SORT", "s", "ALPHA"}, {"HGETALL", "h"}, {"SORT", "none"}, {"PTTL", "k49"}, {"EXISTS", "k10"}}) {
        EXPECT_EQ(first.send(question), second.send(question)) << question[0];
    }
}

}  // namespace
}  // namespace weir::engine
