#include "proxy/fallback/engine/keyed_hash.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <string>

namespace weir::engine {
namespace {

// From Python 3.11, whose hash() of bytes is SipHash-1-3, with PYTHONHASHSEED=0.
TEST(keyed_hash_test, is_what_others_make_of_the_same_text) {
    constexpr hash_key zero{0, 0};
    std::string all(64, '\0');
    std::iota(all.begin(), all.end(), '\0');
    EXPECT_EQ(sip_hash("a", zero), 0x407448d2b89b1813u);
    EXPECT_EQ(sip_hash("weir", zero), 0xafd841259e24ac48u);
    EXPECT_EQ(sip_hash("12345678", zero), 0x3489982430560a87u);
    EXPECT_EQ(sip_hash("a key of tenant 7", zero), 0xe999fa04d49b6668u);
    EXPECT_EQ(sip_hash(all, zero), 0x75e05fd5bbc870c6u);
}

// From OpenSSL: openssl mac -macopt size:8 -macopt c-rounds:1 -macopt d-rounds:3 -macopt hexkey:… SIPHASH
TEST(keyed_hash_test, depends_on_the_key) {
    constexpr hash_key counting{0x0706050403020100, 0x0f0e0d0c0b0a0908};
    EXPECT_EQ(sip_hash("a", counting), 0x1c2697ab786a6237u);
    EXPECT_EQ(sip_hash("weir", counting), 0x27cc32686fecb2d5u);
    EXPECT_EQ(sip_hash("12345678", counting), 0x11a8ebb5cd0da9ceu);
}

TEST(keyed_hash_test, is_the_same_throughout_the_process) {
    EXPECT_EQ(keyed_hash("k"), keyed_hash("k"));
}

}  // namespace
}  // namespace weir::engine
