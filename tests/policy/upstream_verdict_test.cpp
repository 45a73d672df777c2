#include "policy/upstream_verdict.hpp"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(upstream_verdict_test, replies_of_a_server_that_cannot_serve_are_failures) {
    const breaker_options options;
    for (const auto* line : {"LOADING Redis is loading the dataset in memory", "-LOADING x\r\n", "CLUSTERDOWN The cluster is down",
                             "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "LOADING"}) {
        EXPECT_TRUE(is_failure_reply(line, false, options)) << line;
        EXPECT_TRUE(is_failure_reply(line, true, options)) << line;
    }
}

TEST(upstream_verdict_test, the_applications_own_errors_are_not) {
    const breaker_options options;
    for (const auto* line : {"WRONGTYPE Operation against a key holding the wrong kind of value", "ERR LOADING", "", "-", "-\r\n",
                             "LOADINGX", "LOAD", "loading lower case", "OOM command not allowed", "NOPERM x", " LOADING"}) {
        EXPECT_FALSE(is_failure_reply(line, true, options)) << line;
    }
}

TEST(upstream_verdict_test, a_read_only_server_serves_reads) {
    const breaker_options options;
    EXPECT_TRUE(is_failure_reply("-READONLY You can't write against a read only replica.", true, options));
    EXPECT_FALSE(is_failure_reply("-READONLY You can't write against a read only replica.", false, options));
}

TEST(upstream_verdict_test, the_list_is_the_configurations) {
    breaker_options options;
    options.failure_replies = {"OOM"};
    EXPECT_TRUE(is_failure_reply("-OOM command not allowed when used memory > 'maxmemory'.", true, options));
    EXPECT_FALSE(is_failure_reply("-LOADING x", true, options));
    options.failure_replies.clear();
    EXPECT_FALSE(is_failure_reply("-LOADING x", true, options));
}

}  // namespace
}  // namespace weir
