#include "policy/password_hash.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "policy/digest.hpp"

namespace weir {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr scrypt_cost cheap{4, 8, 1};
const std::string salt = "0123456789abcdef";

password_hash read(std::string_view text) {
    const auto reading = read_password_hash(text);
    EXPECT_TRUE(reading.hash) << text << ' ' << reading.why;
    return reading.hash.value_or(password_hash{});
}

std::string refusal_of(std::string_view text) {
    const auto reading = read_password_hash(text);
    EXPECT_FALSE(reading.hash) << text;
    EXPECT_THAT(reading.why, StartsWith("is "));
    return reading.why;
}

TEST(password_hash, sha256_is_the_plain_digest_in_hex) {
    // echo -n hunter2 | sha256sum
    const std::string text = "sha256:f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7";
    EXPECT_TRUE(matches(read(text), "hunter2"));
    EXPECT_FALSE(matches(read(text), "hunter3"));
    EXPECT_FALSE(matches(read(text), ""));
    EXPECT_FALSE(matches(read(text), std::string("hunter2\0", 8)));
    EXPECT_FALSE(read(text).is_slow());
    EXPECT_EQ(to_string(sha256_password_hash("hunter2")), text);
}

TEST(password_hash, hex_digits_are_read_in_either_case) {
    EXPECT_EQ(read("sha256:" + std::string(64, 'A')), read("sha256:" + std::string(64, 'a')));
}

TEST(password_hash, scrypt_is_that_of_rfc_7914) {
    // Section 12: ("pleaseletmein", "SodiumChloride", 16384, 8, 1), of the derived 64 bytes all.
    const auto hash = read(
        "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$"
        "cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw");
    EXPECT_TRUE(hash.is_slow());
    EXPECT_EQ(hash.salt, "SodiumChloride");
    EXPECT_EQ(hash.digest.size(), 64u);
    EXPECT_TRUE(matches(hash, "pleaseletmein"));
    EXPECT_FALSE(matches(hash, "pleaseletmeout"));
}

TEST(password_hash, scrypt_of_other_tools_is_understood) {
    // Python: hashlib.scrypt(b"correct horse", salt=b"saltsaltsaltsalt", n=1024, r=8, p=2, dklen=32)
    const auto hash =
        read("$scrypt$ln=10,r=8,p=2$c2FsdHNhbHRzYWx0c2FsdA$jEgpCUtvA44HVzfVdPMA8tfAzsWE0hBy4rqSqDwK5Z8");
    EXPECT_TRUE(matches(hash, "correct horse"));
    EXPECT_FALSE(matches(hash, "correct hors"));
}

TEST(password_hash, what_is_made_can_be_read_again) {
    const auto hash = scrypt_password_hash("secret", salt, cheap);
    EXPECT_THAT(to_string(hash), StartsWith("$scrypt$ln=4,r=8,p=1$"));
    EXPECT_EQ(read(to_string(hash)), hash);
    EXPECT_TRUE(matches(hash, "secret"));
    EXPECT_FALSE(matches(hash, "Secret"));
    const auto quick = sha256_password_hash(std::string("\0\xff", 2));
    EXPECT_EQ(read(to_string(quick)), quick);
}

TEST(password_hash, another_salt_gives_another_hash) {
    EXPECT_NE(scrypt_password_hash("secret", salt, cheap).digest,
              scrypt_password_hash("secret", "another salt 016", cheap).digest);
}

TEST(password_hash, the_default_costs_32_mib) {
    EXPECT_EQ(scrypt_cost{}.memory_bytes(), std::uint64_t{32} << 20);
}

TEST(password_hash, argon2_is_refused_with_what_to_do) {
    EXPECT_THAT(refusal_of("$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaA"),
                AllOf(HasSubstr("Argon2"), HasSubstr("use scrypt")));
}

TEST(password_hash, what_is_no_hash_is_refused_and_not_repeated) {
    for (const std::string& text :
         std::vector<std::string>{"", "hunter2", "#" + std::string(64, 'a'), std::string(64, 'a'),
                                  "SHA256:ab", "$2y$10$hunter2", "$scrypt"})
        EXPECT_THAT(refusal_of(text), AllOf(HasSubstr("is neither"), Not(HasSubstr("hunter2")))) << text;
}

TEST(password_hash, a_sha256_that_is_cut_off_or_no_hex_is_refused) {
    for (const std::string& digits : {std::string(), std::string(63, 'a'), std::string(65, 'a'),
                                      std::string(66, 'a'), std::string(63, 'a') + "g", std::string(32, 'a')})
        EXPECT_THAT(refusal_of("sha256:" + digits), HasSubstr("64 hex digits")) << digits;
}

TEST(password_hash, scrypt_parameters_are_checked_before_anything_is_computed) {
    const auto with = [](const std::string& cost) {
        return refusal_of("$scrypt$" + cost + "$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA");
    };
    for (const std::string cost :
         {"ln=20,r=8,p=1", "ln=16,r=9,p=1", "ln=40,r=1,p=1", "ln=41,r=1,p=1", "ln=63,r=1,p=1",
          "ln=64,r=1,p=1", "ln=1,r=262145,p=1", "ln=1,r=99999999,p=1", "ln=999999999,r=999999999,p=1"})
        EXPECT_THAT(with(cost), HasSubstr("more than 64 MiB")) << cost;
    for (const std::string cost : {"ln=15,r=8,p=17", "ln=1,r=1,p=999999999", "ln=16,r=8,p=9"})
        EXPECT_THAT(with(cost), HasSubstr("too much time")) << cost;
    for (const std::string cost : {"ln=0,r=8,p=1", "ln=15,r=0,p=1", "ln=15,r=8,p=0"})
        EXPECT_THAT(with(cost), HasSubstr("parameter of 0")) << cost;
    for (const std::string cost :
         {"", "ln=15", "ln=15,r=8", "r=8,ln=15,p=1", "ln=15,r=8,p=1,x=1", "ln=-1,r=8,p=1", "ln=+1,r=8,p=1",
          "ln=15 ,r=8,p=1", "ln=,r=8,p=1", "ln=9999999999,r=8,p=1"})
        EXPECT_THAT(with(cost), HasSubstr("is not scrypt as")) << cost;
}

TEST(password_hash, the_largest_that_is_allowed_can_be_computed) {
    const scrypt_cost largest{16, 8, 1};
    EXPECT_EQ(largest.memory_bytes(), std::uint64_t{64} << 20);
    const auto hash = scrypt_password_hash("secret", salt, largest);
    EXPECT_TRUE(matches(read(to_string(hash)), "secret"));
}

TEST(password_hash, scrypt_with_a_broken_or_short_salt_or_hash_is_refused) {
    const std::string front = "$scrypt$ln=4,r=8,p=1$";
    for (const std::string rest :
         {"c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA==", "c2Fs dHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
          "$aGFzaGhhc2hoYXNoaGFzaA", "c2FsdHNhbHRzYWx0$", "c2FsdHNhbHRzY$aGFzaGhhc2hoYXNo",
          "c2FsdHNhbHRzYWx0$aGFza-_hc2hoYXNoaGFzaA"})
        EXPECT_THAT(refusal_of(front + rest), HasSubstr("not base64")) << rest;
    for (const std::string rest : {"c2Fs$aGFzaGhhc2hoYXNoaGFzaA", "c2FsdHNhbHRzYWx0$aGFzaGhh"})
        EXPECT_THAT(refusal_of(front + rest), HasSubstr("less than")) << rest;
    EXPECT_THAT(refusal_of(front + "c2FsdHNhbHRzYWx0"), HasSubstr("is not scrypt as"));
    EXPECT_THAT(refusal_of(front + "c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA$x"),
                HasSubstr("is not scrypt as"));
}

TEST(hmac_sha256, is_that_of_rfc_4231) {
    // Test case 2.
    EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(to_hex(hmac_sha256("", "")),
              "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(hmac_sha256, parts_cannot_be_mixed_up) {
    EXPECT_NE(hmac_sha256_of_parts("k", {"ab", "c"}), hmac_sha256_of_parts("k", {"a", "bc"}));
    EXPECT_NE(hmac_sha256_of_parts("k", {"a", ""}), hmac_sha256_of_parts("k", {"", "a"}));
    EXPECT_NE(hmac_sha256_of_parts("k", {"1:a"}), hmac_sha256_of_parts("k", {"a"}));
    EXPECT_EQ(hmac_sha256_of_parts("k", {"ab", "c"}), hmac_sha256("k", "2:ab1:c"));
}

}  // namespace
}  // namespace weir
