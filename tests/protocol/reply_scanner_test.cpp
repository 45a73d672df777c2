#include "protocol/reply_scanner.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir {
namespace {

using namespace std::string_literals;

/// One reply of each shape.
const std::string replies[] = {
    "+OK\r\n",
    "+\r\n",
    "-ERR no\r\n",
    ":-42\r\n",
    "$0\r\n\r\n",
    "$5\r\na\r\n\0b\r\n"s,
    "$-1\r\n",
    "*-1\r\n",
    "*0\r\n",
    "*3\r\n$1\r\na\r\n:1\r\n$-1\r\n",
    "*2\r\n*2\r\n:1\r\n*0\r\n*1\r\n*1\r\n+x\r\n",
    "_\r\n",
    "#t\r\n",
    ",3.14\r\n",
    ",inf\r\n",
    "(3492890328409238509324850943850943825024385\r\n",
    "!9\r\nSYNTAX bl\r\n",
    "=7\r\ntxt:a\r\n\r\n",
    "~2\r\n+a\r\n+b\r\n",
    "%0\r\n",
    "%2\r\n+a\r\n:1\r\n+b\r\n%1\r\n:1\r\n*2\r\n_\r\n_\r\n",
    ">3\r\n+message\r\n$1\r\nc\r\n$2\r\nhi\r\n",
    "|1\r\n+ttl\r\n:3600\r\n$1\r\nv\r\n",
    "|1\r\n+a\r\n|1\r\n+b\r\n:1\r\n:2\r\n*1\r\n|1\r\n+c\r\n:3\r\n:4\r\n",
    "|0\r\n+OK\r\n",
    "$?\r\n;4\r\nHell\r\n;5\r\no wor\r\n;1\r\nd\r\n;0\r\n",
    "$?\r\n;0\r\n",
    "*?\r\n:1\r\n:2\r\n.\r\n",
    "*?\r\n.\r\n",
    "%?\r\n+a\r\n:1\r\n+b\r\n:2\r\n.\r\n",
    "~?\r\n+a\r\n*?\r\n*?\r\n.\r\n*1\r\n*?\r\n+b\r\n.\r\n.\r\n*0\r\n%1\r\n+k\r\n*0\r\n.\r\n",
    "*2\r\n*?\r\n*2\r\n:1\r\n$?\r\n;1\r\na\r\n;0\r\n.\r\n+end\r\n",
    "*?\r\n|1\r\n+k\r\n*1\r\n+v\r\n+x\r\n.\r\n",
};

/// A scanner that is shown `input` in pieces, and again what it left, as a connection does it.
struct reading {
    scan_status status = scan_status::need_more;
    std::size_t consumed = 0;
};

reading read_pieces(reply_scanner& scanner, std::string_view input, std::initializer_list<std::size_t> cuts) {
    reading result;
    for (const std::size_t cut : cuts) {
        const std::string shown(input.substr(result.consumed, cut - result.consumed));
        result.status = scanner.scan(shown);
        result.consumed += scanner.consumed();
        if (result.status != scan_status::need_more) break;
    }
    return result;
}

TEST(reply_scanner_test, finds_the_end_of_every_kind_of_reply) {
    for (const std::string& reply : replies) {
        reply_scanner scanner;
        EXPECT_EQ(scanner.scan(reply), scan_status::complete) << reply;
        EXPECT_EQ(scanner.consumed(), reply.size()) << reply;
        EXPECT_FALSE(scanner.in_reply()) << reply;
    }
}

TEST(reply_scanner_test, leaves_what_stands_behind_the_reply) {
    for (const std::string& reply : replies) {
        for (const std::string& next : replies) {
            reply_scanner scanner;
            const std::string both = reply + next;
            ASSERT_EQ(scanner.scan(both), scan_status::complete) << both;
            ASSERT_EQ(scanner.consumed(), reply.size()) << both;
            ASSERT_EQ(scanner.scan(std::string_view(both).substr(reply.size())), scan_status::complete)
                << both;
            ASSERT_EQ(scanner.consumed(), next.size()) << both;
        }
    }
}

TEST(reply_scanner_test, finds_the_end_of_a_reply_cut_at_any_two_places) {
    for (const std::string& reply : replies) {
        const std::string input = reply + "+next\r\n";
        for (std::size_t first = 0; first < reply.size(); ++first) {
            for (std::size_t second = first; second < reply.size(); ++second) {
                reply_scanner scanner;
                const reading result = read_pieces(scanner, input, {first, second, input.size()});
                ASSERT_EQ(result.status, scan_status::complete) << reply << first << ' ' << second;
                ASSERT_EQ(result.consumed, reply.size()) << reply << first << ' ' << second;
            }
        }
    }
}

TEST(reply_scanner_test, finds_the_end_of_a_reply_that_comes_byte_by_byte) {
    for (const std::string& reply : replies) {
        reply_scanner scanner;
        std::size_t consumed = 0;
        for (std::size_t seen = 1; seen < reply.size(); ++seen) {
            ASSERT_EQ(scanner.scan(std::string_view(reply).substr(consumed, seen - consumed)),
                      scan_status::need_more);
            consumed += scanner.consumed();
            ASSERT_EQ(scanner.in_reply(), consumed > 0) << reply << seen;
        }
        EXPECT_EQ(scanner.scan(std::string_view(reply).substr(consumed)), scan_status::complete) << reply;
    }
}

TEST(reply_scanner_test, consumes_a_line_whole_and_a_bulk_string_in_pieces) {
    reply_scanner scanner;
    EXPECT_EQ(scanner.scan("*2\r\n+half"), scan_status::need_more);
    EXPECT_EQ(scanner.consumed(), 4u);
    EXPECT_EQ(scanner.scan("+half\r\n$5\r\nhe"), scan_status::need_more);
    EXPECT_EQ(scanner.consumed(), 13u);
    EXPECT_EQ(scanner.scan("llo\r"), scan_status::need_more);
    EXPECT_EQ(scanner.consumed(), 4u);
    EXPECT_EQ(scanner.scan("\n"), scan_status::complete);
    EXPECT_EQ(scanner.consumed(), 1u);
}

TEST(reply_scanner_test, nothing_is_no_reply_yet) {
    reply_scanner scanner;
    EXPECT_EQ(scanner.scan(""), scan_status::need_more);
    EXPECT_EQ(scanner.consumed(), 0u);
    EXPECT_FALSE(scanner.in_reply());
}

TEST(reply_scanner_test, tells_errors_and_pushes_apart_from_other_replies) {
    for (const std::string& reply : replies) {
        if (reply[0] == '|') continue;
        reply_scanner scanner;
        ASSERT_EQ(scanner.scan(reply), scan_status::complete);
        EXPECT_EQ(scanner.type(), reply[0]);
        EXPECT_EQ(scanner.is_error(), reply[0] == '-' || reply[0] == '!') << reply;
        EXPECT_EQ(scanner.is_push(), reply[0] == '>') << reply;
    }
}

TEST(reply_scanner_test, an_error_inside_an_array_does_not_make_the_reply_an_error) {
    reply_scanner scanner;
    ASSERT_EQ(scanner.scan("*1\r\n-ERR x\r\n"), scan_status::complete);
    EXPECT_FALSE(scanner.is_error());
}

TEST(reply_scanner_test, behind_an_attribute_the_reply_decides_the_type) {
    const std::string attribute = "|2\r\n+a\r\n-not this\r\n+b\r\n>1\r\n+nor this\r\n";
    reply_scanner scanner;
    ASSERT_EQ(scanner.scan(attribute + "-ERR\r\n"), scan_status::complete);
    EXPECT_TRUE(scanner.is_error());
    ASSERT_EQ(scanner.scan(attribute + ">1\r\n+x\r\n"), scan_status::complete);
    EXPECT_TRUE(scanner.is_push());
    ASSERT_EQ(scanner.scan(attribute + "*1\r\n-ERR\r\n"), scan_status::complete);
    EXPECT_EQ(scanner.type(), '*');
}

TEST(reply_scanner_test, refuses_what_is_no_resp) {
    const std::string wrong[] = {
        "\r\n",         "\n",           "x\r\n",
        "+OK\n",        "OK\r\n",       "HTTP/1.1 400 Bad Request\r\n",
        "*x\r\n",       "*\r\n",        "*-2\r\n",
        "*01\r\n",      "*+1\r\n",      "*1 \r\n",
        "$-2\r\n",      "$x\r\n",       "$\r\n",
        "$01\r\n",      "=-1\r\n",      "!-1\r\n",
        ".\r\n",        ";0\r\n",       "*1\r\n.\r\n",
        "*?\r\n..\r\n", "$?\r\n+a\r\n", "$?\r\n;-1\r\n",
        "$?\r\n;x\r\n", "=?\r\n",       "*?\r\n*1\r\n.\r\n",
        "*1\r\n\r\n",
    };
    for (const std::string& reply : wrong) {
        reply_scanner scanner;
        EXPECT_EQ(scanner.scan(reply), scan_status::error) << reply;
    }
}

TEST(reply_scanner_test, refuses_counts_that_no_reply_can_have) {
    for (const std::string number :
         {"1099511627777", "9223372036854775807", "9223372036854775808", "18446744073709551615"}) {
        for (const char type : "*%~>|"s) {
            reply_scanner scanner;
            EXPECT_EQ(scanner.scan(type + number + "\r\n"), scan_status::error) << type << number;
        }
    }
    reply_scanner scanner;
    EXPECT_EQ(scanner.scan("$9223372036854775808\r\n"), scan_status::error);
}

TEST(reply_scanner_test, counts_that_add_up_to_too_much_are_refused_before_they_wrap) {
    reply_scanner scanner;
    std::string reply;
    for (int i = 0; i < 100; ++i) reply += "%1099511627776\r\n";
    EXPECT_EQ(scanner.scan(reply), scan_status::error);
}

TEST(reply_scanner_test, a_long_bulk_string_is_passed_by_its_length) {
    reply_scanner scanner;
    ASSERT_EQ(scanner.scan("$9223372036854775807\r\n"), scan_status::need_more);
    for (int i = 0; i < 1'000; ++i) ASSERT_EQ(scanner.scan(std::string(1'000, '+')), scan_status::need_more);
    EXPECT_EQ(scanner.consumed(), 1'000u);
}

TEST(reply_scanner_test, a_line_without_end_is_refused_over_its_limit) {
    reply_scanner scanner;
    EXPECT_EQ(scanner.scan("+" + std::string(reply_scanner::max_line_bytes - 1, 'x')),
              scan_status::need_more);
    EXPECT_EQ(scanner.scan("+" + std::string(reply_scanner::max_line_bytes, 'x')), scan_status::error);
}

TEST(reply_scanner_test, follows_arrays_nested_a_million_deep) {
    std::string reply;
    for (int i = 0; i < 1'000'000; ++i) reply += "*1\r\n";
    reply_scanner scanner;
    EXPECT_EQ(scanner.scan(reply + "*0\r\n"), scan_status::complete);
}

}  // namespace
}  // namespace weir
