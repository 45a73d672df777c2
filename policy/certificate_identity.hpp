#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "policy/tenant.hpp"

struct x509_st;  // OpenSSL's X509

namespace weir {

/// The names by which a certificate may be a tenant's: the subject's common names, and the DNS and URI names
/// among the subject's alternative ones. None at all when one of them holds a NUL: whoever issued it meant
/// the whole, and a reader that stops there sees another name. Whether the certificate is to be trusted is
/// TLS's to decide, before.
[[nodiscard]] std::vector<std::string> certificate_names(const x509_st& certificate);

/// Which tenant a certificate makes a client. Immutable; all threads may share one.
class certificate_table {
public:
    /// A tenant's index is its place in `tenants`.
    explicit certificate_table(const std::map<std::string, tenant_options>& tenants);

    /// The one tenant of whom one of the names is, to the letter; none when there is none, or more than one.
    [[nodiscard]] std::optional<std::size_t> tenant_of(std::span<const std::string> names) const;

private:
    std::unordered_map<std::string, std::size_t> tenants_by_name_;
};

}  // namespace weir
