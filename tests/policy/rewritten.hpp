#pragma once

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "policy/key_rewriter.hpp"
#include "protocol/request_parser.hpp"
#include "tests/support/request_text.hpp"

namespace weir::test {

using words = std::vector<std::string>;

/// A row of the built-in table, as `get` or `object|encoding`.
inline const command_spec& row(std::string_view name) {
    const std::size_t bar = name.find('|');
    const auto table = command_table::built_in();
    const command_spec* found = table->find(name.substr(0, bar));
    if (bar != std::string_view::npos) found = table->find_subcommand(*found, name.substr(bar + 1));
    if (found == nullptr) throw std::invalid_argument(std::string(name));
    return *found;
}

inline tenant_options with_prefix(std::string prefix) {
    tenant_options options;
    options.prefix = std::move(prefix);
    return options;
}

/// What the server gets for a request, or what keeps it from being sent.
struct result {
    rewrite_status status;
    words sent;
    bool operator==(const result&) const = default;
};

inline void PrintTo(const result& value, std::ostream* to) {
    *to << "status " << static_cast<int>(value.status) << ' ' << testing::PrintToString(value.sent);
}

inline result rewritten(const command_spec& command, const words& request,
                        const tenant_options& options = with_prefix("p:")) {
    const tenant owner("acme", options);
    const request_text text(request);
    key_rewriter rewriter;
    buffer out;
    out.append("before");
    const rewrite_status status = rewriter.rewrite(text.view(), command, owner, out);
    const std::string_view sent = out.view().substr(6);
    EXPECT_EQ(out.view().substr(0, 6), "before");
    if (status != rewrite_status::ok) {
        EXPECT_EQ(sent, "") << "nothing half-rewritten";
        return {status, {}};
    }
    request_parser parser;
    EXPECT_EQ(parser.parse(sent, {}), parse_status::complete);
    EXPECT_EQ(parser.consumed(), sent.size());
    return {status, words_of(parser.request(sent))};
}

/// The request's first word names its row.
inline result rewritten(const words& request, const tenant_options& options = with_prefix("p:")) {
    return rewritten(row(request[0]), request, options);
}

inline result sent(words expected) {
    return {rewrite_status::ok, std::move(expected)};
}

}  // namespace weir::test
