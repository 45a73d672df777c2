#include "config/environment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/config/temporary_file.hpp"

namespace weir {
namespace {

using testing::HasSubstr;

TEST(expand_environment, a_text_without_references_stays) {
    for (const std::string text : {"", "plain", "$", "$NAME", "{tenant}", "a$b", "$$", "}"})
        EXPECT_EQ(*expand_environment(text), text);
}

TEST(expand_environment, values_are_put_in_once) {
    const environment_variable variable("WEIR_TEST_A", "${WEIR_TEST_A}");
    EXPECT_EQ(*expand_environment("<${WEIR_TEST_A}>"), "<${WEIR_TEST_A}>");
    EXPECT_EQ(*expand_environment("${WEIR_TEST_A}${WEIR_TEST_A}"), "${WEIR_TEST_A}${WEIR_TEST_A}");
    EXPECT_EQ(*expand_environment("${WEIR_TEST_A:-other}"), "${WEIR_TEST_A}");
}

TEST(expand_environment, the_default_serves_when_unset_or_empty) {
    EXPECT_EQ(*expand_environment("${WEIR_TEST_B:-127.0.0.1:6380}"), "127.0.0.1:6380");
    EXPECT_EQ(*expand_environment("${WEIR_TEST_B:-}"), "");
    EXPECT_EQ(*expand_environment("${WEIR_TEST_B:-tenant:{tenant}:}!"), "tenant:{tenant}:!");
    const environment_variable variable("WEIR_TEST_B", "");
    EXPECT_EQ(*expand_environment("${WEIR_TEST_B:-x}"), "x");
    EXPECT_EQ(*expand_environment("${WEIR_TEST_B}"), "");
}

TEST(expand_environment, a_doubled_dollar_is_a_plain_one_before_a_brace) {
    EXPECT_EQ(*expand_environment("$${WEIR_TEST_C}"), "${WEIR_TEST_C}");
    EXPECT_EQ(*expand_environment("a$${"), "a${");
}

TEST(expand_environment, unset_and_misspelt_references_are_refused) {
    EXPECT_THAT(expand_environment("${WEIR_TEST_C}").why(), HasSubstr("needs WEIR_TEST_C"));
    EXPECT_THAT(expand_environment("${WEIR_TEST_C").why(), HasSubstr("without its }"));
    for (const auto* text : {"${}", "${:-x}", "${A-x}", "${1A}", "${A B}", "${ A}"})
        EXPECT_THAT(expand_environment(text).why(), HasSubstr("neither ${NAME} nor")) << text;
}

}  // namespace
}  // namespace weir
