#include "config/dsn.hpp"

#include <libpq-fe.h>

#include <memory>
#include <string_view>

namespace weir {
namespace {

struct free_options {
    void operator()(PQconninfoOption* owned) const { PQconninfoFree(owned); }
};
using option_list = std::unique_ptr<PQconninfoOption, free_options>;

option_list read(const std::string& dsn) {
    char* message = nullptr;
    option_list options(PQconninfoParse(dsn.c_str(), &message));
    PQfreemem(message);
    return options;
}

bool has(const option_list& options, std::string_view name) {
    for (const PQconninfoOption* each = options.get(); each != nullptr && each->keyword != nullptr; ++each) {
        if (each->keyword == name && each->val != nullptr && *each->val != '\0') return true;
    }
    return false;
}

}  // namespace

std::string dsn_fault(const std::string& dsn) {
    const option_list options = read(dsn);
    // libpq's own words may repeat a part of the DSN, and so a password.
    if (!options) return "is neither postgres://user@host/database nor host=... dbname=...";
    // libpq would look its host's name up while clients wait.
    return has(options, "service") ? "names a service; valid: host and dbname themselves" : "";
}

bool holds_password(const std::string& dsn) { return has(read(dsn), "password"); }

}  // namespace weir
