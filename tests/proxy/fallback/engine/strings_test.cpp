#include <gtest/gtest.h>

#include "tests/proxy/fallback/engine/engine_client.hpp"

namespace weir::engine {
namespace {

TEST(engine_strings_test, a_key_is_there_at_its_very_millisecond_and_gone_behind_it) {
    engine_client client;
    EXPECT_EQ(client({"SET", "k", "v", "PX", "100"}), ok);
    client.now += 100;
    EXPECT_EQ(client({"GET", "k"}), bulk("v"));
    EXPECT_EQ(client({"PTTL", "k"}), integer(0));
    client.now += 1;
    EXPECT_EQ(client({"GET", "k"}), nothing);
    EXPECT_EQ(client({"PTTL", "k"}), integer(-2));
}

TEST(engine_strings_test, a_range_holds_both_its_ends) {
    engine_client client;
    client({"SET", "k", "hello"});
    EXPECT_EQ(client({"GETRANGE", "k", "1", "3"}), bulk("ell"));
    EXPECT_EQ(client({"GETRANGE", "k", "-2", "-1"}), bulk("lo"));
    EXPECT_EQ(client({"GETRANGE", "k", "0", "-100"}), bulk("h"));
    EXPECT_EQ(client({"GETRANGE", "k", "3", "2"}), bulk(""));
}

TEST(engine_strings_test, set_drops_the_expiry_unless_told_to_keep_it) {
    engine_client client;
    client({"SET", "k", "v", "EX", "10"});
    client({"SET", "k", "w", "KEEPTTL"});
    EXPECT_EQ(client({"TTL", "k"}), integer(10));
    client({"SET", "k", "x"});
    EXPECT_EQ(client({"TTL", "k"}), integer(-1));
}

TEST(engine_strings_test, get_with_a_condition_shows_what_was_there_and_sets_nothing) {
    engine_client client;
    client({"SET", "k", "v"});
    EXPECT_EQ(client({"SET", "k", "w", "NX", "GET"}), bulk("v"));
    EXPECT_EQ(client({"GET", "k"}), bulk("v"));
    EXPECT_EQ(client({"SET", "new", "w", "XX", "GET"}), nothing);
    EXPECT_EQ(client({"EXISTS", "new"}), integer(0));
}

TEST(engine_strings_test, an_expiry_that_no_clock_reaches_is_refused) {
    engine_client client;
    const std::string refused = "-ERR invalid expire time in 'set' command\r\n";
    EXPECT_EQ(client({"SET", "k", "v", "EX", "0"}), refused);
    EXPECT_EQ(client({"SET", "k", "v", "EX", "9223372036854775807"}), refused);
    EXPECT_EQ(client({"SET", "k", "v", "PX", "9223372036854775807"}), refused);
    EXPECT_EQ(client({"SET", "k", "v", "PXAT", "9223372036854775807"}), ok);
    EXPECT_EQ(client({"PEXPIRETIME", "k"}), integer(9223372036854775807));
}

TEST(engine_strings_test, sums_are_written_as_redis_writes_them) {
    engine_client client;
    EXPECT_EQ(client({"INCRBYFLOAT", "k", "0.1"}), bulk("0.1"));
    EXPECT_EQ(client({"INCRBYFLOAT", "k", "0.2"}), bulk("0.3"));
    EXPECT_EQ(client({"INCRBYFLOAT", "k", "-0.3"}), bulk("0"));
    EXPECT_EQ(client({"INCRBYFLOAT", "k", "5.0e3"}), bulk("5000"));
    EXPECT_EQ(client({"INCRBYFLOAT", "k", "inf"}), "-ERR increment would produce NaN or Infinity\r\n");
    client({"SET", "n", "9223372036854775807"});
    EXPECT_EQ(client({"INCR", "n"}), "-ERR increment or decrement would overflow\r\n");
    EXPECT_EQ(client({"DECRBY", "n", "-9223372036854775808"}), "-ERR decrement would overflow\r\n");
}

TEST(engine_strings_test, a_string_longer_than_the_limit_is_refused) {
    engine_client client;
    client.limits.max_string_bytes = 10;
    const std::string refused = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n";
    EXPECT_EQ(client({"SETRANGE", "k", "8", "abc"}), refused);
    EXPECT_EQ(client({"SETRANGE", "k", "9223372036854775807", "abc"}), refused);
    EXPECT_EQ(client({"SETRANGE", "k", "7", "abc"}), integer(10));
    EXPECT_EQ(client({"APPEND", "k", "d"}), refused);
    EXPECT_EQ(client({"GET", "k"}), bulk(std::string("\0\0\0\0\0\0\0abc", 10)));
}

TEST(engine_strings_test, common_subsequences_are_found_with_their_places) {
    engine_client client;
    client({"MSET", "a", "ohmytext", "b", "mynewtext"});
    EXPECT_EQ(client({"LCS", "a", "b"}), bulk("mytext"));
    EXPECT_EQ(client({"LCS", "a", "b", "LEN"}), integer(6));
    EXPECT_EQ(client({"LCS", "a", "b", "IDX", "MINMATCHLEN", "4", "WITHMATCHLEN"}),
              "*4\r\n$7\r\nmatches\r\n*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n$3\r\nlen\r\n:6\r\n");
    client.limits.max_string_bytes = 100;
    EXPECT_EQ(client({"LCS", "a", "b"}),
              "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len\r\n");
}

}  // namespace
}  // namespace weir::engine
