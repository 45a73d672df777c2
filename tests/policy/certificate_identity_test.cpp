#include "policy/certificate_identity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

namespace weir {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// A certificate that nobody signed: names are read the same.
class certificate {
public:
    certificate& common_name(std::string_view name, int encoding = MBSTRING_UTF8) {
        X509_NAME* const subject = X509_get_subject_name(made_.get());
        EXPECT_EQ(1, X509_NAME_add_entry_by_NID(subject, NID_commonName, encoding,
                                                reinterpret_cast<const unsigned char*>(name.data()),
                                                static_cast<int>(name.size()), -1, 0));
        return *this;
    }
    certificate& organization(std::string_view name) {
        X509_NAME_add_entry_by_NID(X509_get_subject_name(made_.get()), NID_organizationName, MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(name.data()),
                                   static_cast<int>(name.size()), -1, 0);
        return *this;
    }
    certificate& alternative(int type, std::string_view name) {
        ASN1_IA5STRING* const text = ASN1_IA5STRING_new();
        ASN1_STRING_set(text, name.data(), static_cast<int>(name.size()));
        GENERAL_NAME* const general = GENERAL_NAME_new();
        GENERAL_NAME_set0_value(general, type, text);
        sk_GENERAL_NAME_push(alternatives_.get(), general);
        return *this;
    }
    [[nodiscard]] std::vector<std::string> names() {
        if (sk_GENERAL_NAME_num(alternatives_.get()) > 0)
            X509_add1_ext_i2d(made_.get(), NID_subject_alt_name, alternatives_.get(), 0, X509V3_ADD_REPLACE);
        return certificate_names(*made_);
    }

private:
    std::unique_ptr<X509, decltype(&X509_free)> made_{X509_new(), &X509_free};
    std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> alternatives_{GENERAL_NAMES_new(),
                                                                                &GENERAL_NAMES_free};
};

TEST(certificate_names, are_the_common_name_and_the_dns_and_uri_names) {
    EXPECT_THAT(certificate()
                    .organization("Acme")
                    .common_name("acme")
                    .alternative(GEN_DNS, "acme.example.com")
                    .alternative(GEN_EMAIL, "root@acme.example.com")
                    .alternative(GEN_URI, "spiffe://example.com/acme")
                    .names(),
                ElementsAre("acme", "acme.example.com", "spiffe://example.com/acme"));
}

TEST(certificate_names, a_certificate_may_have_none) {
    EXPECT_THAT(certificate().names(), IsEmpty());
    EXPECT_THAT(certificate().organization("acme").alternative(GEN_EMAIL, "acme").names(), IsEmpty());
}

TEST(certificate_names, every_common_name_counts) {
    EXPECT_THAT(certificate().common_name("first").common_name("second").names(),
                ElementsAre("first", "second"));
}

TEST(certificate_names, come_as_utf8_whatever_the_certificate_has) {
    EXPECT_THAT(certificate().common_name("m\xc3\xbcller").names(), ElementsAre("m\xc3\xbcller"));
    EXPECT_THAT(certificate().common_name("m\xfcller", V_ASN1_T61STRING).names(),
                ElementsAre("m\xc3\xbcller"));
    EXPECT_THAT(certificate().common_name(std::string("\0a\0b", 4), V_ASN1_BMPSTRING).names(),
                ElementsAre("ab"));
}

TEST(certificate_names, with_a_nul_in_one_of_them_none_counts) {
    const std::string evil("acme\0.evil.example", 18);
    EXPECT_THAT(certificate().common_name(evil).names(), IsEmpty());
    EXPECT_THAT(certificate().common_name("acme").alternative(GEN_DNS, evil).names(), IsEmpty());
    EXPECT_THAT(certificate().alternative(GEN_URI, evil).alternative(GEN_DNS, "acme").names(), IsEmpty());
    EXPECT_THAT(certificate().common_name("acme").common_name(std::string("\0", 1)).names(), IsEmpty());
}

TEST(certificate_names, an_extension_that_cannot_be_read_gives_no_names) {
    certificate plain;
    std::unique_ptr<X509, decltype(&X509_free)> broken(X509_new(), &X509_free);
    std::unique_ptr<ASN1_OCTET_STRING, decltype(&ASN1_OCTET_STRING_free)> garbage(ASN1_OCTET_STRING_new(),
                                                                                  &ASN1_OCTET_STRING_free);
    ASN1_OCTET_STRING_set(garbage.get(), reinterpret_cast<const unsigned char*>("\x30\x82garbage"), 9);
    std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> extension(
        X509_EXTENSION_create_by_NID(nullptr, NID_subject_alt_name, 0, garbage.get()), &X509_EXTENSION_free);
    X509_add_ext(broken.get(), extension.get(), -1);
    EXPECT_THAT(certificate_names(*broken), IsEmpty());
}

tenant_options with(std::vector<std::string> certificates) {
    tenant_options options;
    options.certificates = std::move(certificates);
    return options;
}

std::optional<std::size_t> who(std::vector<std::string> names) {
    static const certificate_table table(
        {{"a", with({"a.example", "spiffe://x/a"})}, {"b", with({})}, {"c", with({"c"})}});
    return table.tenant_of(names);
}

TEST(certificate_table, one_name_is_enough) {
    EXPECT_EQ(who({"a.example"}), 0u);
    EXPECT_EQ(who({"other", "spiffe://x/a"}), 0u);
    EXPECT_EQ(who({"a.example", "spiffe://x/a"}), 0u);
    EXPECT_EQ(who({"c"}), 2u);
}

TEST(certificate_table, a_name_matches_to_the_letter) {
    for (const std::string name : {"", "A.example", "a.example.", "a", "*.example", "b", "c\n", " c"})
        EXPECT_EQ(who({name}), std::nullopt) << name;
    EXPECT_EQ(who({std::string("c\0", 2)}), std::nullopt);
    EXPECT_EQ(who({}), std::nullopt);
}

TEST(certificate_table, names_of_two_tenants_are_nobodys) {
    EXPECT_EQ(who({"a.example", "c"}), std::nullopt);
    EXPECT_EQ(who({"c", "other", "spiffe://x/a"}), std::nullopt);
}

}  // namespace
}  // namespace weir
