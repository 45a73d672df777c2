#include "protocol/request_parser.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "protocol/buffer.hpp"
#include "protocol/reply_writer.hpp"
#include "tests/support/request_text.hpp"

namespace weir {
namespace {

using test::request_text;
using test::words_of;
using namespace std::string_literals;
using words = std::vector<std::string>;

/// What a connection understood: its requests, then the error that ended it.
struct outcome {
    std::vector<words> requests;
    std::string error;
    bool operator==(const outcome&) const = default;
};

void PrintTo(const outcome& value, std::ostream* to) {
    for (const words& request : value.requests) *to << testing::PrintToString(request) << '\n';
    *to << "error: " << value.error;
}

/// A connection that is sent `pieces` one after the other.
class connection {
public:
    explicit connection(request_limits limits = {}) : limits_(limits) {}

    connection& receive(std::string_view piece) {
        // A copy of its own size, so that ASan sees a look past its end.
        bytes_ = std::string(std::string_view(bytes_).substr(used_)) + std::string(piece);
        bytes_.shrink_to_fit();
        used_ = 0;
        while (seen_.error.empty()) {
            const std::string_view rest = std::string_view(bytes_).substr(used_);
            const parse_status status = parser_.parse(rest, limits_);
            if (status == parse_status::need_more) break;
            if (status == parse_status::error) {
                seen_.error = parser_.error_text();
            } else {
                seen_.requests.push_back(words_of(parser_.request(rest)));
                used_ += parser_.consumed();
            }
            parser_.reset();
        }
        return *this;
    }
    [[nodiscard]] const outcome& seen() const { return seen_; }

private:
    request_limits limits_;
    request_parser parser_;
    std::string bytes_;
    std::size_t used_ = 0;
    outcome seen_;
};

outcome parse_whole(std::string_view input, request_limits limits = {}) {
    return connection(limits).receive(input).seen();
}

outcome parse_bytewise(std::string_view input, request_limits limits = {}) {
    connection one(limits);
    for (const char c : input) one.receive({&c, 1});
    return one.seen();
}

request_limits before_authentication() {
    request_limits limits;
    limits.authenticated = false;
    return limits;
}

const std::string mixed_pipeline =
    request_text({"SET", "k\r\n\0*1\r\n$4"s, ""}).raw() + "PING\r\n" + "\r\n" + "*0\r\n" +
    request_text({"GET", std::string(120, 'k')}).raw() + "*-1\r\n" + "set \"a b\\x00\" 'c'\n" + "  \n" +
    request_text({""}).raw() + request_text({"MSET", "a", "1", "b", "2", "c", "3", "d", "4", "e", "5"}).raw();

const outcome mixed_outcome = {{{"SET", "k\r\n\0*1\r\n$4"s, ""},
                                {"PING"},
                                {},
                                {},
                                {"GET", std::string(120, 'k')},
                                {},
                                {"set", "a b\0"s, "c"},
                                {},
                                {""},
                                {"MSET", "a", "1", "b", "2", "c", "3", "d", "4", "e", "5"}},
                               ""};

TEST(request_parser_test, understands_a_mixed_pipeline_at_once) {
    EXPECT_EQ(parse_whole(mixed_pipeline), mixed_outcome);
}

TEST(request_parser_test, understands_a_mixed_pipeline_byte_by_byte) {
    EXPECT_EQ(parse_bytewise(mixed_pipeline), mixed_outcome);
}

TEST(request_parser_test, understands_a_mixed_pipeline_cut_at_any_two_places) {
    const std::string_view input = mixed_pipeline;
    for (std::size_t first = 0; first <= input.size(); ++first) {
        for (std::size_t second = first; second <= input.size(); ++second) {
            connection one;
            one.receive(input.substr(0, first)).receive(input.substr(first, second - first));
            ASSERT_EQ(one.receive(input.substr(second)).seen(), mixed_outcome) << first << ' ' << second;
        }
    }
}

TEST(request_parser_test, the_request_is_its_own_bytes_without_a_copy) {
    const std::string input = request_text({"GET", "key"}).raw() + "more";
    request_parser parser;
    ASSERT_EQ(parser.parse(input, {}), parse_status::complete);
    const arguments request = parser.request(input);
    EXPECT_EQ(parser.consumed(), input.size() - 4);
    EXPECT_EQ(static_cast<const void*>(request.raw().data()), input.data());
    EXPECT_EQ(request.raw(), std::string_view(input).substr(0, parser.consumed()));
    EXPECT_EQ(static_cast<const void*>(request[1].data()), input.data() + 17);
    EXPECT_EQ(request.offset(1), 17u);
    EXPECT_EQ(request.header_offset(1), 13u);
    EXPECT_EQ(request.raw()[request.header_offset(0)], '$');
}

TEST(request_parser_test, an_inline_request_is_given_as_an_array) {
    request_parser parser;
    ASSERT_EQ(parser.parse("get 'a b'\r\nrest", {}), parse_status::complete);
    EXPECT_EQ(parser.consumed(), 11u);
    EXPECT_EQ(parser.request("get 'a b'\r\nrest").raw(), request_text({"get", "a b"}).raw());
}

// What redis-server 7.0.15 answers, and that it closes the connection behind it, was seen for each of these.
struct fault {
    std::string input;
    std::string text;
};

const fault faults[] = {
    {"*abc\r\n", "invalid multibulk length"},
    {"*\r\n", "invalid multibulk length"},
    {"*01\r\n", "invalid multibulk length"},
    {"*+1\r\n", "invalid multibulk length"},
    {"*-0\r\n", "invalid multibulk length"},
    {"* 1\r\n", "invalid multibulk length"},
    {"*1 \r\n", "invalid multibulk length"},
    {"*2147483648\r\n", "invalid multibulk length"},
    {"*9223372036854775808\r\n", "invalid multibulk length"},
    {"*18446744073709551617\r\n", "invalid multibulk length"},
    {"*1\r\n$-1\r\n", "invalid bulk length"},
    {"*1\r\n$abc\r\n", "invalid bulk length"},
    {"*1\r\n$\r\n", "invalid bulk length"},
    {"*1\r\n$04\r\nPING\r\n", "invalid bulk length"},
    {"*1\r\n$+4\r\nPING\r\n", "invalid bulk length"},
    {"*1\r\n$536870913\r\n", "invalid bulk length"},
    {"*1\r\n$18446744073709551615\r\n", "invalid bulk length"},
    {"*2\r\n$3\r\nGET\r\n$-9223372036854775808\r\n", "invalid bulk length"},
    {"*3\r\nfoo\r\n", "expected '$', got 'f'"},
    {"*2\r\n$3\r\nGET\r\n*1\r\n", "expected '$', got '*'"},
    {"PING \"a\r\n", "unbalanced quotes in request"},
    {"PING 'a'b\r\n", "unbalanced quotes in request"},
};

TEST(request_parser_test, answers_what_is_no_request_in_the_servers_words) {
    for (const fault& wrong : faults) {
        const outcome expected{{}, "ERR Protocol error: " + wrong.text};
        EXPECT_EQ(parse_whole(wrong.input), expected) << wrong.input;
        EXPECT_EQ(parse_whole(wrong.input + "*1\r\n$4\r\nPING\r\n"), expected) << wrong.input;
        EXPECT_EQ(parse_bytewise(wrong.input), expected) << wrong.input;
    }
}

TEST(request_parser_test, the_commands_in_front_of_a_fault_are_still_performed) {
    EXPECT_EQ(parse_whole("PING\r\n*1\r\n$4\r\nPING\r\n*x\r\n"),
              (outcome{{{"PING"}, {"PING"}}, "ERR Protocol error: invalid multibulk length"}));
}

TEST(request_parser_test, an_empty_line_where_an_argument_should_begin_is_refused_at_once) {
    for (const std::string input : {"*1\r\n\r\n", "*2\r\n$3\r\nGET\r\n\r\n"}) {
        const outcome seen = parse_whole(input);
        buffer reply;
        reply_writer(reply, resp_version::resp2).error(seen.error);
        EXPECT_EQ(reply.view(), "-ERR Protocol error: expected '$', got ' '\r\n") << input;
    }
}

TEST(request_parser_test, waits_for_the_line_end_before_it_judges_a_header) {
    for (const std::string input :
         {"*", "*x", "*3\r\nfoo", "*1\r\n$-1", "*1\r\n$9999999999999", "*1\r\n$4\r\nPING\r", "PING \"a"}) {
        EXPECT_EQ(parse_whole(input), outcome{}) << input;
    }
}

TEST(request_parser_test, refuses_line_ends_that_are_not_crlf) {
    // The server skips these bytes unseen; what it would then see as the next request must not differ from
    // ours.
    EXPECT_FALSE(parse_whole("*1\rx$4\r\nPING\r\n").error.empty());
    EXPECT_FALSE(parse_whole("*1\r\n$4\rxPING\r\n").error.empty());
    EXPECT_FALSE(parse_whole("*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n").error.empty());
    EXPECT_FALSE(parse_whole("*1\r\n$4\r\nPING\rx").error.empty());
}

TEST(request_parser_test, takes_as_many_arguments_as_the_limit_and_not_one_more) {
    EXPECT_EQ(parse_whole("*1048576\r\n").error, "");
    EXPECT_EQ(parse_whole("*1048577\r\n").error, "ERR Protocol error: invalid multibulk length");
}

TEST(request_parser_test, takes_a_bulk_string_as_long_as_the_limit_and_not_one_byte_more) {
    EXPECT_EQ(parse_whole("*1\r\n$536870912\r\n").error, "");
    request_limits limits;
    limits.max_bulk_bytes = 5;
    EXPECT_EQ(parse_whole("*1\r\n$5\r\nhello\r\n", limits), (outcome{{{"hello"}}, ""}));
    EXPECT_EQ(parse_whole("*1\r\n$6\r\n", limits).error, "ERR Protocol error: invalid bulk length");
}

TEST(request_parser_test, takes_a_request_as_long_as_the_limit_and_not_one_byte_more) {
    const std::string input = request_text({"SET", "k", "v"}).raw();
    request_limits limits;
    limits.max_request_bytes = input.size();
    EXPECT_EQ(parse_whole(input, limits), (outcome{{{"SET", "k", "v"}}, ""}));
    limits.max_request_bytes = input.size() - 1;
    EXPECT_EQ(parse_whole(input, limits).error, "ERR Protocol error: too big request");
    EXPECT_EQ(parse_whole(input.substr(0, input.size() - 3), limits).error,
              "ERR Protocol error: too big request")
        << "announced is enough";
}

TEST(request_parser_test, before_authentication_a_request_may_have_ten_small_arguments) {
    const std::string ten = "*10\r\n$16384\r\n";
    EXPECT_EQ(parse_whole(ten, before_authentication()), outcome{});
    EXPECT_EQ(parse_whole("*11\r\n", before_authentication()).error,
              "ERR Protocol error: unauthenticated multibulk length");
    EXPECT_EQ(parse_whole("*1\r\n$16385\r\n", before_authentication()).error,
              "ERR Protocol error: unauthenticated bulk length");
    const std::string inline_request = "PING " + std::string(20'000, 'x') + "\r\n";
    EXPECT_EQ(parse_whole(inline_request, before_authentication()).requests.size(), 1u) << "as in Redis";
}

TEST(request_parser_test, an_inline_request_may_have_64_kib_whether_its_end_is_here_or_not) {
    EXPECT_EQ(parse_whole(std::string(65'536, 'x')), outcome{});
    EXPECT_EQ(parse_whole(std::string(65'536, 'x') + "\n").requests.size(), 1u);
    EXPECT_EQ(parse_whole(std::string(65'535, 'x') + "\r\n").requests.size(), 1u);
    EXPECT_EQ(parse_whole(std::string(65'537, 'x')).error, "ERR Protocol error: too big inline request");
    EXPECT_EQ(parse_whole(std::string(65'537, 'x') + "\n").error,
              "ERR Protocol error: too big inline request");
}

TEST(request_parser_test, a_header_without_end_may_have_64_kib) {
    EXPECT_EQ(parse_whole("*" + std::string(65'535, '1')), outcome{});
    EXPECT_EQ(parse_whole("*" + std::string(65'536, '1')).error,
              "ERR Protocol error: too big mbulk count string");
    EXPECT_EQ(parse_whole("*1\r\n$" + std::string(65'535, '1')), outcome{});
    EXPECT_EQ(parse_whole("*1\r\n$" + std::string(65'536, '1')).error,
              "ERR Protocol error: too big bulk count string");
}

TEST(request_parser_test, a_huge_count_alone_takes_no_memory_for_its_arguments) {
    request_parser parser;
    ASSERT_EQ(parser.parse("*1048576\r\n$1\r\na\r\n", {}), parse_status::need_more);
    EXPECT_EQ(parser.announced_arguments(), 1'048'576u);
    EXPECT_EQ(parser.whole_arguments(), 1u);
}

TEST(request_parser_test, tells_how_far_it_got) {
    const std::string input = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\nvalue";
    request_parser parser;
    ASSERT_EQ(parser.parse("*3\r", {}), parse_status::need_more);
    EXPECT_EQ(parser.announced_arguments(), 0u);
    EXPECT_FALSE(parser.bulk_announced());
    ASSERT_EQ(parser.parse(input, {}), parse_status::need_more);
    EXPECT_EQ(parser.announced_arguments(), 3u);
    EXPECT_EQ(words_of(parser.whole(input)), (words{"SET", "k"}));
    ASSERT_TRUE(parser.bulk_announced());
    EXPECT_EQ(parser.announced_bulk_bytes(), 100'000u);
    EXPECT_EQ(parser.consumed(), input.size() - 5);
}

TEST(request_parser_test, after_reset_nothing_of_the_last_request_remains) {
    request_parser parser;
    ASSERT_EQ(parser.parse("*2\r\n$3\r\nGET\r\n$100\r\nab", {}), parse_status::need_more);
    parser.reset();
    EXPECT_EQ(parser.announced_arguments(), 0u);
    EXPECT_FALSE(parser.bulk_announced());
    ASSERT_EQ(parser.parse("PING\r\n", {}), parse_status::complete);
    parser.reset();
    const std::string input = request_text({"GET", "k"}).raw();
    ASSERT_EQ(parser.parse(input, {}), parse_status::complete);
    EXPECT_EQ(parser.request(input).raw(), input);
}

TEST(request_parser_test, takes_a_pipeline_of_100_000_requests) {
    std::string input;
    for (int i = 0; i < 100'000; ++i) input += "*1\r\n$4\r\nPING\r\n";
    request_parser parser;
    std::size_t used = 0;
    int found = 0;
    while (used < input.size()) {
        ASSERT_EQ(parser.parse(std::string_view(input).substr(used), {}), parse_status::complete);
        used += parser.consumed();
        parser.reset();
        ++found;
    }
    EXPECT_EQ(found, 100'000);
}

}  // namespace
}  // namespace weir
