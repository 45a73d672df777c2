#include "policy/idempotence.hpp"

#include <gtest/gtest.h>

#include "tests/support/request_text.hpp"

namespace weir {
namespace {

bool idempotent(const std::vector<std::string>& words) {
    const test::request_text request(words);
    return is_idempotent_write(request.view(), *command_table::built_in()->find(words[0]));
}

TEST(idempotence, writes_that_may_be_repeated) {
    EXPECT_TRUE(idempotent({"SET", "k", "v"}));
    EXPECT_TRUE(idempotent({"set", "k", "v", "EX", "10"}));
    EXPECT_TRUE(idempotent({"SET", "nx", "get"})) << "a key and a value, not options";
    EXPECT_TRUE(idempotent({"MSET", "a", "1", "b", "2"}));
    EXPECT_TRUE(idempotent({"LTRIM", "l", "0", "1"}));
    EXPECT_TRUE(idempotent({"PEXPIREAT", "k", "1700000000000"}));
}

TEST(idempotence, writes_whose_second_time_differs) {
    for (const auto& words : std::vector<std::vector<std::string>>{{"SET", "k", "v", "NX"},
                                                                  {"SET", "k", "v", "EX", "10", "get"},
                                                                  {"INCR", "k"},
                                                                  {"APPEND", "k", "v"},
                                                                  {"LPUSH", "l", "v"},
                                                                  {"DEL", "k"},
                                                                  {"HSET", "h", "f", "v"},
                                                                  {"EXPIREAT", "k", "1700000000", "GT"}}) {
        EXPECT_FALSE(idempotent(words)) << words[0];
    }
}

}  // namespace
}  // namespace weir
