#include "protocol/glob.hpp"

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(glob_test, leaves_text_without_special_characters_as_it_is) {
    EXPECT_EQ(escape_glob(""), "");
    EXPECT_EQ(escape_glob("tenant:acme:"), "tenant:acme:");
    EXPECT_EQ(escape_glob("{a}(b)^c-d$|."), "{a}(b)^c-d$|.")
        << "special to a regular expression, not to a glob";
}

TEST(glob_test, escapes_every_character_that_the_matcher_treats_specially) {
    EXPECT_EQ(escape_glob("*?[]\\"), "\\*\\?\\[\\]\\\\");
    EXPECT_EQ(escape_glob("a*b[c]d"), "a\\*b\\[c\\]d");
    EXPECT_EQ(escape_glob("\\\\"), "\\\\\\\\");
}

TEST(glob_test, keeps_bytes_that_are_no_text) {
    const std::string bytes("\0\xff\r\n", 4);
    EXPECT_EQ(escape_glob(bytes), bytes);
}

}  // namespace
}  // namespace weir
