#include "proxy/fallback/postgres/entry_rows.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/proxy/fallback/postgres/postgres_world.hpp"

namespace weir::pg::test {
namespace {

using engine::entry;
using engine::hash_value;
using engine::list_end;
using engine::list_value;
using engine::set_value;
using engine::sorted_set_value;

std::string every_byte() {
    std::string all;
    for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
    return all;
}

/// Elements as they stand, and what cannot be seen from them.
std::string shown(const entry& what) {
    std::string all = std::string(engine::type_name(what.held)) + ' ' + std::string(engine::encoding_name(what.held)) + ' ' +
                      std::to_string(what.expires_at) + '\n';
    if (const auto* text = std::get_if<std::string>(&what.held)) all += *text;
    if (const auto* list = std::get_if<list_value>(&what.held)) {
        for (std::size_t i = 0; i < list->size(); ++i) all += (*list)[i] + '\n';
    }
    if (const auto* set = std::get_if<set_value>(&what.held)) {
        for (std::size_t i = 0; i < set->size(); ++i) all += set->member(i) + '\n';
    }
    if (const auto* hash = std::get_if<hash_value>(&what.held)) {
        for (std::size_t i = 0; i < hash->size(); ++i) all += std::string(hash->field(i)) + '=' + hash->value_at(i) + '\n';
    }
    if (const auto* set = std::get_if<sorted_set_value>(&what.held)) {
        for (std::size_t i = 0; i < set->size(); ++i) {
            all += (*set)[i].key + '=' + std::to_string((*set)[i].mapped) + (std::signbit((*set)[i].mapped) ? "-" : "+") + '\n';
        }
    }
    return all;
}

/// Into a row of a real Postgres and back.
class entry_rows_test : public testing::Test {
protected:
    void SetUp() override {
        std::tie(on_, failed_) = world_.connect(shared_postgres().dsn());
        ASSERT_FALSE(failed_) << failed_->text;
        batch make;
        make.add_sql("create temporary table rows (type text, grown bool, expires_at int8, string bytea, elements bytea[], "
                     "scores float8[])");
        ASSERT_TRUE(world_.run(*on_, make));
        batch prepare;
        prepare.prepare(insert_);
        prepare.prepare(select_);
        ASSERT_TRUE(world_.run(*on_, prepare));
    }

    std::optional<entry> stored(const entry& what) {
        parameters values;
        append_entry(what, values);
        batch steps;
        steps.add_sql("truncate rows");
        steps.add(insert_, std::move(values));
        steps.add(select_);
        const outcome got = world_.run(*on_, steps);
        if (got.failed) ADD_FAILURE() << got.failed->text;
        return got.failed ? std::nullopt : read_entry(got.results[2], 0, 0);
    }
    void expect_same(const entry& what) {
        const auto back = stored(what);
        ASSERT_TRUE(back);
        EXPECT_EQ(shown(*back), shown(what));
    }
    std::optional<entry> read_sql(const std::string& columns) {
        const outcome got = world_.run(*on_, "select " + columns);
        EXPECT_FALSE(got.failed) << got.failed->text;
        return got.failed ? std::nullopt : read_entry(got.results[0], 0, 0);
    }

    postgres_world world_;
    std::shared_ptr<connection> on_;
    std::optional<error> failed_;
    // The schema is not on the path.
    statement insert_{"insert", "insert into pg_temp.rows values ($1, $2, $3, $4, $5, $6)"};
    statement select_{"select", "select * from pg_temp.rows"};
};

TEST_F(entry_rows_test, strings_of_any_bytes_come_back) {
    expect_same({std::string()});
    expect_same({every_byte(), 1'700'000'000'000});
    expect_same({std::string(20'000'000, 'x')});
    expect_same({std::string("12345"), std::numeric_limits<std::int64_t>::max()});
}

TEST_F(entry_rows_test, lists_keep_their_order) {
    list_value list;
    for (const auto& each : {std::string("b"), std::string(), every_byte(), std::string("a")}) list.push(list_end::left, each);
    expect_same({list});
    for (int i = 0; i < 10'000; ++i) list.push(list_end::right, std::to_string(i));
    expect_same({list, 5});
}

TEST_F(entry_rows_test, sets_keep_their_order_and_encoding) {
    set_value integers;
    for (const auto* each : {"3", "-1", "2"}) integers.add(each);
    expect_same({integers});
    set_value words;
    for (const auto* each : {"3", "x", "2", ""}) words.add(each);
    words.erase("3");
    expect_same({words});
    words.erase("x");
    words.erase("");
    ASSERT_FALSE(words.is_integers());
    expect_same({words});  // integers alone, and yet without their order
}

TEST_F(entry_rows_test, hashes_keep_their_order_and_encoding) {
    hash_value hash;
    for (const auto* each : {"z", "a", "", "m"}) hash.set(each, every_byte().substr(0, 40));
    expect_same({hash});
    hash.set("long", std::string(65, 'x'));
    hash.erase("long");
    hash.erase("z");
    ASSERT_FALSE(hash.is_small());
    expect_same({hash});
    hash_value large;
    for (int i = 0; i < 1'000; ++i) large.set("field" + std::to_string(i), std::to_string(i));
    expect_same({large, 7});
}

TEST_F(entry_rows_test, sorted_sets_keep_scores_exactly) {
    sorted_set_value set;
    const double infinity = std::numeric_limits<double>::infinity();
    for (const double score : {1.5, -infinity, infinity, 0.1, 5e-324, 1.7976931348623157e308, -0.0}) {
        set.set("m" + std::to_string(set.size()), score);
    }
    expect_same({set});
    set.set(std::string(65, 'x'), 1);
    set.set("minus zero", -0.0);
    set.erase(std::string(65, 'x'));
    ASSERT_FALSE(set.is_small());
    expect_same({set});
}

TEST_F(entry_rows_test, what_an_operator_wrote_wrongly_is_no_value) {
    EXPECT_FALSE(read_sql("'list'::text, false, null::int8, null::bytea, '{}'::bytea[], null::float8[]"));
    EXPECT_FALSE(read_sql("'list'::text, false, null::int8, null::bytea, null::bytea[], null::float8[]"));
    EXPECT_FALSE(read_sql("'list'::text, false, null::int8, null::bytea, array[null]::bytea[], null::float8[]"));
    EXPECT_FALSE(read_sql("'list'::text, false, null::int8, null::bytea, '{{a,b},{c,d}}'::bytea[], null::float8[]"));
    EXPECT_FALSE(read_sql("'list'::text, false, null::int8, null::bytea, '{a}'::text[], null::float8[]"));
    EXPECT_FALSE(read_sql("'hash'::text, false, null::int8, null::bytea, '{a,b,c}'::bytea[], null::float8[]"));
    EXPECT_FALSE(read_sql("'zset'::text, false, null::int8, null::bytea, '{a,b}'::bytea[], '{1}'::float8[]"));
    EXPECT_FALSE(read_sql("'zset'::text, false, null::int8, null::bytea, '{a}'::bytea[], '{1,2}'::float8[]"));
    EXPECT_FALSE(read_sql("'zset'::text, false, null::int8, null::bytea, '{a}'::bytea[], '{NaN}'::float8[]"));
    EXPECT_FALSE(read_sql("'string'::text, false, null::int8, null::bytea, '{a}'::bytea[], null::float8[]"));
    EXPECT_FALSE(read_sql("'stream'::text, false, null::int8, null::bytea, '{a}'::bytea[], null::float8[]"));
    EXPECT_TRUE(read_sql("'zset'::text, false, null::int8, null::bytea, '{a}'::bytea[], '{1}'::float8[]"));
    EXPECT_TRUE(read_sql("'list'::text, false, null::int8, null::bytea, '[5:6]={a,b}'::bytea[], null::float8[]"));
}

TEST(pg_wire_test, a_cut_array_is_malformed_at_every_byte) {
    std::string array;
    array_writer writer(array, oid::bytea, 2);
    writer.add("one");
    writer.add("");
    for (std::size_t size = 0; size < array.size(); ++size) {
        array_reader reader(std::string_view(array).substr(0, size), oid::bytea);
        while (reader.next()) {
        }
        EXPECT_FALSE(reader.is_complete()) << size;
    }
    array_reader whole(array, oid::bytea);
    EXPECT_EQ(whole.size(), 2u);
    EXPECT_EQ(whole.next(), "one");
    EXPECT_EQ(whole.next(), "");
    EXPECT_EQ(whole.next(), std::nullopt);
    EXPECT_TRUE(whole.is_complete());
    array += 'x';
    array_reader more(array, oid::bytea);
    while (more.next()) {
    }
    EXPECT_FALSE(more.is_complete());
}

TEST(pg_wire_test, a_length_from_the_wire_is_not_believed) {
    std::string array;
    append_integer(array, std::int32_t{1});
    append_integer(array, std::int32_t{0});
    append_integer(array, std::int32_t{17});
    append_integer(array, std::int32_t{0x7fffffff});
    append_integer(array, std::int32_t{1});
    append_integer(array, std::int32_t{-1});
    array_reader reader(array, oid::bytea);
    EXPECT_EQ(reader.size(), 0u);
    EXPECT_EQ(reader.next(), std::nullopt);
    EXPECT_FALSE(reader.is_complete());
}

}  // namespace
}  // namespace weir::pg::test
