#include "policy/command_timeouts.hpp"

#include <gtest/gtest.h>

namespace weir {
namespace {

using namespace std::chrono_literals;
using times = std::map<std::string, std::chrono::milliseconds>;

constexpr auto standard_time = std::chrono::milliseconds(5s);

std::chrono::milliseconds time_of(const command_timeouts& timeouts, std::string_view command) {
    return timeouts.of(timeouts.class_of(*command_table::built_in()->find_row(command)));
}

TEST(command_timeouts_test, without_words_all_have_the_same) {
    const command_timeouts timeouts(standard_time, {});
    EXPECT_TRUE(timeouts.uniform());
    EXPECT_EQ(timeouts.shortest(), 5s);
    for (const command_spec* row : command_table::built_in()->rows())
        EXPECT_EQ(timeouts.class_of(*row), command_timeouts::standard) << row->name;
    EXPECT_EQ(timeouts.of(command_timeouts::standard), 5s);
}

TEST(command_timeouts_test, a_word_is_for_its_commands_alone) {
    const command_timeouts timeouts(standard_time, {{"get", 50ms}, {"@pubsub", 1s}});
    EXPECT_FALSE(timeouts.uniform());
    EXPECT_EQ(time_of(timeouts, "get"), 50ms);
    EXPECT_EQ(time_of(timeouts, "publish"), 1s);
    EXPECT_EQ(time_of(timeouts, "getex"), 5s);
    EXPECT_EQ(timeouts.shortest(), 50ms);
}

TEST(command_timeouts_test, the_most_particular_word_counts_whatever_its_time) {
    const command_timeouts timeouts(standard_time, {{"*", 1s}, {"@keyspace", 2s}, {"object", 3s}, {"object|freq", 4s}});
    EXPECT_EQ(time_of(timeouts, "get"), 1s);
    EXPECT_EQ(time_of(timeouts, "del"), 2s);
    EXPECT_EQ(time_of(timeouts, "object|encoding"), 3s);
    EXPECT_EQ(time_of(timeouts, "object"), 3s);
    EXPECT_EQ(time_of(timeouts, "object|freq"), 4s);
    const command_timeouts descending(standard_time, {{"*", 4s}, {"@keyspace", 3s}, {"object", 2s}, {"object|freq", 1s}});
    EXPECT_EQ(time_of(descending, "get"), 4s);
    EXPECT_EQ(time_of(descending, "object|encoding"), 2s);
    EXPECT_EQ(time_of(descending, "object|freq"), 1s);
}

TEST(command_timeouts_test, of_categories_the_shortest_time_counts) {
    for (const times& words : {times{{"@read", 1s}, {"@slow", 2s}}, times{{"@read", 2s}, {"@slow", 1s}}}) {
        EXPECT_EQ(time_of(command_timeouts(standard_time, words), "lrange"), 1s);
    }
    EXPECT_EQ(time_of(command_timeouts(standard_time, {{"*", 1s}, {"@all", 2s}}), "get"), 1s);
}

TEST(command_timeouts_test, a_category_may_take_longer_than_command_timeout) {
    const command_timeouts timeouts(standard_time, {{"@slow", 10s}});
    EXPECT_EQ(time_of(timeouts, "keys"), 10s);
    EXPECT_EQ(timeouts.shortest(), 5s);
}

TEST(command_timeouts_test, equal_times_are_one_class) {
    const command_timeouts timeouts(standard_time, {{"get", 1s}, {"set", 1s}, {"del", 5s}});
    const auto class_of = [&](const char* name) { return timeouts.class_of(*command_table::built_in()->find_row(name)); };
    EXPECT_EQ(class_of("get"), class_of("set"));
    EXPECT_EQ(class_of("del"), command_timeouts::standard);
    EXPECT_TRUE(command_timeouts(standard_time, {{"get", 5s}}).uniform());
}

TEST(command_timeouts_test, a_modules_command_has_what_the_words_say) {
    command_spec learned;
    learned.name = "json.get";
    learned.learned = true;
    learned.categories = static_cast<std::uint32_t>(command_category::slow);
    const auto time = [&](const times& words) {
        const command_timeouts timeouts(standard_time, words);
        return timeouts.of(timeouts.class_of(learned));
    };
    EXPECT_EQ(time({}), 5s);
    EXPECT_EQ(time({{"get", 1s}}), 5s);
    EXPECT_EQ(time({{"*", 1s}}), 1s);
    EXPECT_EQ(time({{"@slow", 2s}, {"*", 1s}}), 2s);
    EXPECT_EQ(time({{"json.get", 3s}, {"@slow", 2s}}), 3s);
}

TEST(command_timeouts_test, as_many_different_times_as_there_may_be_have_a_class_each) {
    times words;
    for (std::size_t i = 0; i < command_timeouts::max_classes; ++i) words["m.c" + std::to_string(i)] = std::chrono::milliseconds(i + 1);
    const command_timeouts timeouts(standard_time, words);
    for (std::size_t i = 0; i < command_timeouts::max_classes; ++i) {
        const std::string name = "m.c" + std::to_string(i);
        command_spec learned;
        learned.name = name;
        const auto which = timeouts.class_of(learned);
        ASSERT_NE(which, command_timeouts::never);
        EXPECT_EQ(timeouts.of(which), std::chrono::milliseconds(i + 1));
    }
}

}  // namespace
}  // namespace weir
