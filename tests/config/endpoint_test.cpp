#include "config/endpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(parse_endpoint, reads_what_to_string_writes) {
    for (const std::string text :
         {"127.0.0.1:6380", "redis.example:0", "[::1]:65535", "unix:/run/weir/redis.sock"})
        EXPECT_EQ(parse_endpoint(text)->to_string(), text);
    EXPECT_EQ(*parse_endpoint("[::1]:6380"), (endpoint{"::1", 6380, ""}));
    EXPECT_EQ(*parse_endpoint("unix:///run/x"), (endpoint{"", 0, "/run/x"}));
}

TEST(parse_endpoint, what_is_no_address_is_refused_with_the_reason) {
    const std::pair<std::string, std::string> cases[] = {
        {"", "no port"},
        {"127.0.0.1", "no port"},
        {"[::1]", "no port"},
        {"127.0.0.1:", "0 to 65535"},
        {"127.0.0.1:65536", "0 to 65535"},
        {"127.0.0.1:-1", "0 to 65535"},
        {"127.0.0.1:http", "0 to 65535"},
        {":6380", "no host"},
        {"::1:6380", "brackets"},
        {"[localhost]:6380", "no IPv6 address"},
        {"[]:6380", "no IPv6 address"},
        {"a b:6380", "neither a name nor an address"},
        {"*:6380", "neither a name nor an address"},
        {"redis://x:1", "IPv6 address that needs brackets"},
        {"unix:", "absolute path"},
        {"unix:run/x", "absolute path"},
        {"unix:/", "names no socket"},
        {"unix:///", "names no socket"},
        {"unix:/a\nb", "control character"},
    };
    for (const auto& [text, reason] : cases) {
        const auto address = parse_endpoint(text);
        ASSERT_FALSE(address) << text;
        EXPECT_THAT(address.why(), HasSubstr(reason)) << text;
    }
}

TEST(parse_endpoint, a_socket_path_may_have_as_many_bytes_as_the_kernel_takes) {
    EXPECT_TRUE(parse_endpoint("unix:/" + std::string(106, 'x')));
    EXPECT_THAT(parse_endpoint("unix:/" + std::string(107, 'x')).why(), HasSubstr("107 bytes"));
}

TEST(canonical, the_same_socket_written_differently_is_equal) {
    const auto same = [](std::string_view a, std::string_view b) {
        return canonical(*parse_endpoint(a)) == canonical(*parse_endpoint(b));
    };
    EXPECT_TRUE(same("localhost:1", "127.0.0.1:1"));
    EXPECT_TRUE(same("[0:0::1]:1", "[::1]:1"));
    EXPECT_TRUE(same("[::ffff:127.0.0.1]:1", "127.0.0.1:1"));
    EXPECT_TRUE(same("unix:/run/../run//x", "unix:/run/x"));
    EXPECT_FALSE(same("127.0.0.1:1", "127.0.0.1:2"));
    EXPECT_FALSE(same("127.0.0.1:1", "[::1]:1"));
}

TEST(parse_upstream_url, every_part_is_read) {
    EXPECT_EQ(*parse_upstream_url("redis://h"), (upstream_url{{"h", 6379, ""}, 0, ""}));
    EXPECT_EQ(*parse_upstream_url("redis://h/"), (upstream_url{{"h", 6379, ""}, 0, ""}));
    EXPECT_EQ(*parse_upstream_url("redis://h:1/5"), (upstream_url{{"h", 1, ""}, 5, ""}));
    EXPECT_EQ(*parse_upstream_url("redis://unix:1"), (upstream_url{{"unix", 1, ""}, 0, ""}));
    EXPECT_EQ(*parse_upstream_url("redis://[::1]"), (upstream_url{{"::1", 6379, ""}, 0, ""}));
    EXPECT_EQ(*parse_upstream_url("redis://[::1]:7/2"), (upstream_url{{"::1", 7, ""}, 2, ""}));
    EXPECT_EQ(*parse_upstream_url("redis://me%40x@h"), (upstream_url{{"h", 6379, ""}, 0, "me@x"}));
    EXPECT_EQ(*parse_upstream_url("unix:///run/r.sock"), (upstream_url{{"", 0, "/run/r.sock"}, 0, ""}));
}

TEST(parse_upstream_url, what_is_no_url_is_refused_with_the_reason) {
    const std::pair<std::string, std::string> cases[] = {
        {"", "redis://"},
        {"127.0.0.1:6379", "redis://"},
        {"http://h", "redis://"},
        {"rediss://h", "TLS"},
        {"redis://", "no host"},
        {"redis:///0", "no host"},
        {"redis://h:0", "port 0"},
        {"redis://h:70000", "0 to 65535"},
        {"redis://unix:/x", "not the number of a database"},
        {"redis://h/x", "not the number of a database"},
        {"redis://h/-1", "not the number of a database"},
        {"redis://h/99999999999", "not the number of a database"},
        {"redis://h?db=1", "query"},
        {"redis://a%4@h", "hexadecimal"},
        {"redis://a%zz@h", "hexadecimal"},
    };
    for (const auto& [text, reason] : cases) {
        const auto url = parse_upstream_url(text);
        ASSERT_FALSE(url) << text;
        EXPECT_THAT(url.why(), HasSubstr(reason)) << text;
    }
}

TEST(parse_upstream_url, a_password_is_refused_and_never_repeated) {
    for (const auto* text :
         {"redis://u:hunter2@h", "redis://:hunter2@h:1/0", "redis://u:hunt/hunter2@h",
          "redis://u:a@hunter2@h", "redis://h:hunter2", "redis://h/hunter2", "redis://h?password=hunter2",
          "rediss://:hunter2@h", "hunter2", "unix:hunter2"}) {
        const auto url = parse_upstream_url(text);
        ASSERT_FALSE(url) << text;
        EXPECT_THAT(url.why(), Not(HasSubstr("hunter2"))) << text;
    }
    EXPECT_THAT(parse_upstream_url("redis://:@h").why(), HasSubstr("password_file"));
}

}  // namespace
}  // namespace weir
