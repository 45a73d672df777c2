#include "proxy/local_commands.hpp"

#include <gtest/gtest.h>

#include <set>

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

TEST(local_commands, a_subscriber_of_resp2_may_change_its_subscriptions_and_little_else) {
    std::set<std::string_view> allowed;
    for (const command_spec* row : command_table::built_in()->rows()) {
        if (is_for_subscribers(*row)) allowed.insert(row->name);
    }
    EXPECT_EQ(allowed, (std::set<std::string_view>{"subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe",
                                                   "sunsubscribe", "ping", "quit", "reset"}));
    for (const auto* name : {"subscribe", "sunsubscribe"}) {
        const command_spec& row = *command_table::built_in()->find(name);
        EXPECT_TRUE(needs_quiet(row)) << "confirmations stand where replies would";
        EXPECT_EQ(in_transaction_rule(row), in_multi::refused);
    }
}

}  // namespace
}  // namespace weir
