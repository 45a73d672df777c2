#include "proxy/logging.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <cmath>
#include <limits>

namespace weir {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

std::string text_line(std::string_view message, std::initializer_list<log_field> fields) {
    return log_payload(log_format::text, message, fields);
}

boost::json::object json_line(std::string_view message, std::initializer_list<log_field> fields) {
    return boost::json::parse("{" + log_payload(log_format::json, message, fields)).as_object();
}

/// What `call` wrote to standard error.
template <class Call>
std::string written(Call call) {
    testing::internal::CaptureStderr();
    call();
    return testing::internal::GetCapturedStderr();
}

TEST(log_text, shows_message_and_fields) {
    EXPECT_EQ(text_line("ready", {}), "ready");
    EXPECT_EQ(text_line("listening", {{"address", "127.0.0.1:40123"}, {"tenant", std::string("acme")}}),
              "listening address=127.0.0.1:40123 tenant=acme");
}

TEST(log_text, shows_numbers_of_every_kind) {
    EXPECT_EQ(text_line("n", {{"a", -1},
                              {"b", std::numeric_limits<std::uint64_t>::max()},
                              {"c", 1.5},
                              {"d", true},
                              {"e", std::size_t{0}}}),
              "n a=-1 b=18446744073709551615 c=1.5 d=true e=0");
}

TEST(log_text, quotes_and_escapes_what_could_forge_a_line_or_field) {
    EXPECT_EQ(text_line("x", {{"v", "a b"}}), R"(x v="a b")");
    EXPECT_EQ(text_line("x", {{"v", ""}}), R"(x v="")");
    EXPECT_EQ(text_line("x", {{"v", "a\r\nready x=\"1\"\\\t"}}), R"(x v="a\r\nready x=\"1\"\\\t")");
    EXPECT_EQ(text_line("x", {{"v", std::string_view("\0\x1b[31m\xff\x7f", 8)}}),
              R"(x v="\x00\x1b[31m\xff\x7f")");
    EXPECT_EQ(text_line("bad\nmessage", {}), R"(bad\nmessage)");
}

TEST(log_text, cuts_long_values) {
    const std::string long_value(100'000, 'k');
    EXPECT_LT(text_line("x", {{"v", long_value}}).size(), 1'100u);
}

TEST(log_json, holds_fields_with_their_types) {
    const auto line =
        json_line("listening", {{"address", "127.0.0.1:1"}, {"n", 3}, {"share", 0.25}, {"on", false}});
    EXPECT_EQ(line.at("msg").as_string(), "listening");
    EXPECT_EQ(line.at("address").as_string(), "127.0.0.1:1");
    EXPECT_EQ(line.at("n").as_int64(), 3);
    EXPECT_EQ(line.at("share").as_double(), 0.25);
    EXPECT_FALSE(line.at("on").as_bool());
}

TEST(log_json, stays_json_for_any_bytes) {
    std::string every_byte;
    for (int i = 0; i < 256; ++i) every_byte += static_cast<char>(i);
    EXPECT_THAT(std::string(json_line("x", {{"v", every_byte}}).at("v").as_string()), HasSubstr("\\xff"));
    EXPECT_EQ(json_line("x", {{"v", "g\u00fcnstig \u20ac \U0001F600"}}).at("v").as_string(),
              "g\u00fcnstig \u20ac \U0001F600");
    // Overlong, a surrogate, past the last code point, cut short.
    for (const char* broken :
         {"\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) {
        EXPECT_THAT(std::string(json_line("x", {{"v", broken}}).at("v").as_string()), HasSubstr("\\x"));
    }
}

TEST(log_json, has_no_number_for_what_is_none) {
    EXPECT_EQ(json_line("x", {{"v", std::nan("")}}).at("v").as_string(), "nan");
}

TEST(logging, text_lines_begin_with_time_and_level) {
    init_logging({log_level::info, log_format::text});
    EXPECT_THAT(written([] {
                    log_info("listening", {{"tenant", "acme"}});
                }),
                MatchesRegex("....-..-..T..:..:..\\....Z info listening tenant=acme\n"));
    EXPECT_THAT(written([] { log_warning("{} %v"); }), HasSubstr("Z warning {} %v\n"));
}

TEST(logging, json_lines_are_objects) {
    init_logging({log_level::info, log_format::json});
    const auto line = boost::json::parse(written([] { log_error("it \"broke\"", {{"n", 1}}); })).as_object();
    EXPECT_EQ(line.at("level").as_string(), "error");
    EXPECT_EQ(line.at("msg").as_string(), "it \"broke\"");
    EXPECT_EQ(line.at("ts").as_string().size(), 24u);
    EXPECT_EQ(line.at("n").as_int64(), 1);
    init_logging({});
}

TEST(logging, leaves_out_what_is_below_the_level) {
    init_logging({log_level::warning, log_format::text});
    EXPECT_EQ(written([] {
                  log_info("not this");
                  log_debug("nor this");
              }),
              "");
    init_logging({});
}

TEST(log_limiter, holds_back_a_flood_and_says_how_much) {
    using namespace std::chrono_literals;
    log_limiter limiter(2, 1s);
    const log_limiter::clock::time_point start{100s};
    EXPECT_TRUE(limiter.allow(start));
    EXPECT_TRUE(limiter.allow(start + 1ms));
    EXPECT_FALSE(limiter.allow(start + 2ms));
    EXPECT_FALSE(limiter.allow(start + 999ms));
    const auto line = written([&] {
        write_log_limited(limiter, start + 1s, log_level::info, "bad", {{"n", 1}});
    });
    EXPECT_THAT(line, HasSubstr("bad n=1 suppressed=2\n"));
    const auto next = written([&] { write_log_limited(limiter, start + 1s, log_level::info, "bad"); });
    EXPECT_THAT(next, Not(HasSubstr("suppressed")));
    EXPECT_EQ(written([&] { write_log_limited(limiter, start + 1s, log_level::info, "bad"); }), "");
}

}  // namespace
}  // namespace weir
