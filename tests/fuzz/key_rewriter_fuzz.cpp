// Whatever the arguments: every name that the server finds in a rewritten request begins with the tenant's
// prefix, and what the server would have found in the original differs by that prefix alone. Input: a
// command, then its arguments.

#include <strings.h>

#include <algorithm>

#include "policy/key_rewriter.hpp"
#include "protocol/request_parser.hpp"
#include "tests/fuzz/request_input.hpp"
#include "tests/fuzz/server_view.hpp"
#include "tests/support/request_text.hpp"

namespace weir::fuzz {
namespace {

using words = std::vector<std::string>;

words rewritten_words(const buffer& out) {
    request_parser parser;
    require(parser.parse(out.view(), {}) == parse_status::complete, "a rewritten request is a request");
    require(parser.consumed() == out.size(), "a rewritten request is one request");
    return test::words_of(parser.request(out.view()));
}

std::string_view expected_prefix(const command_spec& command, const tenant& owner) {
    const bool pattern =
        command.request == request_rule::keys_pattern || command.request == request_rule::scan;
    return pattern ? owner.prefix_pattern() : owner.prefix();
}

void check_confined(const command_spec& command, const words& sent, std::string_view prefix) {
    const auto names = server_names(command, sent);
    if (!names) return;
    if (command.request == request_rule::scan) require(!names->empty(), "SCAN is sent with a MATCH");
    for (const std::size_t name : *names) {
        require(sent[name].starts_with(prefix), "every name the server finds begins with the prefix");
    }
}

/// Redis' own key specification takes the first STREAMS behind the third argument, although groups and
/// consumers may have that name; what we make of such a request is safe, yet no longer the same.
bool names_a_group_streams(const command_spec& command, const words& request) {
    return command.name == "xreadgroup" && std::ranges::count_if(request, [](const std::string& word) {
                                               return ::strcasecmp(word.c_str(), "streams") == 0;
                                           }) > 1;
}

/// `BY x` and `GET #` with a NUL behind them name no key to the server; they get the prefix all the same,
/// which is safe.
bool has_nul(const words& request) {
    return std::ranges::any_of(request,
                               [](const std::string& word) { return word.find('\0') != std::string::npos; });
}

void check_same(const command_spec& command, words original, const words& sent, std::string_view prefix) {
    const auto names = server_names(command, original);
    if (!names || command.request == request_rule::scan || names_a_group_streams(command, original)) return;
    if (command.request == request_rule::sort && has_nul(original)) return;
    for (const std::size_t name : *names) original[name].insert(0, prefix);
    require(sent == original, "nothing but the names changes");
}

}  // namespace
}  // namespace weir::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace weir::fuzz;
    static const weir::tenant owner("a?[b]", {});
    input_reader input(data, size);
    const request_input request = read_request(input, false);
    if (request.command == nullptr) return 0;
    const weir::test::request_text text(request.words);
    weir::key_rewriter rewriter;
    weir::buffer out;
    if (rewriter.rewrite(text.view(), *request.command, owner, out) != weir::rewrite_status::ok) {
        require(out.empty(), "of a request that is refused nothing is sent");
        return 0;
    }
    const words sent = rewritten_words(out);
    const std::string_view prefix = expected_prefix(*request.command, owner);
    check_confined(*request.command, sent, prefix);
    check_same(*request.command, request.words, sent, prefix);
    return 0;
}
