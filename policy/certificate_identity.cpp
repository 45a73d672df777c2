#include "policy/certificate_identity.hpp"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

namespace weir {
namespace {

std::string to_text(const ASN1_STRING& text) {
    const auto* const bytes = reinterpret_cast<const char*>(ASN1_STRING_get0_data(&text));
    return {bytes, static_cast<std::size_t>(ASN1_STRING_length(&text))};
}

/// From whatever character set the certificate has.
std::string to_utf8(const ASN1_STRING& text) {
    unsigned char* bytes = nullptr;
    const int size = ASN1_STRING_to_UTF8(&bytes, &text);
    if (size < 0) return {};
    const std::unique_ptr<unsigned char, void (*)(unsigned char*)> owned(
        bytes, [](unsigned char* allocated) { OPENSSL_free(allocated); });
    return {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

void add_common_names(const X509& certificate, std::vector<std::string>& names) {
    const X509_NAME* const subject = X509_get_subject_name(&certificate);
    for (int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1); at >= 0;
         at = X509_NAME_get_index_by_NID(subject, NID_commonName, at))
        names.push_back(to_utf8(*X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
}

void add_alternative_names(const X509& certificate, std::vector<std::string>& names) {
    const std::unique_ptr<GENERAL_NAMES, void (*)(GENERAL_NAMES*)> alternatives(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)),
        [](GENERAL_NAMES* list) { GENERAL_NAMES_free(list); });
    for (int i = 0; i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
        const GENERAL_NAME* const name = sk_GENERAL_NAME_value(alternatives.get(), i);
        if (name->type == GEN_DNS) names.push_back(to_text(*name->d.dNSName));
        if (name->type == GEN_URI) names.push_back(to_text(*name->d.uniformResourceIdentifier));
    }
}

}  // namespace

std::vector<std::string> certificate_names(const X509& certificate) {
    std::vector<std::string> names;
    add_common_names(certificate, names);
    add_alternative_names(certificate, names);
    for (const auto& name : names)
        if (name.find('\0') != std::string::npos) return {};
    return names;
}

certificate_table::certificate_table(const std::map<std::string, tenant_options>& tenants) {
    std::size_t index = 0;
    for (const auto& [name, options] : tenants) {
        for (const auto& certificate : options.certificates) tenants_by_name_.emplace(certificate, index);
        ++index;
    }
}

std::optional<std::size_t> certificate_table::tenant_of(std::span<const std::string> names) const {
    std::optional<std::size_t> whose;
    for (const auto& name : names) {
        const auto found = tenants_by_name_.find(name);
        if (found == tenants_by_name_.end()) continue;
        if (whose && *whose != found->second) return std::nullopt;
        whose = found->second;
    }
    return whose;
}

}  // namespace weir
