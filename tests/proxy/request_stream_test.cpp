#include "proxy/request_stream.hpp"

#include <gtest/gtest.h>

#include "policy/key_rewriter.hpp"
#include "protocol/command_keys.hpp"
#include "protocol/errors.hpp"
#include "tests/policy/rewritten.hpp"

namespace weir {
namespace {

using test::request_text;
using test::row;
using words = std::vector<std::string>;
using status = request_stream::status;
using namespace std::string_literals;

constexpr std::size_t max_bulk_bytes = 1 << 20;

tenant tenant_with(long_key_action action, std::size_t over_bytes = 4) {
    tenant_options options;
    options.prefix = "p:";
    options.long_keys = {over_bytes, action};
    return {"acme", options};
}

const tenant acme = tenant_with(long_key_action::keep);

/// What became of a request that came in pieces.
struct outcome {
    status result = status::more;
    std::string passed_on;
    std::string error;
    bool operator==(const outcome&) const = default;
};

void PrintTo(const outcome& value, std::ostream* to) {
    *to << static_cast<int>(value.result) << ' ' << testing::PrintToString(value.passed_on) << ' '
        << value.error;
}

outcome stream(request_stream& streaming, std::string_view input, const std::vector<std::size_t>& cuts = {}) {
    outcome seen;
    const auto pass_on = [&](std::string_view piece) { seen.passed_on += piece; };
    std::size_t from = 0;
    std::vector<std::size_t> ends = cuts;
    ends.push_back(input.size());
    for (const std::size_t end : ends) {
        const std::string piece(
            input.substr(from, end - from));  // its own memory: ASan sees a look past its end
        const auto [result, consumed] = streaming.feed(piece, pass_on);
        seen.result = result;
        if (result != status::more) break;
        EXPECT_EQ(consumed, piece.size());
        from = end;
    }
    seen.error = streaming.error_text();
    return seen;
}

outcome streamed(std::string_view name, std::string_view input, const tenant& owner = acme) {
    request_stream streaming(&row(name), owner, max_bulk_bytes);
    return stream(streaming, input);
}

std::string rewritten_at_once(std::string_view name, const request_text& request, const tenant& owner) {
    key_rewriter rewriter;
    buffer out;
    EXPECT_EQ(rewriter.rewrite(request.view(), row(name), owner, out), rewrite_status::ok);
    return std::string(out.view());
}

const std::vector<words> requests = {
    {"GET", "k"},
    {"set", "k\r\n\0$1"s, "p:v\r\n", "EX", "10"},
    {"MSET", "a", "1", "", "", "ccccc", "3"},
    {"DEL", "a", "bbbbbbbb", "c"},
    {"BITOP", "AND", "d", "a", "b"},
    {"OBJECT", "ENCODING", "k"},
    {"RENAME", "a", "b"},
    {"SET", "99999999", std::string(300, 'v')},
};

TEST(request_stream_test, passes_on_what_rewriting_at_once_gives_cut_at_any_two_places) {
    for (const words& parts : requests) {
        const std::string name = parts[0] == "OBJECT" ? "object|encoding" : parts[0];
        const request_text request(parts);
        for (const auto action : {long_key_action::keep, long_key_action::sha256}) {
            const tenant owner = tenant_with(action);
            const outcome expected{status::complete, rewritten_at_once(name, request, owner), ""};
            const std::size_t size = request.raw().size();
            for (std::size_t first = 0; first < size; ++first) {
                request_stream streaming(&row(name), owner, max_bulk_bytes);
                ASSERT_EQ(stream(streaming, request.raw(), {first, (first + size) / 2}), expected)
                    << name << first;
            }
        }
    }
}

TEST(request_stream_test, passes_on_a_request_that_comes_byte_by_byte) {
    for (const words& parts : requests) {
        const std::string name = parts[0] == "OBJECT" ? "object|encoding" : parts[0];
        const request_text request(parts);
        std::vector<std::size_t> cuts;
        for (std::size_t i = 1; i < request.raw().size(); ++i) cuts.push_back(i);
        request_stream streaming(&row(name), acme, max_bulk_bytes);
        EXPECT_EQ(stream(streaming, request.raw(), cuts),
                  (outcome{status::complete, rewritten_at_once(name, request, acme), ""}));
    }
}

TEST(request_stream_test, leaves_what_stands_behind_the_request) {
    const std::string input = request_text({"SET", "k", "v"}).raw();
    request_stream streaming(&row("set"), acme, max_bulk_bytes);
    const auto [result, consumed] = streaming.feed(input + "*1\r\n$4\r\nPING\r\n", [](std::string_view) {});
    EXPECT_EQ(result, status::complete);
    EXPECT_EQ(consumed, input.size());
}

TEST(request_stream_test, passes_a_value_on_as_it_comes_and_holds_none_of_it) {
    request_stream streaming(&row("set"), acme, max_bulk_bytes);
    EXPECT_EQ(stream(streaming, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\nfirst").passed_on,
              "*3\r\n$3\r\nSET\r\n$3\r\np:k\r\n$1000000\r\nfirst");
    EXPECT_EQ(stream(streaming, "second").passed_on, "second");
}

TEST(request_stream_test, shows_nothing_of_a_key_before_it_is_whole) {
    request_stream streaming(&row("get"), acme, max_bulk_bytes);
    EXPECT_EQ(stream(streaming, "*2\r\n$3\r\nGET\r\n$6\r\nforeig").passed_on, "*2\r\n$3\r\nGET\r\n");
    EXPECT_EQ(stream(streaming, "n").result, status::error) << "no line end behind it";
}

TEST(request_stream_test, what_is_no_request_is_an_error_in_the_servers_words) {
    struct {
        std::string input;
        std::string text;
    } const faults[] = {
        {"*x\r\n", "invalid multibulk length"},
        {"*0\r\n", "invalid multibulk length"},
        {"*2\n", "invalid multibulk length"},
        {"*2\r\n$-1\r\n", "invalid bulk length"},
        {"*2\r\n$x\r\n", "invalid bulk length"},
        {"*2\r\n$\r\n", "invalid bulk length"},
        {"*2\r\n$03\r\n", "invalid bulk length"},
        {"*2\r\n$3\n", "invalid bulk length"},
        {"*2\r\n$1048577\r\n", "invalid bulk length"},
        {"*2\r\n$18446744073709551615\r\n", "invalid bulk length"},
        {"*2\r\n$3\r\nGET\r\n:1\r\n", "expected '$', got ':'"},
        {"*2\r\n$3\r\nGET\r\n" + std::string(65'537, '$'), "too big bulk count string"},
    };
    for (const auto& wrong : faults) {
        EXPECT_EQ(streamed("get", wrong.input).error, "ERR Protocol error: " + wrong.text)
            << wrong.input.substr(0, 40);
        EXPECT_EQ(streamed("get", wrong.input).result, status::error);
    }
}

TEST(request_stream_test, refuses_a_bulk_string_that_does_not_end_with_crlf_wherever_it_is_cut) {
    for (const std::string& end : {"xx"s, "\rx"s, "x\n"s, "\n\r"s, "\n\n"s}) {
        const std::string input = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nvv" + end;
        for (std::size_t cut = 0; cut < input.size(); ++cut) {
            request_stream streaming(&row("set"), acme, max_bulk_bytes);
            const outcome seen = stream(streaming, input, {cut});
            ASSERT_EQ(seen.result, status::error) << testing::PrintToString(end) << cut;
            ASSERT_EQ(seen.error, "ERR Protocol error: expected CRLF behind a bulk string");
        }
    }
}

TEST(request_stream_test, a_key_too_long_for_the_tenant_is_not_passed_on_and_the_rest_is_thrown_away) {
    const tenant owner = tenant_with(long_key_action::refuse);
    const request_text request({"MSET", "a", "1", "too long", "2", "b", "3"});
    const std::string before = "*7\r\n$4\r\nMSET\r\n$3\r\np:a\r\n$1\r\n1\r\n";
    for (std::size_t cut = 0; cut < request.raw().size(); ++cut) {
        request_stream streaming(&row("mset"), owner, max_bulk_bytes);
        ASSERT_EQ(stream(streaming, request.raw(), {cut}),
                  (outcome{status::complete, before, std::string(errors::key_too_long)}));
        ASSERT_TRUE(streaming.discarding());
    }
}

TEST(request_stream_test, discarding_reads_to_the_requests_end_and_passes_nothing_on) {
    const request_text request({"SET", "k", "v\r\n*1"});
    for (std::size_t cut = 0; cut < request.raw().size(); ++cut) {
        request_stream streaming(&row("set"), acme, max_bulk_bytes);
        const auto before = stream(streaming, request.raw().substr(0, cut));
        ASSERT_EQ(before.result, status::more);
        ASSERT_FALSE(streaming.discarding());
        streaming.discard("ERR gone");
        ASSERT_EQ(stream(streaming, request.raw().substr(cut)), (outcome{status::complete, "", "ERR gone"}))
            << cut;
    }
}

TEST(request_stream_test, a_command_that_is_refused_from_the_start_is_read_to_its_end) {
    request_stream streaming(nullptr, acme, max_bulk_bytes);
    EXPECT_TRUE(streaming.discarding());
    EXPECT_EQ(stream(streaming, request_text({"FOO", std::string(5'000, 'x')}).raw()),
              (outcome{status::complete, "", ""}));
}

}  // namespace
}  // namespace weir
