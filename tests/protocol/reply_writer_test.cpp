#include "protocol/reply_writer.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>

namespace weir {
namespace {

std::string written(resp_version version, const std::function<void(reply_writer&)>& write) {
    buffer out;
    reply_writer writer(out, version);
    write(writer);
    return std::string(out.view());
}

struct both {
    std::string resp2;
    std::string resp3;
    bool operator==(const both&) const = default;
};

std::ostream& operator<<(std::ostream& to, const both& value) {
    return to << value.resp2 << " | " << value.resp3;
}

both in_both(const std::function<void(reply_writer&)>& write) {
    return {written(resp_version::resp2, write), written(resp_version::resp3, write)};
}

both same(const std::string& text) {
    return {text, text};
}

TEST(reply_writer_test, writes_what_both_versions_spell_alike) {
    EXPECT_EQ(in_both([](auto& to) { to.simple("OK"); }), same("+OK\r\n"));
    EXPECT_EQ(in_both([](auto& to) { to.integer(0); }), same(":0\r\n"));
    EXPECT_EQ(in_both([](auto& to) { to.integer(std::numeric_limits<std::int64_t>::min()); }),
              same(":-9223372036854775808\r\n"));
    EXPECT_EQ(in_both([](auto& to) { to.bulk(""); }), same("$0\r\n\r\n"));
    EXPECT_EQ(in_both([](auto& to) { to.array(0); }), same("*0\r\n"));
    EXPECT_EQ(in_both([](auto& to) { to.array(12); }), same("*12\r\n"));
}

TEST(reply_writer_test, writes_a_binary_bulk_string_with_its_length) {
    const std::string bytes("a\r\n\0b", 5);
    EXPECT_EQ(in_both([&](auto& to) { to.bulk(bytes); }), same("$5\r\n" + bytes + "\r\n"));
}

TEST(reply_writer_test, an_error_with_line_breaks_stays_one_line) {
    EXPECT_EQ(in_both([](auto& to) { to.error("ERR unknown 'a\r\n+OK\r\n'"); }),
              same("-ERR unknown 'a  +OK  '\r\n"));
}

TEST(reply_writer_test, writes_null_in_each_versions_own_way) {
    EXPECT_EQ(in_both([](auto& to) { to.null(); }), (both{"$-1\r\n", "_\r\n"}));
}

TEST(reply_writer_test, writes_booleans_as_numbers_for_resp2) {
    EXPECT_EQ(in_both([](auto& to) { to.boolean(true); }), (both{":1\r\n", "#t\r\n"}));
    EXPECT_EQ(in_both([](auto& to) { to.boolean(false); }), (both{":0\r\n", "#f\r\n"}));
}

TEST(reply_writer_test, writes_a_map_as_an_array_of_twice_as_many_for_resp2) {
    EXPECT_EQ(in_both([](auto& to) { to.map(3); }), (both{"*6\r\n", "%3\r\n"}));
    EXPECT_EQ(in_both([](auto& to) { to.set(3); }), (both{"*3\r\n", "~3\r\n"}));
}

TEST(reply_writer_test, counts_the_format_into_a_verbatim_strings_length) {
    EXPECT_EQ(in_both([](auto& to) { to.verbatim("hi"); }), (both{"$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"}));
}

TEST(reply_writer_test, writes_doubles_and_null_arrays_as_resp2_knows_them) {
    EXPECT_EQ(in_both([](auto& to) { to.number("1.5"); }), (both{"$3\r\n1.5\r\n", ",1.5\r\n"}));
    EXPECT_EQ(in_both([](auto& to) { to.number("-inf"); }), (both{"$4\r\n-inf\r\n", ",-inf\r\n"}));
    EXPECT_EQ(in_both([](auto& to) { to.null_array(); }), (both{"*-1\r\n", "_\r\n"}));
}

TEST(reply_writer_test, appends_behind_what_is_there) {
    buffer out;
    out.append("+1\r\n");
    reply_writer(out, resp_version::resp3).null();
    EXPECT_EQ(out.view(), "+1\r\n_\r\n");
}

}  // namespace
}  // namespace weir
