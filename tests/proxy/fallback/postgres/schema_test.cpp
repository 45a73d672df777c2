#include "proxy/fallback/postgres/schema.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/proxy/fallback/postgres/postgres_world.hpp"

namespace weir::pg::test {
namespace {

using testing::HasSubstr;

class schema_test : public testing::Test {
protected:
    std::optional<error> prepare(const std::string& user = "weir") {
        auto [on, failed] = world_.connect(server_.dsn(user));
        EXPECT_FALSE(failed);
        if (failed) return failed;
        return world_.await(made_.prepare(*on));
    }
    std::string sql(const std::string& text, const std::string& user = "weir") { return server_.sql(made_.in(text), user); }

    postgres_world world_;
    postgres_server& server_ = shared_postgres();
    schema made_{postgres_world::fresh_schema()};
};

TEST_F(schema_test, is_made_once_and_found_afterwards) {
    EXPECT_EQ(prepare(), std::nullopt);
    sql("insert into {schema}.entries (prefix, database, key, type, string) values ('t:', 0, 'k', 'string', 'v')");
    EXPECT_EQ(prepare(), std::nullopt);
    EXPECT_EQ(sql("select count(*) from {schema}.entries"), "1");
    EXPECT_EQ(sql("select max(version) from {schema}.schema_version"), "1");
}

TEST_F(schema_test, several_processes_may_make_it_at_once) {
    std::vector<std::shared_ptr<connection>> all;
    std::size_t done = 0;
    for (int i = 0; i < 8; ++i) all.push_back(world_.connect(server_.dsn()).first);
    for (const auto& on : all) {
        boost::asio::co_spawn(world_.context, made_.prepare(*on), [&](std::exception_ptr, std::optional<error> failed) {
            EXPECT_FALSE(failed) << failed->text;
            ++done;
        });
    }
    EXPECT_TRUE(world_.until([&] { return done == all.size(); }));
    EXPECT_EQ(sql("select count(*) from {schema}.schema_version"), "1");
}

TEST_F(schema_test, a_newer_one_is_refused_and_left_alone) {
    ASSERT_EQ(prepare(), std::nullopt);
    sql("insert into {schema}.schema_version values (7)");
    const auto failed = prepare();
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->text, "the schema " + made_.name() + " has version 7, and this weir knows version 1: it needs a newer weir");
}

TEST_F(schema_test, a_role_that_may_not_create_it_is_told_so) {
    sql("create role poor_" + made_.name() + " login");
    const auto failed = prepare("poor_" + made_.name());
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->sqlstate, "42501");
    EXPECT_THAT(failed->text, HasSubstr("cannot create the schema " + made_.name() + ": permission denied for database"));
    EXPECT_THAT(failed->text, HasSubstr("a role with CREATE on the database must connect once"));
}

TEST_F(schema_test, a_role_that_may_not_use_the_tables_is_told_which) {
    ASSERT_EQ(prepare(), std::nullopt);
    const std::string poor = "poor_" + made_.name();
    sql("create role " + poor + " login");
    auto failed = prepare(poor);
    ASSERT_TRUE(failed);
    EXPECT_THAT(failed->text, HasSubstr("cannot use the schema " + made_.name() + ": permission denied for"));
    sql("grant usage on schema {schema} to " + poor + "; grant select, insert on all tables in schema {schema} to " + poor);
    failed = prepare(poor);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->text, "this role needs select, insert, update and delete in the schema " + made_.name() +
                                " on: entries, journal, journal_size, replay, dead_letters");
    sql("grant all on all tables in schema {schema} to " + poor);
    EXPECT_EQ(prepare(poor), std::nullopt);
}

TEST_F(schema_test, an_operator_reads_values_as_text) {
    ASSERT_EQ(prepare(), std::nullopt);
    sql("insert into {schema}.entries (prefix, database, key, type, string, elements, scores, expires_at) values"
        " ('t:', 0, '\\x6100ff', 'string', '\\x00ff62', null, null, 1700000000500),"
        " ('t:', 0, 'l', 'list', null, '{b,a}', null, null), ('t:', 0, 's', 'set', null, '{x,1}', null, null),"
        " ('t:', 0, 'h', 'hash', null, '{z,1,a,2}', null, 9223372036854775807),"
        " ('t:', 0, 'z', 'zset', null, '{m,n}', '{2.5,-Infinity}', null)");
    const auto shown = [&](const std::string& type, const std::string& column) {
        return sql("set timezone = 'UTC'; select " + column + " from {schema}.entries_shown where type = '" + type + "'");
    };
    EXPECT_EQ(shown("string", "key"), "a\\000\\377");
    EXPECT_EQ(shown("string", "value"), "\"\\\\000\\\\377b\"");
    EXPECT_EQ(shown("string", "expires_at"), "2023-11-14 22:13:20.5+00");
    EXPECT_EQ(shown("list", "value"), "[\"b\", \"a\"]");
    EXPECT_EQ(shown("set", "value"), "[\"x\", \"1\"]");
    EXPECT_EQ(shown("hash", "value"), "{ \"z\" : \"1\", \"a\" : \"2\" }");
    EXPECT_EQ(shown("hash", "expires_at"), "");
    EXPECT_EQ(shown("zset", "value"), "{ \"n\" : \"-Infinity\", \"m\" : 2.5 }");
    sql("insert into {schema}.journal (tenant, prefix, database, words, bytes) values ('t', 't:', 0, '{SET,a\\\\000,1}', 9)");
    EXPECT_EQ(sql("select words from {schema}.journal_shown"), "{SET,\"a\\\\000\",1}");
    EXPECT_NE(sql("select obj_description('{schema}.entries'::regclass)"), "");
    EXPECT_NE(sql("select col_description('{schema}.entries'::regclass, 5)"), "");
}

TEST_F(schema_test, impossible_rows_are_refused) {
    ASSERT_EQ(prepare(), std::nullopt);
    EXPECT_THAT(sql("insert into {schema}.entries (prefix, database, key, type, elements) values ('t:', 0, 'k', 'string', '{a}')"),
                HasSubstr("violates check constraint"));
    EXPECT_THAT(sql("insert into {schema}.entries (prefix, database, key, type, elements) values ('t:', 0, 'k', 'zset', '{a}')"),
                HasSubstr("violates check constraint"));
}

TEST(schema_name_test, is_one_that_needs_no_quotes) {
    EXPECT_TRUE(schema::is_name("weir"));
    EXPECT_TRUE(schema::is_name("_weir_2"));
    for (const auto* bad : {"", "Weir", "a-b", "a b", "2a", "a\"b", "a'b", "pg_weir", "a;b"}) EXPECT_FALSE(schema::is_name(bad)) << bad;
    EXPECT_FALSE(schema::is_name(std::string(64, 'a')));
    EXPECT_EQ(schema("fleet").in("a {schema}.b {schema}"), "a fleet.b fleet");
}

}  // namespace
}  // namespace weir::pg::test
