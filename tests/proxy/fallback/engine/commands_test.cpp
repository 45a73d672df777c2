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

}  // namespace
}  // namespace weir::engine
