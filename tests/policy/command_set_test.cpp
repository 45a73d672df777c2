#include "policy/command_set.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using words = std::vector<std::string>;

const command_spec& row(std::string_view name) {
    const command_spec* found = command_table::built_in()->find_row(name);
    EXPECT_NE(found, nullptr) << name;
    static const command_spec none;
    return found == nullptr ? none : *found;
}

bool contains(const words& given, std::string_view name) {
    for (const std::string& word : given) EXPECT_EQ(command_set::fault(word), "") << word;
    return command_set(given).contains(row(name));
}

std::size_t count(const words& given) {
    const command_set set(given);
    const auto is_in = [&](const command_spec* each) { return set.contains(*each); };
    return static_cast<std::size_t>(std::ranges::count_if(command_table::built_in()->rows(), is_in));
}

std::size_t all_rows() {
    return command_table::built_in()->rows().size();
}

/// What a server reports that our table lacks: as the table makes a row of it.
const command_spec& learned(const std::string& name, std::vector<std::string> categories) {
    static std::vector<std::shared_ptr<const command_table>> tables;  // rows live as long as their table
    command_facts facts;
    facts.name = name.substr(0, name.find('|'));
    facts.categories = categories;
    if (name.find('|') != std::string::npos) {
        command_facts sub;
        sub.name = name;
        sub.categories = std::move(categories);
        facts.subcommands.push_back(std::move(sub));
    }
    tables.push_back(command_table::learned({&facts, 1}));
    return *tables.back()->find_row(name);
}

TEST(command_set_test, nothing_is_in_the_empty_set) {
    EXPECT_EQ(count({}), 0u);
    EXPECT_FALSE(command_set().contains(row("get")));
    EXPECT_FALSE(command_set().contains(learned("hnew", {"read"})));
}

TEST(command_set_test, every_row_has_its_bit) {
    // Rows beyond the compiled ones are judged by words: right, but slow.
    EXPECT_LE(all_rows(), 512u);
    for (const command_spec* each : command_table::built_in()->rows()) {
        const std::string name(each->name);
        const command_set alone(words{name});
        const command_set others(words{"*", "-" + name});
        for (const command_spec* other : command_table::built_in()->rows()) {
            const bool within = other == each || other->name.starts_with(name + "|");
            EXPECT_EQ(alone.contains(*other), within) << name << " " << other->name;
            EXPECT_EQ(others.contains(*other), !within) << name << " " << other->name;
        }
    }
}

TEST(command_set_test, words_for_everything_and_nothing) {
    for (const char* word : {"*", "@all", "allcommands", "+*", "+@all", "+allcommands", "AllCommands"}) {
        EXPECT_EQ(count({word}), all_rows()) << word;
        EXPECT_EQ(count({"nocommands", word}), all_rows()) << word;
    }
    for (const char* word : {"-*", "-@all", "-allcommands", "nocommands", "NoCommands"}) {
        EXPECT_EQ(count({"*", word}), 0u) << word;
    }
}

TEST(command_set_test, every_category_means_the_rows_that_have_it) {
    for (const named_category& category : command_categories()) {
        const std::string word = "@" + std::string(category.name);
        EXPECT_EQ(command_set::fault(word), "");
        const command_set set(words{word});
        for (const command_spec* each : command_table::built_in()->rows()) {
            EXPECT_EQ(set.contains(*each), each->is(category.bit)) << word << " " << each->name;
        }
        EXPECT_GT(count({word}), 0u) << word;
    }
    EXPECT_EQ(command_categories().size(), 21u);
}

TEST(command_set_test, categories_are_those_of_redis) {
    EXPECT_TRUE(contains({"@write"}, "set"));
    EXPECT_FALSE(contains({"@write"}, "get"));
    EXPECT_TRUE(contains({"@dangerous"}, "keys"));
    EXPECT_TRUE(contains({"@sortedset"}, "zadd"));
    EXPECT_TRUE(contains({"@hyperloglog"}, "pfadd"));
}

TEST(command_set_test, the_last_word_that_concerns_a_command_decides) {
    const words given{"+@read", "-keys", "-@dangerous", "+keys"};
    EXPECT_TRUE(contains(given, "get"));
    EXPECT_TRUE(contains(given, "keys"));
    EXPECT_FALSE(contains(given, "set"));
    EXPECT_FALSE(contains({"+keys", "-@dangerous"}, "keys"));
    EXPECT_FALSE(contains({"get", "nocommands", "set"}, "get"));
}

TEST(command_set_test, a_container_means_its_subcommands_and_a_subcommand_itself_alone) {
    EXPECT_TRUE(contains({"config"}, "config"));
    EXPECT_TRUE(contains({"config"}, "config|set"));
    EXPECT_FALSE(contains({"config|get"}, "config"));
    EXPECT_TRUE(contains({"config|get"}, "config|get"));
    EXPECT_FALSE(contains({"config|get"}, "config|set"));
    EXPECT_FALSE(contains({"-config", "+config|get"}, "config|set"));
    EXPECT_TRUE(contains({"*", "-config|set"}, "config|get"));
    EXPECT_FALSE(contains({"*", "-config|set"}, "config|set"));
}

TEST(command_set_test, a_command_is_not_others_that_begin_like_it) {
    EXPECT_FALSE(contains({"get"}, "getset"));
    EXPECT_FALSE(contains({"getset"}, "get"));
}

TEST(command_set_test, case_does_not_matter) {
    EXPECT_TRUE(contains({"GET"}, "get"));
    EXPECT_TRUE(contains({"+Config|GET"}, "config|get"));
    EXPECT_TRUE(contains({"+@Write"}, "set"));
}

TEST(command_set_test, learned_commands_are_judged_by_the_same_words) {
    const command_spec& reads = learned("hnew", {"read", "hash"});
    ASSERT_EQ(reads.number, command_spec::not_built_in);
    EXPECT_TRUE(command_set(words{"*"}).contains(reads));
    EXPECT_TRUE(command_set(words{"@write", "@hash"}).contains(reads));
    EXPECT_FALSE(command_set(words{"@write"}).contains(reads));
    EXPECT_FALSE(command_set(words{"*", "-@read"}).contains(reads));
    EXPECT_FALSE(command_set(words{"*", "nocommands", "@write"}).contains(reads));
}

TEST(command_set_test, learned_commands_of_modules_have_names) {
    EXPECT_TRUE(command_set(words{"JSON.GET"}).contains(learned("json.get", {})));
    EXPECT_FALSE(command_set(words{"*", "-json.get"}).contains(learned("json.get", {})));
    EXPECT_FALSE(command_set(words{"json.get"}).contains(learned("json.getx", {})));
    EXPECT_TRUE(command_set(words{"json.debug"}).contains(learned("json.debug|memory", {})));
    EXPECT_TRUE(command_set(words{"json.debug|memory"}).contains(learned("json.debug|memory", {})));
}

TEST(command_set_test, a_built_in_container_means_its_learned_subcommands_too) {
    EXPECT_TRUE(command_set(words{"config"}).contains(learned("config|new", {})));
    EXPECT_FALSE(command_set(words{"*", "-config"}).contains(learned("config|new", {})));
    EXPECT_FALSE(command_set(words{"config|get"}).contains(learned("config|new", {})));
}

TEST(command_set_test, an_unknown_category_is_a_fault_that_lists_them) {
    for (const char* word : {"@writ", "+@writ", "-@WRITES"}) {
        EXPECT_THAT(command_set::fault(word),
                    StartsWith("is no category of commands (did you mean '@write'?); valid: @all, @keyspace, @read"))
            << word;
    }
    EXPECT_THAT(command_set::fault("@"), HasSubstr("is no category"));
    EXPECT_THAT(command_set::fault("@qqqqq"), Not(HasSubstr("did you mean")));
}

TEST(command_set_test, an_unknown_command_is_a_fault_that_names_the_nearest) {
    EXPECT_THAT(command_set::fault("flushbd"),
                StartsWith("is no command that weir knows (did you mean 'flushdb'?); valid: "));
    EXPECT_THAT(command_set::fault("-nocommand"), HasSubstr("did you mean 'nocommands'?"));
    for (const char* word : {"", "+", "-", "++get", "+-get", "get ", " get", "get,set", "read", "~cart:*", "**", "|",
                             "|get", "foo|bar"}) {
        EXPECT_THAT(command_set::fault(word), HasSubstr("is no command")) << word;
    }
}

TEST(command_set_test, an_unknown_subcommand_is_a_fault_that_lists_them) {
    EXPECT_THAT(command_set::fault("-config|gett"),
                StartsWith("is no subcommand that weir knows (did you mean 'config|get'?); valid behind 'config|': get, "));
    EXPECT_THAT(command_set::fault("config|"), HasSubstr("is no subcommand"));
    EXPECT_THAT(command_set::fault("config|get|x"), HasSubstr("is no subcommand"));
    EXPECT_THAT(command_set::fault("get|x"), HasSubstr("valid: get"));
}

TEST(command_set_test, nocommands_takes_no_sign_as_what_it_takes_away_would_be_unclear) {
    EXPECT_THAT(command_set::fault("-nocommands"), HasSubstr("takes no sign"));
    EXPECT_THAT(command_set::fault("+nocommands"), HasSubstr("takes no sign"));
}

TEST(command_set_test, a_modules_command_is_a_dotted_name) {
    for (const char* word : {"json.get", "-BF.ADD", "+ft.config|get", "vendor.sub-x_1"}) {
        EXPECT_EQ(command_set::fault(word), "") << word;
    }
    for (const char* word :
         {".get", "json.", "json.|x", "json.get|", "json.a|b|c", "json.get x", "json.get*", "config|a.b"}) {
        EXPECT_NE(command_set::fault(word), "") << word;
    }
}

}  // namespace
}  // namespace weir
