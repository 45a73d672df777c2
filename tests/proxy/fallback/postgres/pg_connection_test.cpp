#include "proxy/fallback/postgres/pg_connection.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/proxy/fallback/postgres/postgres_world.hpp"

namespace weir::pg::test {
namespace {

using testing::HasSubstr;
using testing::Not;

connection_options waiting(int milliseconds) {
    connection_options made;
    made.connect_timeout = std::chrono::milliseconds{milliseconds};
    return made;
}

class pg_connection_test : public testing::Test {
protected:
    void SetUp() override {
        std::tie(on_, failed_) = world_.connect(shared_postgres().dsn());
        ASSERT_FALSE(failed_) << failed_->text;
    }

    static connection_options limited(int milliseconds) {
        connection_options made;
        made.statement_timeout = std::chrono::milliseconds{milliseconds};
        return made;
    }

    postgres_world world_;
    std::shared_ptr<connection> on_;
    std::optional<error> failed_;
};

TEST_F(pg_connection_test, batches_are_answered_in_their_order) {
    std::string order;
    for (const char* each : {"1", "2", "3"}) {
        batch steps;
        steps.add_sql(std::string("select ") + each + "::int8");
        on_->run(steps, [&order](const outcome& got) { order += std::to_string(got.results.at(0).int8(0, 0).value_or(-1)); });
    }
    EXPECT_FALSE(on_->is_idle());
    EXPECT_TRUE(world_.until([&] { return order.size() == 3; }));
    EXPECT_EQ(order, "123");
    EXPECT_TRUE(on_->is_idle());
}

TEST_F(pg_connection_test, an_error_ends_its_batch_and_no_other) {
    batch bad;
    bad.add_sql("select 1");
    bad.add_sql("select 1/0");
    bad.add_sql("select 2");
    const outcome failed = world_.run(*on_, bad);
    ASSERT_TRUE(failed.failed);
    EXPECT_EQ(failed.failed->what, error::kind::statement);
    EXPECT_EQ(failed.failed->sqlstate, "22012");
    EXPECT_EQ(failed.failed->text, "division by zero");
    EXPECT_EQ(failed.results.size(), 1u);
    EXPECT_TRUE(world_.run(*on_, "select 3"));
}

TEST_F(pg_connection_test, parameters_keep_every_byte) {
    const statement echo{"echo", "select $1::bytea, $2::int8, $3::text, $4::bytea[], $5::int8[], $6::bool, $7::int4"};
    batch prepare;
    prepare.prepare(echo);
    ASSERT_TRUE(world_.run(*on_, prepare));
    const std::string bytes("a\0\xff'\\", 5);
    parameters with;
    with.bytes(bytes).int8(-2).null().array(std::vector<std::string>{bytes, ""}).array_of_int8({1, -1}).boolean(true).int4(-7);
    batch steps;
    steps.add(echo, std::move(with));
    const outcome got = world_.run(*on_, steps);
    ASSERT_FALSE(got.failed) << got.failed->text;
    const result& row = got.results[0];
    EXPECT_EQ(row.bytes(0, 0), bytes);
    EXPECT_EQ(row.int8(0, 1), -2);
    EXPECT_EQ(row.bytes(0, 2), std::nullopt);
    array_reader texts(*row.bytes(0, 3), oid::bytea);
    EXPECT_EQ(texts.next(), bytes);
    EXPECT_EQ(texts.next(), "");
    array_reader numbers(*row.bytes(0, 4), oid::int8);
    EXPECT_EQ(read_int8(*numbers.next()), 1);
    EXPECT_EQ(read_int8(*numbers.next()), -1);
    EXPECT_TRUE(row.is_true(0, 5));
    EXPECT_EQ(read_int4(*row.bytes(0, 6)), -7);
}

TEST_F(pg_connection_test, what_is_larger_than_a_sockets_buffers_goes_both_ways) {
    const statement echo{"echo", "select $1::bytea"};
    const std::string large(30'000'000, 'x');
    batch steps;
    steps.prepare(echo);
    for (int i = 0; i < 3; ++i) {
        parameters with;
        with.bytes(large);
        steps.add(echo, std::move(with));
    }
    const auto [on, failed] = world_.connect(shared_postgres().dsn(), limited(60'000));
    ASSERT_FALSE(failed);
    const outcome got = world_.run(*on, steps);
    ASSERT_FALSE(got.failed) << got.failed->text;
    for (std::size_t i = 1; i <= 3; ++i) EXPECT_EQ(got.results[i].bytes(0, 0), large);
}

TEST_F(pg_connection_test, the_session_is_as_we_need_it_whatever_the_defaults_are) {
    shared_postgres().sql("create role lazy login; alter role lazy set synchronous_commit = off; alter role lazy set jit = on");
    const auto [on, failed] = world_.connect(shared_postgres().dsn("lazy"), limited(1'234));
    ASSERT_FALSE(failed);
    const auto setting = [&, own = on](const std::string& name) {
        const outcome got = world_.run(*own, "select current_setting('" + name + "')::bytea");
        return got.failed ? got.failed->text : std::string(*got.results[0].bytes(0, 0));
    };
    EXPECT_EQ(setting("synchronous_commit"), "on");
    EXPECT_EQ(setting("jit"), "off");
    EXPECT_EQ(setting("statement_timeout"), "1234ms");
    EXPECT_EQ(setting("application_name"), "weir");
}

TEST_F(pg_connection_test, the_server_gives_up_a_statement_that_takes_too_long) {
    const auto [on, failed] = world_.connect(shared_postgres().dsn(), limited(300));
    ASSERT_FALSE(failed);
    batch steps;
    steps.add_sql("set statement_timeout = '50ms'");
    steps.add_sql("select pg_sleep(600)");
    const outcome got = world_.run(*on, steps);
    ASSERT_TRUE(got.failed);
    EXPECT_EQ(got.failed->sqlstate, "57014");
    EXPECT_TRUE(on->is_open());
}

TEST_F(pg_connection_test, a_server_that_does_not_give_up_is_left) {
    const auto [on, failed] = world_.connect(shared_postgres().dsn(), limited(200));
    ASSERT_FALSE(failed);
    std::optional<error> told;
    on->on_close([&](const error& why) { told = why; });
    batch steps;
    steps.add_sql("set statement_timeout = 0");
    steps.add_sql("select pg_sleep(600)");
    const outcome got = world_.run(*on, steps);
    ASSERT_TRUE(got.failed);
    EXPECT_EQ(got.failed->what, error::kind::timeout);
    EXPECT_FALSE(on->is_open());
    ASSERT_TRUE(told);
    EXPECT_EQ(told->what, error::kind::timeout);
}

TEST_F(pg_connection_test, a_backend_that_is_ended_fails_what_is_under_way_and_tells) {
    std::optional<error> told;
    on_->on_close([&](const error& why) { told = why; });
    const outcome who = world_.run(*on_, "select pg_backend_pid()::int8");
    std::optional<outcome> late;
    batch slow;
    slow.add_sql("select pg_sleep(600)");
    on_->run(slow, [&](outcome got) { late = std::move(got); });
    shared_postgres().sql("select pg_terminate_backend(" + std::to_string(*who.results[0].int8(0, 0)) + ")");
    ASSERT_TRUE(world_.until([&] { return told.has_value(); }));
    ASSERT_TRUE(late && late->failed);
    EXPECT_EQ(late->failed->what, error::kind::lost);
    EXPECT_EQ(late->failed->sqlstate, "57P01");
    EXPECT_FALSE(on_->is_open());
    EXPECT_EQ(world_.run(*on_, "select 1").failed->what, error::kind::lost);
}

TEST_F(pg_connection_test, an_idle_one_notices_that_its_backend_has_gone) {
    bool told = false;
    on_->on_close([&](const error&) { told = true; });
    const outcome who = world_.run(*on_, "select pg_backend_pid()::int8");
    shared_postgres().sql("select pg_terminate_backend(" + std::to_string(*who.results[0].int8(0, 0)) + ")");
    EXPECT_TRUE(world_.until([&] { return told; }));
}

TEST_F(pg_connection_test, may_be_dropped_with_something_under_way) {
    batch slow;
    slow.add_sql("select pg_sleep(600)");
    bool called = false;
    on_->run(slow, [&](const outcome&) { called = true; });
    on_.reset();
    world_.context.poll();
    EXPECT_FALSE(called);
}

TEST(pg_target_test, a_dsn_that_is_none_is_refused_without_repeating_it) {
    std::string fault;
    EXPECT_FALSE(target::parse("password=secret nonsense=1", fault));
    EXPECT_EQ(fault, "is neither postgres://user@host/database nor host=... dbname=...");
    EXPECT_TRUE(target::parse("postgres://me:secret@db.example:5433/app", fault));
    const auto where = target::parse("postgres://me:secret@db.example:5433/app", fault);
    EXPECT_EQ(where->shown(), "app at db.example");
}

TEST(pg_target_test, names_are_looked_up_and_sockets_are_not) {
    postgres_world world;
    std::map<std::string, std::string> told;
    std::optional<error> failed;
    bool done = false;
    postgres_world::where("host=/tmp,localhost,127.0.0.2 port=1,2,3 dbname=x")
        .resolve(world.context.get_executor(), [&](std::optional<error> why, auto options) {
            failed = std::move(why);
            told = std::move(options);
            done = true;
        });
    EXPECT_FALSE(done);
    ASSERT_TRUE(world.until([&] { return done; }));
    ASSERT_FALSE(failed);
    EXPECT_THAT(told["hostaddr"], HasSubstr("127.0.0.1"));
    EXPECT_EQ(told["hostaddr"][0], ',');
    EXPECT_EQ(std::ranges::count(told["host"], ','), std::ranges::count(told["hostaddr"], ','));
    EXPECT_EQ(told["port"].front(), '1');
    EXPECT_EQ(told["port"].back(), '3');
}

TEST(pg_target_test, a_name_that_nobody_knows_is_an_error) {
    postgres_world world;
    const auto [on, failed] = world.connect("host=nobody.invalid dbname=x password=secret", waiting(60'000));
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->what, error::kind::connect);
    EXPECT_THAT(failed->text, HasSubstr("cannot look up 'nobody.invalid'"));
    EXPECT_THAT(failed->text, Not(HasSubstr("secret")));
}

TEST(pg_open_test, nobody_there_is_an_error) {
    weir::temporary_folder folder;
    postgres_world world;
    const auto [on, failed] = world.connect("host=" + folder / "" + " dbname=x password=secret");
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->what, error::kind::connect);
    EXPECT_THAT(failed->text, HasSubstr("No such file or directory"));
    EXPECT_THAT(failed->text, Not(HasSubstr("secret")));
}

TEST(pg_open_test, a_role_that_is_not_there_is_an_error) {
    postgres_world world;
    const auto [on, failed] = world.connect(shared_postgres().dsn("nobody"));
    ASSERT_TRUE(failed);
    EXPECT_THAT(failed->text, HasSubstr("role \"nobody\" does not exist"));
}

TEST(pg_open_test, a_server_that_says_nothing_is_given_up) {
    weir::temporary_folder folder;
    const int listening = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = folder / ".s.PGSQL.5432";
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(listening, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listening, 5), 0);
    postgres_world world;
    const auto [on, failed] =
        world.connect("host=" + folder / "" + " port=5432 dbname=x", waiting(100));
    ::close(listening);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->text, "no connection within the time-out");
}

}  // namespace
}  // namespace weir::pg::test
