#include <gtest/gtest.h>

#include <set>

#include "tests/proxy/fallback/engine/engine_client.hpp"

namespace weir::engine {
namespace {

TEST(engine_hashes_test, a_small_hash_keeps_the_order_in_which_fields_came) {
    engine_client client;
    client({"HSET", "h", "c", "1", "a", "2", "b", "3"});
    client({"HSET", "h", "c", "4"});
    client({"HDEL", "h", "a"});
    client({"HSET", "h", "a", "5"});
    EXPECT_EQ(client({"HKEYS", "h"}), array({"c", "b", "a"}));
    EXPECT_EQ(client({"HVALS", "h"}), array({"4", "3", "5"}));
}

TEST(engine_sets_test, a_set_of_integers_is_in_their_order) {
    engine_client client;
    client({"SADD", "s", "10", "-3", "2"});
    EXPECT_EQ(client({"SMEMBERS", "s"}), array({"-3", "2", "10"}));
    EXPECT_EQ(client({"SADD", "s", "02"}), integer(1));
    EXPECT_EQ(client({"SISMEMBER", "s", "2"}), integer(1));
    EXPECT_EQ(client({"SCARD", "s"}), integer(4));
}

TEST(engine_collections_test, one_that_loses_its_last_element_goes_with_its_key) {
    engine_client client;
    client({"RPUSH", "l", "a"});
    client({"RPOPLPUSH", "l", "m"});
    client({"HSET", "h", "f", "v"});
    client({"HDEL", "h", "f"});
    client({"SADD", "s", "a"});
    client({"SMOVE", "s", "t", "a"});
    client({"ZADD", "z", "1", "a"});
    client({"ZREMRANGEBYRANK", "z", "0", "-1"});
    EXPECT_EQ(client({"EXISTS", "l", "h", "s", "z"}), integer(0));
    EXPECT_EQ(client({"EXISTS", "m", "t"}), integer(2));
}

TEST(engine_collections_test, an_error_leaves_no_empty_key_behind) {
    engine_client client;
    client({"SET", "k", "v"});
    for (const auto& command :
         std::vector<std::vector<std::string_view>>{{"HSET", "h", "a", "1", "b"},
                                                    {"HINCRBY", "h", "f", "x"},
                                                    {"HINCRBYFLOAT", "h", "f", "inf"},
                                                    {"ZADD", "z", "x", "a"},
                                                    {"ZADD", "z", "NX", "XX", "1", "a"},
                                                    {"LINSERT", "l", "NEXT", "a", "b"},
                                                    {"SETRANGE", "s", "-1", "a"},
                                                    {"LMOVE", "none", "l", "LEFT", "RIGHT"},
                                                    {"SMOVE", "none", "s", "a"},
                                                    {"SUNIONSTORE", "d", "k"},
                                                    {"ZUNIONSTORE", "d", "1", "k"},
                                                    {"LPUSHX", "l", "a"}}) {
        client.send(command);
        EXPECT_EQ(client({"DBSIZE"}), integer(1)) << command[0];
    }
}

TEST(engine_collections_test, a_scan_over_changes_shows_all_that_stayed) {
    engine_client client;
    for (int i = 0; i < 600; ++i) client({"SADD", "s", "m" + std::to_string(i)});
    std::set<std::string> met;
    std::string cursor = "0";
    int gone = 0;
    do {
        const std::string page = client({"SSCAN", "s", cursor, "COUNT", "7"});
        for (std::size_t at = 0; (at = page.find("\r\nm", at)) != std::string::npos; ++at) {
            met.insert(page.substr(at + 2, page.find("\r\n", at + 2) - at - 2));
        }
        const auto line = page.find("\r\n", 4) + 2;
        cursor = page.substr(line, page.find("\r\n", line) - line);
        client({"SREM", "s", "m" + std::to_string(gone++)});
    } while (cursor != "0");
    for (int i = gone; i < 600; ++i) EXPECT_TRUE(met.contains("m" + std::to_string(i))) << i;
}

TEST(engine_collections_test, more_random_elements_than_memory_holds_are_refused) {
    engine_client client;
    client({"SADD", "s", "a"});
    client({"HSET", "h", "a", "1"});
    client({"ZADD", "z", "1", "a"});
    for (const auto* const name : {"SRANDMEMBER", "HRANDFIELD", "ZRANDMEMBER"}) {
        const std::string key(1, static_cast<char>(*name | 0x20));
        EXPECT_TRUE(client({name, key, "-9223372036854775807"}).starts_with("-ERR weir: ")) << name;
        EXPECT_EQ(client({name, key, "-2"}), array({"a", "a"})) << name;
    }
}

TEST(engine_sorted_sets_test, scores_are_doubles_in_resp3_and_strings_in_resp2) {
    engine_client client;
    client({"ZADD", "z", "1.5", "a", "inf", "b", "-0", "c"});
    EXPECT_EQ(client({"ZRANGE", "z", "0", "-1", "WITHSCORES"}), array({"c", "0", "a", "1.5", "b", "inf"}));
    client.version = resp_version::resp3;
    EXPECT_EQ(client({"ZRANGE", "z", "0", "-1", "WITHSCORES"}),
              "*3\r\n*2\r\n$1\r\nc\r\n,0\r\n*2\r\n$1\r\na\r\n,1.5\r\n*2\r\n$1\r\nb\r\n,inf\r\n");
    EXPECT_EQ(client({"ZSCORE", "z", "none"}), "_\r\n");
}

TEST(engine_sets_test, a_set_of_which_most_was_popped_is_one_of_integers_again) {
    engine_client client;
    client({"SADD", "s", "1", "2", "3", "4", "5", "a"});
    client({"SREM", "s", "a"});
    EXPECT_EQ(client({"OBJECT", "encoding", "s"}), bulk("hashtable"));
    client({"SADD", "s", "6"});
    client({"SPOP", "s", "4"});
    EXPECT_EQ(client({"OBJECT", "encoding", "s"}), bulk("hashtable")) << "two of six are left";
    client({"SADD", "s", "1", "2", "3", "4", "5", "6"});
    client({"SPOP", "s", "5"});
    EXPECT_EQ(client({"OBJECT", "encoding", "s"}), bulk("intset"));
    EXPECT_EQ(client({"SCARD", "s"}), integer(1));
}

TEST(engine_sorted_sets_test, zeros_of_a_large_outcome_keep_their_sign) {
    engine_client client;
    const auto signs = [&](int members) {
        client({"DEL", "z", "d"});
        for (int i = 0; i < members; ++i) client({"ZADD", "z", "0", std::to_string(i)});
        client({"ZUNIONSTORE", "d", "1", "z", "WEIGHTS", "-1"});
        return client({"ZSCORE", "d", "0"}) + client({"ZSCORE", "d", std::to_string(members - 1)});
    };
    EXPECT_EQ(signs(128), bulk("0") + bulk("0"));
    EXPECT_EQ(signs(129), bulk("-0") + bulk("-0"));
}

TEST(engine_sorted_sets_test, limit_skips_members_of_any_name_where_scores_differ) {
    engine_client client;
    client({"ZADD", "z", "0", "b", "1", "z", "2", "c"});
    EXPECT_EQ(client({"ZRANGEBYLEX", "z", "-", "[d"}), array({"b"}));
    EXPECT_EQ(client({"ZRANGEBYLEX", "z", "-", "[d", "LIMIT", "2", "5"}), array({"c"}));
    EXPECT_EQ(client({"ZRANGEBYLEX", "z", "-", "[d", "LIMIT", "3", "5"}), array({}));
    EXPECT_EQ(client({"ZREVRANGEBYLEX", "z", "+", "-", "LIMIT", "1", "1"}), array({"z"}));
    EXPECT_EQ(client({"ZREVRANGEBYLEX", "z", "+", "[d", "LIMIT", "1", "1"}), array({})) << "it begins below the range";
}

TEST(engine_lists_test, the_least_rank_finds_from_the_end_whatever_the_count) {
    engine_client client;
    client({"RPUSH", "l", "a", "b", "a", "a"});
    EXPECT_EQ(client({"LPOS", "l", "a", "RANK", "-9223372036854775808"}), integer(3));
    EXPECT_EQ(client({"LPOS", "l", "a", "RANK", "-9223372036854775808", "COUNT", "1"}),
              "*3\r\n" + integer(3) + integer(2) + integer(0));
}

TEST(engine_sort_test, a_sorted_set_is_no_longer_small_once_it_was_sorted) {
    engine_client client;
    client({"ZADD", "z", "1", "1"});
    EXPECT_EQ(client({"OBJECT", "encoding", "z"}), bulk("listpack"));
    client({"SORT_RO", "z"});
    EXPECT_EQ(client({"OBJECT", "encoding", "z"}), bulk("skiplist"));
}

TEST(engine_sort_test, weights_come_from_keys_and_fields) {
    engine_client client;
    client({"RPUSH", "l", "1", "2", "3"});
    client({"MSET", "w_1", "30", "w_2", "20", "w_3", "10"});
    client({"HSET", "o_2", "name", "two"});
    EXPECT_EQ(client({"SORT", "l", "BY", "w_*", "GET", "#"}), array({"3", "2", "1"}));
    EXPECT_EQ(client({"SORT", "l", "BY", "nosort", "LIMIT", "1", "1", "GET", "o_*->name"}), array({"two"}));
    EXPECT_EQ(client({"SORT", "l", "BY", "o_*->name"}),
              "-ERR One or more scores can't be converted into double\r\n");
}

}  // namespace
}  // namespace weir::engine
