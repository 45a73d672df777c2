// A request parser must understand the same whether bytes come whole or in pieces, and an array request must
// be its own canonical spelling, as key_rewriter and argument positions rely on it. Input: how to cut, which
// limits, then the bytes.

#include <string>
#include <vector>

#include "protocol/request_parser.hpp"
#include "tests/fuzz/fuzz_target.hpp"
#include "tests/support/request_text.hpp"

namespace weir::fuzz {
namespace {

struct outcome {
    std::vector<std::vector<std::string>> requests;
    std::string error;
    bool operator==(const outcome&) const = default;
};

void check_request(const request_parser& parser, std::string_view bytes) {
    const arguments request = parser.request(bytes);
    require(parser.consumed() <= bytes.size(), "no more is consumed than was there");
    if (request.size() == 0) return;
    require(request.raw() == test::request_text(test::words_of(request)).raw(),
            "a request is its canonical spelling");
    for (std::size_t i = 0; i < request.size(); ++i) {
        require(request.raw()[request.header_offset(i)] == '$',
                "an argument's header stands where it is said to");
    }
}

/// What a connection understands of bytes that come in pieces of `piece_bytes`.
outcome understood(std::string_view input, std::size_t piece_bytes, const request_limits& limits) {
    outcome seen;
    request_parser parser;
    std::size_t used = 0;
    for (std::size_t end = 0; end < input.size() && seen.error.empty();) {
        end = std::min(input.size(), end + piece_bytes);
        while (used < end) {
            const std::string_view shown = input.substr(used, end - used);
            const parse_status status = parser.parse(shown, limits);
            if (status == parse_status::need_more) break;
            if (status == parse_status::error) {
                seen.error = parser.error_text();
                break;
            }
            check_request(parser, shown);
            seen.requests.push_back(test::words_of(parser.request(shown)));
            used += parser.consumed();
            parser.reset();
        }
    }
    return seen;
}

}  // namespace
}  // namespace weir::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace weir::fuzz;
    input_reader input(data, size);
    const std::size_t piece_bytes = 1 + input.byte() % 64;
    const unsigned choice = input.byte();
    weir::request_limits limits;
    limits.authenticated = choice & 1;
    if (choice & 2) limits.max_bulk_bytes = 16;
    if (choice & 4) limits.max_request_bytes = 64;
    // Without their end, lines over 64 KiB are refused; with it they may come whole.
    const std::string_view bytes = input.rest().substr(0, weir::request_parser::max_inline_bytes);
    const outcome whole = understood(bytes, bytes.size() + 1, limits);
    require(understood(bytes, 1, limits) == whole,
            "bytes that come one by one are understood like the whole");
    require(understood(bytes, piece_bytes, limits) == whole,
            "bytes that come in pieces are understood like the whole");
    return 0;
}
