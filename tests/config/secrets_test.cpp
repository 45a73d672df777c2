#include "config/secrets.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/config/temporary_file.hpp"

namespace weir {
namespace {

using testing::HasSubstr;

std::string password_in(std::string_view content) {
    const temporary_file file(content);
    EXPECT_TRUE(file.written());
    const auto password = read_password_file(file.path());
    return password ? *password : "fault: " + password.why();
}

TEST(read_password_file, one_newline_at_the_end_is_not_part_of_it) {
    EXPECT_EQ(password_in("secret"), "secret");
    EXPECT_EQ(password_in("secret\n"), "secret");
    EXPECT_EQ(password_in("secret\r\n"), "secret");
    EXPECT_EQ(password_in("secret\n\n"), "secret\n");
    EXPECT_EQ(password_in(" two words \n"), " two words ");
}

TEST(read_password_file, an_empty_file_is_not_an_empty_password) {
    EXPECT_EQ(password_in(""), "fault: is empty");
    EXPECT_EQ(password_in("\n"), "fault: is empty");
}

TEST(read_password_file, what_cannot_be_read_is_refused_in_the_systems_words) {
    EXPECT_THAT(read_password_file("/nonexistent/password").why(), HasSubstr("No such file or directory"));
    EXPECT_THAT(read_password_file("/").why(), HasSubstr("Is a directory"));
    EXPECT_THAT(read_password_file("/dev/zero").why(), HasSubstr("larger than 64KiB"));
}

TEST(read_password_env, takes_the_value_as_it_is) {
    const environment_variable variable("WEIR_TEST_PASSWORD", "${secret}\n");
    EXPECT_EQ(*read_password_env("WEIR_TEST_PASSWORD"), "${secret}\n");
}

TEST(read_password_env, unset_and_empty_are_refused) {
    EXPECT_THAT(read_password_env("WEIR_TEST_UNSET").why(), HasSubstr("not set"));
    const environment_variable variable("WEIR_TEST_PASSWORD", "");
    EXPECT_THAT(read_password_env("WEIR_TEST_PASSWORD").why(), HasSubstr("empty"));
}

}  // namespace
}  // namespace weir
