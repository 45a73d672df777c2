#include "protocol/command_keys.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/request_text.hpp"

namespace weir {
namespace {

using test::request_text;
using begin = key_spec::begin_kind;
using find = key_spec::find_kind;
using positions = std::vector<std::uint32_t>;
using namespace std::string_literals;

key_spec range_spec(std::int16_t index, std::int16_t last_key, std::int16_t step = 1) {
    return {
        .begin = begin::index, .find = find::range, .index = index, .last_key = last_key, .key_step = step};
}

key_spec numkeys_spec(std::int16_t index) {
    return {.begin = begin::index, .find = find::keynum, .index = index, .keynum_index = 0, .first_key = 1};
}

key_spec keyword_spec(std::string_view keyword, std::int16_t from, std::int16_t last_key = 0,
                      std::int16_t limit = 0) {
    return {.begin = begin::keyword,
            .find = find::range,
            .index = from,
            .keyword = keyword,
            .last_key = last_key,
            .limit = limit};
}

positions keys_of(const key_spec& spec, const std::vector<std::string>& words) {
    const request_text request(words);
    positions found;
    locate_keys(request.view(), spec, found);
    return found;
}

// ---- ranges
// --------------------------------------------------------------------------------------------------------

TEST(command_keys_test, finds_one_key_at_a_fixed_place) {
    EXPECT_EQ(keys_of(range_spec(1, 0), {"GET", "k"}), positions{1});
    EXPECT_EQ(keys_of(range_spec(2, 0), {"OBJECT", "FREQ", "k"}), positions{2});
}

TEST(command_keys_test, finds_every_key_up_to_the_end_or_a_place_before_it) {
    EXPECT_EQ(keys_of(range_spec(1, -1), {"DEL", "a", "b", "c"}), (positions{1, 2, 3}));
    EXPECT_EQ(keys_of(range_spec(1, -2), {"BLPOP", "a", "b", "0"}), (positions{1, 2}));
    EXPECT_EQ(keys_of(range_spec(1, 1), {"RENAME", "a", "b"}), (positions{1, 2}));
    EXPECT_EQ(keys_of(range_spec(1, -1, 2), {"MSET", "a", "1", "b", "2"}), (positions{1, 3}));
    EXPECT_EQ(keys_of(range_spec(1, -1, 2), {"MSET", "a", "1", "b"}), (positions{1, 3}))
        << "the server refuses it";
}

TEST(command_keys_test, a_range_beyond_the_request_finds_what_is_there) {
    EXPECT_EQ(keys_of(range_spec(3, -1), {"BITOP", "AND", "dest"}), positions{});
    EXPECT_EQ(keys_of(range_spec(1, 1), {"RENAME", "a"}), positions{1});
    EXPECT_EQ(keys_of(range_spec(1, -2), {"BLPOP", "a"}), positions{});
    EXPECT_EQ(keys_of(range_spec(1, 0), {"GET"}), positions{});
}

TEST(command_keys_test, appends_to_what_was_found_before) {
    const request_text request({"COPY", "a", "b"});
    positions found;
    locate_keys(request.view(), range_spec(1, 0), found);
    locate_keys(request.view(), range_spec(2, 0), found);
    EXPECT_EQ(found, (positions{1, 2}));
}

TEST(command_keys_test, what_is_flagged_not_key_is_none) {
    key_spec channel = range_spec(1, 0);
    channel.flags = key_spec::not_key;
    EXPECT_EQ(keys_of(channel, {"SPUBLISH", "channel", "text"}), positions{});
}

// ---- numkeys
// -------------------------------------------------------------------------------------------------------

TEST(command_keys_test, finds_as_many_keys_as_the_count_says) {
    EXPECT_EQ(keys_of(numkeys_spec(1), {"LMPOP", "1", "a", "LEFT"}), positions{2});
    EXPECT_EQ(keys_of(numkeys_spec(1), {"ZUNION", "2", "a", "b", "WEIGHTS", "1", "2"}), (positions{2, 3}));
    EXPECT_EQ(keys_of(numkeys_spec(2), {"ZUNIONSTORE", "d", "2", "a", "b"}), (positions{3, 4}));
    EXPECT_EQ(keys_of(numkeys_spec(1), {"ZUNION", "2", "a", "b"}), (positions{2, 3}))
        << "up to the last argument";
}

TEST(command_keys_test, a_count_of_zero_names_no_key) {
    EXPECT_EQ(keys_of(numkeys_spec(1), {"SINTERCARD", "0", "a"}), positions{});
}

TEST(command_keys_test, behind_a_count_that_lies_everything_counts_as_a_key) {
    const positions all{2, 3, 4};
    for (const std::string& count :
         {"-1"s, "abc"s, ""s, "4"s, "01"s, "+2"s, " 2"s, "2\0"s, "4294967297"s, "9223372036854775807"s,
          "9223372036854775808"s, "18446744073709551617"s, "-9223372036854775808"s}) {
        EXPECT_EQ(keys_of(numkeys_spec(1), {"ZUNION", count, "a", "b", "c"}), all) << count;
    }
}

TEST(command_keys_test, a_count_without_arguments_behind_it_finds_nothing) {
    EXPECT_EQ(keys_of(numkeys_spec(1), {"LMPOP"}), positions{});
    EXPECT_EQ(keys_of(numkeys_spec(1), {"LMPOP", "2"}), positions{});
    EXPECT_EQ(keys_of(numkeys_spec(2), {"ZUNIONSTORE", "d"}), positions{});
}

// ---- keywords
// ------------------------------------------------------------------------------------------------------

TEST(command_keys_test, finds_the_first_half_of_what_follows_streams_in_any_case) {
    const key_spec xread = keyword_spec("STREAMS", 1, -1, 2);
    EXPECT_EQ(keys_of(xread, {"XREAD", "STREAMS", "a", "0"}), positions{2});
    EXPECT_EQ(keys_of(xread, {"XREAD", "COUNT", "2", "sTreams", "a", "b", "0", "0"}), (positions{4, 5}));
    const key_spec xreadgroup = keyword_spec("STREAMS", 4, -1, 2);
    EXPECT_EQ(keys_of(xreadgroup, {"XREADGROUP", "GROUP", "g", "c", "STREAMS", "a", ">"}), positions{5});
}

TEST(command_keys_test, keys_and_groups_may_be_called_streams) {
    EXPECT_EQ(
        keys_of(keyword_spec("STREAMS", 1, -1, 2), {"XREAD", "STREAMS", "STREAMS", "streams", "0", "0"}),
        (positions{2, 3}));
    EXPECT_EQ(keys_of(keyword_spec("STREAMS", 4, -1, 2),
                      {"XREADGROUP", "GROUP", "streams", "streams", "STREAMS", "k", ">"}),
              positions{5});
}

TEST(command_keys_test, an_odd_number_behind_streams_is_halved_downwards) {
    EXPECT_EQ(keys_of(keyword_spec("STREAMS", 1, -1, 2), {"XREAD", "STREAMS", "a", "b", "0"}), positions{2});
}

TEST(command_keys_test, without_the_keyword_or_behind_the_last_argument_there_is_no_key) {
    EXPECT_EQ(keys_of(keyword_spec("STREAMS", 1, -1, 2), {"XREAD", "COUNT", "2", "a"}), positions{});
    EXPECT_EQ(keys_of(keyword_spec("STREAMS", 1, -1, 2), {"XREAD", "COUNT", "2", "STREAMS"}), positions{});
    EXPECT_EQ(keys_of(keyword_spec("STREAMS", 4, -1, 2), {"XREADGROUP"}), positions{});
}

TEST(command_keys_test, searches_from_the_end_backwards_when_the_start_is_negative) {
    const key_spec migrate = keyword_spec("KEYS", -2, -1);
    EXPECT_EQ(keys_of(migrate, {"MIGRATE", "h", "1", "", "0", "9", "KEYS", "a", "b"}), (positions{7, 8}));
    EXPECT_EQ(keys_of(migrate, {"MIGRATE", "keys", "1", "", "0", "9", "KEYS", "a"}), positions{7})
        << "the last one";
    EXPECT_EQ(keys_of(migrate, {"KEYS"}), positions{});
}

// ---- positional keys
// -----------------------------------------------------------------------------------------------

command_spec command_with(std::vector<key_spec> specs) {
    command_spec command;
    for (const key_spec& spec : specs) command.key_specs[command.key_spec_count++] = spec;
    return command;
}

TEST(command_keys_test, keys_are_positional_when_every_specification_is_a_range_from_an_index) {
    EXPECT_TRUE(has_positional_keys(command_with({range_spec(1, -1, 2)})));
    EXPECT_TRUE(has_positional_keys(command_with({range_spec(1, 0), range_spec(2, 0)})));
    EXPECT_TRUE(has_positional_keys(command_with({}))) << "no key at all";
    EXPECT_FALSE(has_positional_keys(command_with({numkeys_spec(1)})));
    EXPECT_FALSE(has_positional_keys(command_with({range_spec(1, 0), keyword_spec("STORE", 6)})));
    EXPECT_FALSE(has_positional_keys(command_with({key_spec{}})));
    command_spec pattern = command_with({});
    pattern.request = request_rule::keys_pattern;
    EXPECT_FALSE(has_positional_keys(pattern));
}

TEST(command_keys_test, a_positional_key_is_known_from_its_place_alone) {
    const std::vector<std::vector<key_spec>> commands = {
        {range_spec(1, 0)},
        {range_spec(1, 0), range_spec(2, 0)},
        {range_spec(1, -1)},
        {range_spec(1, -2)},
        {range_spec(1, -1, 2)},
        {range_spec(1, 1)},
        {range_spec(2, 0), range_spec(3, -1)},
        {},
    };
    for (const auto& specs : commands) {
        const command_spec command = command_with(specs);
        for (std::size_t count = 1; count < 8; ++count) {
            const request_text request(std::vector<std::string>(count, "x"));
            positions located;
            for (const key_spec& spec : specs) locate_keys(request.view(), spec, located);
            positions by_place;
            for (std::uint32_t i = 0; i < count; ++i) {
                if (is_positional_key(command, i, count)) by_place.push_back(i);
            }
            EXPECT_EQ(by_place, located) << count;
        }
    }
}

// ---- XREAD BLOCK
// ---------------------------------------------------------------------------------------------------

bool blocks(const std::vector<std::string>& words) {
    return reads_stream_blocking(request_text(words).view());
}

TEST(command_keys_test, sees_block_among_the_options_of_a_stream_read) {
    EXPECT_TRUE(blocks({"XREAD", "BLOCK", "0", "STREAMS", "k", "$"}));
    EXPECT_TRUE(blocks({"XREAD", "COUNT", "1", "block", "0", "STREAMS", "k", "$"}));
    EXPECT_TRUE(
        blocks({"XREADGROUP", "GROUP", "g", "c", "NOACK", "COUNT", "1", "BLOCK", "0", "STREAMS", "k", ">"}));
}

TEST(command_keys_test, a_name_that_reads_block_does_not_make_a_stream_read_wait) {
    EXPECT_FALSE(blocks({"XREAD", "STREAMS", "BLOCK", "0"}));
    EXPECT_FALSE(blocks({"XREADGROUP", "GROUP", "BLOCK", "block", "STREAMS", "k", ">"}));
    EXPECT_FALSE(blocks({"XREAD", "COUNT", "BLOCK", "STREAMS", "k", "0"})) << "the server refuses the count";
    EXPECT_FALSE(blocks({"XREAD", "COUNT"}));
}

TEST(command_keys_test, sees_block_with_a_nul_behind_it_as_the_server_does) {
    // The server compares options with strcasecmp, which ends at the NUL.
    EXPECT_TRUE(blocks({"XREAD", "BLOCK\0"s, "0", "STREAMS", "k", "$"}));
    EXPECT_TRUE(blocks({"XREAD", "COUNT\0x"s, "1", "BLOCK", "0", "STREAMS", "k", "$"}));
}

}  // namespace
}  // namespace weir
