#include "proxy/fallback/postgres/pg_pool.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/proxy/fallback/postgres/postgres_world.hpp"

namespace weir::pg::test {
namespace {

using testing::HasSubstr;
using std::chrono::milliseconds;

class pg_pool_test : public testing::Test {
protected:
    ~pg_pool_test() override {
        if (pool_) pool_->close();
        world_.context.restart();
        world_.context.poll();
    }
    pool& made(const std::string& dsn) {
        pool_ = std::make_shared<pool>(world_.context.get_executor(), postgres_world::where(dsn), options_,
                                       [this](const auto&, const auto& done) { done(refused_); });
        pool_->start();
        return *pool_;
    }
    pool& made() { return made(shared_postgres().dsn()); }
    acquisition acquire() { return world_.await(pg::acquire(*pool_)); }
    bool settled(std::size_t size) {
        return world_.until([&] { return pool_->numbers().size == size && pool_->numbers().opening == 0; });
    }

    postgres_world world_;
    pool_options options_;
    std::optional<error> refused_;
    std::shared_ptr<pool> pool_;
};

TEST_F(pg_pool_test, holds_its_minimum_ready) {
    options_.min = 2;
    made();
    ASSERT_TRUE(settled(2));
    EXPECT_EQ(pool_->numbers().available, 2u);
    const lease first = pool_->try_acquire();
    EXPECT_TRUE(first);
    EXPECT_EQ(pool_->numbers().available, 1u);
    EXPECT_EQ(pool_->numbers().acquired_total, 1u);
}

TEST_F(pg_pool_test, grows_to_its_maximum_and_then_lets_wait) {
    options_.max = 2;
    options_.acquire_timeout = milliseconds{150};
    made();
    auto first = acquire();
    auto second = acquire();
    ASSERT_TRUE(first.held && second.held);
    EXPECT_EQ(pool_->numbers().size, 2u);
    EXPECT_FALSE(pool_->try_acquire());
    const auto third = acquire();
    EXPECT_FALSE(third.held);
    EXPECT_EQ(third.failed->what, error::kind::busy);
    EXPECT_EQ(third.failed->text, "no connection became free within the time-out");
    EXPECT_EQ(pool_->numbers().acquire_timeouts_total, 1u);
    std::optional<acquisition> fourth;
    pool_->acquire([&](lease held, std::optional<error> failed) { fourth = acquisition{std::move(held), std::move(failed)}; });
    EXPECT_EQ(pool_->numbers().pending, 1u);
    EXPECT_FALSE(fourth);
    first.held.give_back();
    ASSERT_TRUE(fourth);
    EXPECT_TRUE(fourth->held);
    EXPECT_EQ(pool_->numbers().pending, 0u);
}

TEST_F(pg_pool_test, one_that_is_given_back_in_the_middle_of_something_is_closed) {
    options_.max = 1;
    made();
    auto first = acquire();
    batch slow;
    slow.add_sql("select pg_sleep(600)");
    first.held->run(slow, [](const outcome&) {});
    first.held.give_back();
    EXPECT_EQ(pool_->numbers().available, 0u);
    EXPECT_TRUE(acquire().held);
    EXPECT_EQ(pool_->numbers().opened_total, 2u);
}

TEST_F(pg_pool_test, what_nobody_uses_is_closed_down_to_the_minimum) {
    options_.idle_timeout = milliseconds{1};
    made();
    {
        const auto first = acquire();
        const auto second = acquire();
        EXPECT_EQ(pool_->numbers().size, 2u);
    }
    EXPECT_TRUE(settled(1));
}

TEST_F(pg_pool_test, connections_that_broke_are_replaced) {
    options_.min = 2;
    made();
    ASSERT_TRUE(settled(2));
    shared_postgres().sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'weir'");
    EXPECT_TRUE(world_.until([&] { return pool_->numbers().opened_total >= 4 && pool_->numbers().available == 2; }));
}

TEST_F(pg_pool_test, what_cannot_be_set_up_is_told) {
    refused_ = error{error::kind::connect, "42501", "this role may not"};
    options_.acquire_timeout = milliseconds{100};
    made();
    ASSERT_TRUE(world_.until([&] { return !pool_->numbers().last_error.empty(); }));
    const auto got = acquire();
    EXPECT_FALSE(got.held);
    EXPECT_EQ(got.failed->text, "this role may not");
    refused_.reset();
    EXPECT_TRUE(settled(1));
    EXPECT_EQ(pool_->numbers().last_error, "");
}

TEST_F(pg_pool_test, a_server_that_died_opens_the_breaker_and_one_that_came_back_closes_it) {
    postgres_server server;
    options_.breaker.open_for = milliseconds{20};
    options_.breaker.max_open_for = milliseconds{20};
    options_.breaker.probe_interval = milliseconds{20};
    options_.acquire_timeout = milliseconds{30'000};
    made(server.dsn());
    auto held = acquire();
    ASSERT_TRUE(held.held);
    server.kill();
    ASSERT_TRUE(world_.until([&] { return !pool_->circuit().passes(); }));
    EXPECT_GE(pool_->numbers().failed_to_open_total, 1u);
    const auto refused = acquire();
    ASSERT_TRUE(refused.failed);  // at once, though the time-out is long
    EXPECT_THAT(refused.failed->text, HasSubstr("connection to server on socket"));
    held.held.give_back();
    EXPECT_EQ(pool_->numbers().size, 0u);
    server.start();
    ASSERT_TRUE(world_.until([&] { return pool_->circuit().passes(); }));
    auto again = acquire();
    ASSERT_TRUE(again.held);
    EXPECT_TRUE(world_.run(*again.held, "select 1"));
}

TEST_F(pg_pool_test, a_connection_that_comes_about_closes_the_breaker_however_long_it_was_to_be_open) {
    postgres_server server;
    options_.breaker.open_for = options_.breaker.max_open_for = std::chrono::minutes{10};
    made(server.dsn());
    ASSERT_TRUE(settled(1));
    server.kill();
    ASSERT_TRUE(world_.until([&] { return !pool_->circuit().passes(); }));
    server.start();
    EXPECT_TRUE(world_.until([&] { return pool_->circuit().passes(); }));
    EXPECT_TRUE(acquire().held);
}

TEST_F(pg_pool_test, a_frozen_server_opens_the_breaker_by_time_outs) {
    postgres_server server;
    options_.connection.statement_timeout = milliseconds{200};
    options_.connection.connect_timeout = milliseconds{200};
    options_.breaker.open_for = milliseconds{20};
    options_.breaker.max_open_for = milliseconds{20};
    options_.breaker.probe_interval = milliseconds{20};
    made(server.dsn());
    auto held = acquire();
    ASSERT_TRUE(held.held);
    server.freeze();
    const outcome late = world_.run(*held.held, "select 1");
    ASSERT_TRUE(late.failed);
    EXPECT_EQ(late.failed->what, error::kind::timeout);
    pool_->report(late.failed);
    EXPECT_TRUE(world_.until([&] { return !pool_->circuit().passes(); }));
    server.thaw();
    EXPECT_TRUE(world_.until([&] { return pool_->circuit().passes(); }));
}

TEST_F(pg_pool_test, close_fails_whoever_waits_and_whatever_runs) {
    options_.max = 1;
    made();
    auto held = acquire();
    std::string failed;
    pool_->acquire([&](const lease&, const std::optional<error>& why) { failed = why->text; });
    std::optional<outcome> ended;
    batch slow;
    slow.add_sql("select pg_sleep(600)");
    held.held->run(slow, [&](outcome got) { ended = std::move(got); });
    pool_->close();
    EXPECT_EQ(failed, "the pool is closed");
    ASSERT_TRUE(ended && ended->failed);
    EXPECT_EQ(pool_->numbers().size, 0u);
}

}  // namespace
}  // namespace weir::pg::test
