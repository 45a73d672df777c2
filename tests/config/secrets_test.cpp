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

const std::string sha256_line = "sha256:" + std::string(64, 'a');
const std::string scrypt_line = "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA";

/// The hashes as text, one a line, or the fault.
std::string hashes_in(std::string_view content) {
    const temporary_file file(content);
    EXPECT_TRUE(file.written());
    const auto hashes = read_password_hashes(file.path());
    if (!hashes) return "fault: " + hashes.why();
    std::string text;
    for (const auto& hash : *hashes) text += to_string(hash) + '\n';
    return text;
}

TEST(read_password_hashes, one_stands_on_each_line) {
    EXPECT_EQ(hashes_in(sha256_line), sha256_line + '\n');
    EXPECT_EQ(hashes_in(sha256_line + '\n' + scrypt_line + '\n'), sha256_line + '\n' + scrypt_line + '\n');
}

TEST(read_password_hashes, comments_empty_lines_and_space_around_count_for_nothing) {
    EXPECT_EQ(hashes_in("# the new one\n\n  \t" + sha256_line + " \r\n\t\r\n   # the old one\n" +
                        scrypt_line + "\r\n#"),
              sha256_line + '\n' + scrypt_line + '\n');
}

TEST(read_password_hashes, a_file_without_any_lets_nobody_in_and_is_refused) {
    for (const std::string content : {"", "\n\n", "# nothing yet\n"})
        EXPECT_EQ(hashes_in(content), "fault: holds no hash, so nobody could authenticate") << content;
}

TEST(read_password_hashes, what_is_no_hash_is_refused_by_its_line_and_not_shown) {
    EXPECT_THAT(hashes_in(sha256_line + "\n\nhunter2\n"),
                AllOf(testing::StartsWith("fault: has a line 3 that is neither sha256:"),
                      testing::Not(HasSubstr("hunter2"))));
    EXPECT_THAT(hashes_in("$argon2id$v=19$m=65536$x$y"), HasSubstr("has a line 1 that is Argon2"));
    EXPECT_THAT(hashes_in(sha256_line + ' ' + sha256_line), HasSubstr("64 hex digits"));
    EXPECT_THAT(hashes_in(std::string("\0", 1)), HasSubstr("has a line 1 that is neither"));
}

TEST(read_password_hashes, a_hash_as_redis_writes_it_is_not_taken_for_a_comment) {
    EXPECT_THAT(hashes_in(sha256_line + "\n#" + std::string(64, 'B')),
                HasSubstr("has a line 2 that is a comment, but looks like a hash of Redis"));
    EXPECT_EQ(hashes_in(sha256_line + "\n#" + std::string(63, 'b') + '\n'), sha256_line + '\n');
}

TEST(read_password_hashes, there_may_be_16) {
    std::string lines;
    for (int i = 0; i < 16; ++i) lines += sha256_line + '\n';
    EXPECT_EQ(hashes_in(lines), lines);
    EXPECT_EQ(hashes_in(lines + sha256_line), "fault: holds more than 16 hashes");
}

TEST(read_password_hashes, what_cannot_be_read_is_refused_in_the_systems_words) {
    EXPECT_THAT(read_password_hashes("/nonexistent/hashes").why(), HasSubstr("No such file or directory"));
    EXPECT_THAT(read_password_hashes("/dev/zero").why(), HasSubstr("larger than 64KiB"));
}

}  // namespace
}  // namespace weir
