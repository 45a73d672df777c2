#include "proxy/local_commands.hpp"

#include <gtest/gtest.h>

#include "protocol/command_table.hpp"

namespace weir {
namespace {

TEST(local_commands, every_row_routed_local_has_an_answer) {
    std::size_t local_rows = 0;
    for (const command_spec* row : command_table::built_in()->rows()) {
        if (row->route != command_route::local) continue;
        ++local_rows;
        EXPECT_TRUE(has_local_answer(*row)) << row->name;
    }
    EXPECT_GT(local_rows, 20u);
}

TEST(local_commands, what_changes_later_replies_needs_quiet) {
    const auto table = command_table::built_in();
    for (const auto* name : {"hello", "select", "reset"}) EXPECT_TRUE(needs_quiet(*table->find(name))) << name;
    for (const auto* name : {"ping", "echo", "quit"}) EXPECT_FALSE(needs_quiet(*table->find(name))) << name;
}

}  // namespace
}  // namespace weir
