#include <gtest/gtest.h>

#include "tests/proxy/fallback/engine/engine_client.hpp"

namespace weir::engine {
namespace {

TEST(engine_expiry_test, seconds_are_rounded_to_the_nearest) {
    engine_client client;
    client({"SET", "k", "v", "PX", "1500"});
    EXPECT_EQ(client({"TTL", "k"}), integer(2));
    client.now += 1;
    EXPECT_EQ(client({"TTL", "k"}), integer(1));
    EXPECT_EQ(client({"EXPIRETIME", "k"}), integer(1'700'000'002));
    EXPECT_EQ(client({"PEXPIRETIME", "k"}), integer(1'700'000'001'500));
    client({"PEXPIREAT", "k", "9223372036854775807"});
    EXPECT_EQ(client({"EXPIRETIME", "k"}), integer(9'223'372'036'854'776));
}

TEST(engine_expiry_test, a_time_that_is_over_removes_the_key) {
    engine_client client;
    client({"SET", "k", "v"});
    EXPECT_EQ(client({"EXPIRE", "k", "-1"}), integer(1));
    EXPECT_EQ(client({"EXISTS", "k"}), integer(0));
    EXPECT_EQ(client({"EXPIRE", "k", "10"}), integer(0));
}

TEST(engine_expiry_test, a_key_without_expiry_counts_as_living_longest) {
    engine_client client;
    client({"SET", "k", "v"});
    EXPECT_EQ(client({"EXPIRE", "k", "10", "XX"}), integer(0));
    EXPECT_EQ(client({"EXPIRE", "k", "10", "GT"}), integer(0));
    EXPECT_EQ(client({"EXPIRE", "k", "10", "LT"}), integer(1));
    EXPECT_EQ(client({"EXPIRE", "k", "10", "GT"}), integer(0));
    EXPECT_EQ(client({"EXPIRE", "k", "11", "GT", "XX"}), integer(1));
    EXPECT_EQ(client({"EXPIRE", "k", "5", "NX"}), integer(0));
    EXPECT_EQ(client({"EXPIRE", "k", "5", "NX", "GT"}),
              "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n");
    EXPECT_EQ(client({"EXPIRE", "k", "5", "ab\r\nc\r\n"}), "-ERR Unsupported option ab  c\r\n");
}

TEST(engine_expiry_test, a_value_that_is_changed_keeps_its_expiry_and_one_that_is_replaced_does_not) {
    engine_client client;
    client({"RPUSH", "l", "a"});
    client({"PEXPIRE", "l", "1000"});
    client({"RPUSH", "l", "b"});
    EXPECT_EQ(client({"PTTL", "l"}), integer(1000));
    client({"RENAME", "l", "m"});
    EXPECT_EQ(client({"PTTL", "m"}), integer(1000));
    client({"COPY", "m", "n"});
    EXPECT_EQ(client({"PTTL", "n"}), integer(1000));
    client({"SORT", "m", "ALPHA", "STORE", "n"});
    EXPECT_EQ(client({"PTTL", "n"}), integer(-1));
    client({"LPOP", "m", "2"});
    client({"RPUSH", "m", "c"});
    EXPECT_EQ(client({"PTTL", "m"}), integer(-1));
}

TEST(engine_expiry_test, what_has_expired_is_neither_counted_nor_listed_nor_in_the_way) {
    engine_client client;
    client({"SET", "k", "v", "PX", "5"});
    client.now += 6;
    EXPECT_EQ(client({"KEYS", "*"}), "*0\r\n");
    EXPECT_EQ(client({"SCAN", "0"}), "*2\r\n$1\r\n0\r\n*0\r\n");
    EXPECT_EQ(client({"RANDOMKEY"}), nothing);
    EXPECT_EQ(client({"DEL", "k"}), integer(0));
    client({"SET", "k", "v", "PX", "5"});
    client.now += 6;
    EXPECT_EQ(client({"RPUSH", "k", "a"}), integer(1));
}

TEST(engine_expiry_test, what_tells_of_an_expiry_that_nobody_knows_is_not_done) {
    engine_client client;
    const auto fresh = [&] { client.keys.put("k", {string_value("v"), unknown_expiry}); };
    for (const auto& command : std::vector<std::vector<std::string_view>>{{"TTL", "k"},
                                                                          {"PTTL", "k"},
                                                                          {"EXPIRETIME", "k"},
                                                                          {"PEXPIRETIME", "k"},
                                                                          {"PERSIST", "k"},
                                                                          {"EXPIRE", "k", "5", "NX"},
                                                                          {"PEXPIRE", "k", "5", "GT"},
                                                                          {"COPY", "k", "l"}}) {
        fresh();
        EXPECT_EQ(client.send(command), "") << command[0];
        EXPECT_EQ(client.obstacle, "the key's expiry is not known") << command[0];
        EXPECT_TRUE(client.journaled().empty()) << command[0];
        EXPECT_EQ(client({"EXISTS", "k", "l"}), integer(1)) << command[0];
    }
    client({"SET", "k", "w", "KEEPTTL"});
    client({"APPEND", "k", "x"});
    EXPECT_EQ(client({"TTL", "k"}), "") << "still";
    client({"RENAME", "k", "l"});
    EXPECT_EQ(client({"GETEX", "l", "PERSIST"}), bulk("wx"));
    EXPECT_EQ(client({"TTL", "l"}), integer(-1));
    EXPECT_EQ(client.journaled(), (std::vector<std::string>{"SET k w KEEPTTL", "APPEND k x", "DEL l", "RENAME k l", "PERSIST l"}));
    fresh();
    EXPECT_EQ(client({"EXPIRE", "k", "5"}), integer(1));
    EXPECT_EQ(client({"TTL", "k"}), integer(5));
}

}  // namespace
}  // namespace weir::engine
