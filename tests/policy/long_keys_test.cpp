#include <gtest/gtest.h>

#include "tests/policy/rewritten.hpp"

// What key_rewriter does with keys longer than the tenant's long_keys.over.

namespace weir {
namespace {

using test::result;
using test::rewritten;
using test::sent;

tenant_options with_long_keys(std::size_t over_bytes, long_key_action action) {
    tenant_options options = test::with_prefix("p:");
    options.long_keys = {over_bytes, action};
    return options;
}

const tenant_options keep = with_long_keys(3, long_key_action::keep);
const tenant_options refuse = with_long_keys(3, long_key_action::refuse);
const tenant_options hash = with_long_keys(3, long_key_action::sha256);

const std::string abcd_hashed = "sha256:88d4266fd4e6338d13b845fcf289579d209c897823b9217da3e161936f031589";

TEST(long_keys_test, a_key_is_hashed_to_64_hex_digits) {
    EXPECT_EQ(hashed_key(""), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(hashed_key("abc"), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(long_keys_test, a_key_as_long_as_allowed_is_prefixed_whatever_the_action) {
    for (const tenant_options& options : {keep, refuse, hash}) {
        EXPECT_EQ(rewritten({"GET", "abc"}, options), sent({"GET", "p:abc"}));
    }
}

TEST(long_keys_test, a_long_key_is_kept_refused_or_hashed) {
    EXPECT_EQ(rewritten({"GET", "abcd"}, keep), sent({"GET", "p:abcd"}));
    EXPECT_EQ(rewritten({"GET", "abcd"}, refuse), (result{rewrite_status::key_too_long, {}}));
    EXPECT_EQ(rewritten({"GET", "abcd"}, hash), sent({"GET", "p:" + abcd_hashed}));
}

TEST(long_keys_test, one_long_key_among_others_is_enough_to_refuse_the_request) {
    EXPECT_EQ(rewritten({"MGET", "a", "abcd", "b"}, refuse), (result{rewrite_status::key_too_long, {}}));
}

TEST(long_keys_test, only_the_long_keys_of_a_request_are_hashed_and_no_value) {
    EXPECT_EQ(rewritten({"MSET", "a", "long value", "abcd", "abcd", "b", ""}, hash),
              sent({"MSET", "p:a", "long value", "p:" + abcd_hashed, "abcd", "p:b", ""}));
    EXPECT_EQ(rewritten({"SET", "a", "long value"}, refuse), sent({"SET", "p:a", "long value"}));
}

TEST(long_keys_test, destinations_of_sort_and_georadius_are_keys_like_any_other) {
    EXPECT_EQ(rewritten({"SORT", "k", "STORE", "abcd"}, hash),
              sent({"SORT", "p:k", "STORE", "p:" + abcd_hashed}));
    EXPECT_EQ(rewritten({"SORT", "k", "STORE", "abcd"}, refuse), (result{rewrite_status::key_too_long, {}}));
    EXPECT_EQ(rewritten({"GEORADIUS", "k", "1", "1", "1", "m", "STORE", "abcd"}, hash),
              sent({"GEORADIUS", "p:k", "1", "1", "1", "m", "STORE", "p:" + abcd_hashed}));
}

TEST(long_keys_test, a_pattern_is_no_key_whatever_its_length) {
    for (const tenant_options& options : {refuse, hash}) {
        EXPECT_EQ(rewritten({"KEYS", "user:*"}, options), sent({"KEYS", "p:user:*"}));
        EXPECT_EQ(rewritten({"SCAN", "0", "MATCH", "user:*"}, options),
                  sent({"SCAN", "0", "MATCH", "p:user:*"}));
        EXPECT_EQ(rewritten({"SORT", "k", "BY", "weight_*", "GET", "o_*->f"}, options),
                  sent({"SORT", "p:k", "BY", "p:weight_*", "GET", "p:o_*->f"}));
    }
}

TEST(long_keys_test, a_channel_is_no_key_whatever_its_length) {
    for (const tenant_options& options : {refuse, hash}) {
        EXPECT_EQ(rewritten({"PUBLISH", "channel", "x"}, options), sent({"PUBLISH", "p:channel", "x"}));
    }
}

TEST(long_keys_test, rewriting_one_key_gives_what_rewriting_a_request_gives) {
    for (const tenant_options& options : {keep, hash}) {
        const tenant owner("acme", options);
        for (const std::string key : {"", "abc", "abcd"}) {
            EXPECT_EQ(rewritten({"GET", key}, options), sent({"GET", rewrite_key(key, owner)})) << key;
        }
    }
    const tenant owner("acme", refuse);
    EXPECT_EQ(rewrite_key("abc", owner), "p:abc");
    EXPECT_EQ(rewrite_key("abcd", owner), "");
}

}  // namespace
}  // namespace weir
