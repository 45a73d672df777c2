#include "proxy/fallback/engine/commands.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/command_table.hpp"
#include "tests/proxy/fallback/engine/engine_client.hpp"

namespace weir::engine {
namespace {

TEST(engine_commands_test, each_stands_in_the_command_table_and_only_once) {
    const auto table = command_table::built_in();
    std::string_view before;
    for (const auto& row : commands()) {
        EXPECT_NE(table->find_row(row.name), nullptr) << row.name;
        EXPECT_LT(before, row.name);
        before = row.name;
    }
}

/// A data type's commands that the engine does not answer: they wait, or touch no value.
bool is_left_out(const command_spec& command) {
    return command.is(command_category::blocking) || command.is(command_category::bitmap) ||
           command.is(command_category::geo) || command.is(command_category::hyperloglog) ||
           command.is(command_category::stream) || command.name.find('|') != std::string_view::npos;
}

TEST(engine_commands_test, every_command_of_a_data_type_is_there) {
    for (const command_spec* const row : command_table::built_in()->rows()) {
        const bool of_a_type = row->is(command_category::string) || row->is(command_category::hash) ||
                               row->is(command_category::list) || row->is(command_category::set) ||
                               row->is(command_category::sortedset);
        if (of_a_type && !is_left_out(*row)) {
            EXPECT_NE(find_command(row->name), nullptr) << row->name;
        }
    }
}

TEST(engine_commands_test, each_writes_one_reply_to_whatever_it_is_asked) {
    for (const auto& row : commands()) {
        const command_spec* const spec = command_table::built_in()->find_row(row.name);
        engine_client client;
        const std::size_t least = static_cast<std::size_t>(spec->arity < 0 ? -spec->arity : spec->arity);
        for (std::size_t count = least; count < least + 4; ++count) {
            if (!spec->accepts_argument_count(count)) continue;
            std::vector<std::string_view> words(count, "1");
            buffer out;
            reply_writer reply(out, resp_version::resp3);
            surroundings around{client.keys, reply, client.now, client.random};
            run(row, words, around);
            EXPECT_FALSE(out.empty()) << row.name << ' ' << count;
        }
    }
}

TEST(engine_commands_test, what_looks_at_the_same_elements_again_and_again_is_not_done) {
    engine_client client;
    for (int i = 0; i < 10; ++i) {
        client({"SADD", "s", std::to_string(i)});
        client({"ZADD", "z", std::to_string(i), std::to_string(i)});
    }
    client({"SET", "t", "0123456789"});
    client.limits.max_steps = 30;
    client.limits.max_lcs_cells = 120;
    const auto is_done = [&](const std::vector<std::string_view>& command) {
        const auto reply = client.send(command);
        EXPECT_EQ(reply.empty(), client.obstacle == "it would take too long") << command[0];
        return !reply.empty();
    };
    for (const std::string_view name : {"SINTER", "SUNION", "SDIFF"}) {
        EXPECT_TRUE(is_done({name, "s", "s", "s"})) << name;
        EXPECT_FALSE(is_done({name, "s", "s", "s", "none"})) << name;
    }
    for (const std::string_view name : {"SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"}) {
        EXPECT_TRUE(is_done({name, "d", "s", "s", "s"})) << name;
        EXPECT_FALSE(is_done({name, "d", "s", "s", "s", "s"})) << name;
    }
    for (const std::string_view name : {"SINTERCARD", "ZINTERCARD", "ZUNION", "ZINTER", "ZDIFF"}) {
        EXPECT_TRUE(is_done({name, "3", "s", "s", "s"})) << name;
        EXPECT_FALSE(is_done({name, "4", "s", "s", "s", "s"})) << name;
    }
    EXPECT_FALSE(is_done({"ZUNIONSTORE", "d", "4", "z", "z", "z", "z"}));
    EXPECT_TRUE(is_done({"SORT", "s", "GET", "a", "GET", "b"}));
    EXPECT_FALSE(is_done({"SORT", "s", "GET", "a", "GET", "b", "GET", "c"}));
    EXPECT_FALSE(is_done({"LCS", "t", "t"}));
    EXPECT_TRUE(is_done({"LCS", "t", "none"}));
}

TEST(engine_commands_test, what_is_stored_is_no_longer_than_it_may_be) {
    engine_client client;
    client({"RPUSH", "l", "1", "1", "1"});
    client({"SET", "k1", std::string(400, 'x')});
    client.limits.max_result_bytes = 1'000;
    EXPECT_EQ(client({"SORT", "l", "LIMIT", "0", "2", "GET", "k*", "STORE", "d"}), integer(2));
    client.journaled();
    EXPECT_EQ(client({"SORT", "l", "GET", "k*", "STORE", "d"}), "");
    EXPECT_EQ(client.obstacle, "its result is too large");
    EXPECT_THAT(client.journaled(), testing::IsEmpty());
    EXPECT_EQ(client({"LLEN", "d"}), integer(2));
}

}  // namespace
}  // namespace weir::engine
