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

}  // namespace

std::string dsn_fault(const std::string& dsn) {
    // libpq's own words may repeat a part of the DSN, and so a password.
    return read(dsn) ? "" : "is neither postgres://user@host/database nor host=... dbname=...";
}

bool holds_password(const std::string& dsn) {
    const option_list options = read(dsn);
    for (const PQconninfoOption* each = options.get(); each != nullptr && each->keyword != nullptr; ++each) {
        if (std::string_view(each->keyword) == "password" && each->val != nullptr && *each->val != '\0') return true;
    }
    return false;
}

}  // namespace weir
