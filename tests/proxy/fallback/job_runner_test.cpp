#include "proxy/fallback/job_runner.hpp"

#include <gtest/gtest.h>

#include "tests/support/fallback_world.hpp"

namespace weir {
namespace {

using test::fallback_world;

class job_runner_test : public testing::Test, protected fallback_world {};

/// Else a process that is told to end would not until a transaction of any length is through.
TEST_F(job_runner_test, behind_its_end_no_job_goes_on) {
    job_runner runner(circuit(), 1'000);
    std::size_t answered = 0;
    const auto count = [&](auto&&...) { ++answered; };
    auto transaction = job({{"GET", "a"}, {"GET", "b"}, {"GET", "c"}});
    transaction.transaction = true;
    runner.each(transaction, count);
    EXPECT_EQ(answered, 3u);
    runner.stop();
    runner.each(transaction, count);
    EXPECT_EQ(answered, 4u);
}

/// It holds everybody's thread, and cannot be cut.
TEST_F(job_runner_test, a_transaction_does_what_it_has_time_for) {
    job_runner runner(circuit(), 1'000);
    std::size_t answered = 0;
    auto transaction = job({{"GET", "a"}, {"GET", "b"}, {"GET", "c"}});
    transaction.transaction = true;
    runner.each(transaction, [&](const auto&, const auto*, reply_writer& reply) {
        ++answered;
        reply.null();
        for (const auto since = now(); now() - since < std::chrono::milliseconds(1'100);) {}
    });
    EXPECT_EQ(answered, 1u);
    EXPECT_EQ(transaction.performed, 3u);
    EXPECT_EQ(transaction.refused, 2u);
}

}  // namespace
}  // namespace weir
