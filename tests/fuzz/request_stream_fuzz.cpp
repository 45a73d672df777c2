// A request passed on while it arrives must leave as the same bytes as one rewritten whole. Input: what the
// tenant does with long keys, how to cut, then either a command with its arguments or bytes as they come.

#include "policy/key_rewriter.hpp"
#include "protocol/errors.hpp"
#include "protocol/request_parser.hpp"
#include "proxy/request_stream.hpp"
#include "tests/fuzz/request_input.hpp"
#include "tests/support/request_text.hpp"

namespace weir::fuzz {
namespace {

using status = request_stream::status;

constexpr std::size_t max_bulk_bytes = 1 << 20;

struct outcome {
    status result = status::more;
    std::size_t consumed = 0;
    bool discarding = false;
    std::string error;
    std::string passed_on;
};

outcome stream(std::string_view input, std::size_t piece_bytes, const command_spec& command,
               const tenant& owner) {
    outcome seen;
    request_stream streaming(&command, owner, max_bulk_bytes);
    const auto pass_on = [&](std::string_view piece) { seen.passed_on += piece; };
    while (seen.consumed < input.size() && seen.result == status::more) {
        const auto [result, consumed] = streaming.feed(input.substr(seen.consumed, piece_bytes), pass_on);
        seen.result = result;
        seen.consumed += consumed;
    }
    seen.discarding = streaming.discarding();
    seen.error = streaming.error_text();
    return seen;
}

void check_request(const request_input& request, std::size_t piece_bytes, const tenant& owner) {
    const test::request_text text(request.words);
    const outcome seen = stream(text.raw() + "*1\r\n", piece_bytes, *request.command, owner);
    require(seen.result == status::complete && seen.consumed >= text.raw().size(),
            "a request is read to its end");
    key_rewriter rewriter;
    buffer out;
    if (rewriter.rewrite(text.view(), *request.command, owner, out) == rewrite_status::ok) {
        require(!seen.discarding, "what can be rewritten is passed on");
        require(seen.passed_on == out.view(), "what is passed on is what rewriting it whole gives");
    } else {
        require(seen.discarding && seen.error == errors::key_too_long,
                "what cannot be rewritten is thrown away");
    }
}

void check_bytes(std::string_view bytes, std::size_t piece_bytes, const tenant& owner) {
    static const command_spec& command = *command_table::built_in()->find("mset");
    const outcome whole = stream(bytes, bytes.size() + 1, command, owner);
    for (const std::size_t cut : {piece_bytes, std::size_t{1}}) {
        const outcome seen = stream(bytes, cut, command, owner);
        require(seen.result == whole.result && seen.error == whole.error, "pieces are judged like the whole");
        if (seen.result == status::error) continue;
        require(seen.passed_on == whole.passed_on, "of pieces the same is passed on as of the whole");
    }
    request_parser parser;
    request_limits limits;
    limits.max_bulk_bytes = max_bulk_bytes;
    if (!bytes.starts_with('*') || parser.parse(bytes, limits) != parse_status::complete) return;
    if (parser.request(bytes).size() == 0) return;
    require(whole.result == status::complete && whole.consumed == parser.consumed(),
            "both find the same end");
}

}  // namespace
}  // namespace weir::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace weir::fuzz;
    input_reader input(data, size);
    const unsigned choice = input.byte();
    weir::tenant_options options;
    options.long_keys = {4, static_cast<weir::long_key_action>(choice % 3)};
    const weir::tenant owner("acme", options);
    const std::size_t piece_bytes = 1 + input.byte() % 64;
    if (choice & 128) {
        check_bytes(input.rest(), piece_bytes, owner);
    } else if (const request_input request = read_request(input, true); request.command != nullptr) {
        check_request(request, piece_bytes, owner);
    }
    return 0;
}
