// What reply_scanner finds and reply_rewriter makes of it must not depend on how the bytes are cut; a reply
// that is let through is the reply that came, but for the prefix of its names; no foreign name is let
// through. Input: a rule, how to cut, then the reply.

#include <optional>
#include <string>
#include <vector>

#include "policy/reply_rewriter.hpp"
#include "protocol/ascii.hpp"
#include "protocol/reply_scanner.hpp"
#include "tests/fuzz/fuzz_target.hpp"

namespace weir::fuzz {
namespace {

constexpr std::string_view prefix = "p:";
constexpr std::size_t max_depth = 64;

struct outcome {
    scan_status status = scan_status::need_more;
    std::size_t consumed = 0;
    bool withheld = false;
    std::string sent;  ///< empty when withheld
    bool operator==(const outcome&) const = default;
};

outcome pass(std::string_view input, std::size_t piece_bytes, reply_rule rule) {
    outcome seen;
    reply_scanner scanner;
    reply_rewriter rewriter(rule, prefix);
    buffer out;
    for (std::size_t end = 0; end < input.size() && seen.status == scan_status::need_more;) {
        end = std::min(input.size(), end + piece_bytes);
        const std::string_view shown = input.substr(seen.consumed, end - seen.consumed);
        seen.status = scanner.scan(shown);
        if (seen.status == scan_status::error) return {scan_status::error, 0, false, ""};
        require(scanner.consumed() <= shown.size(), "no more is consumed than was there");
        seen.consumed += scanner.consumed();
        if (!seen.withheld) seen.withheld = !rewriter.feed(shown.substr(0, scanner.consumed()), out);
    }
    if (!seen.withheld) seen.sent = out.view();
    return seen;
}

/// Reads a whole reply again, in another way: recursively, knowing its names. nullopt: it must be withheld.
class oracle {
public:
    oracle(std::string_view input, reply_rule rule) : rest_(input), rule_(rule) {}

    /// Of a reply that reply_scanner found complete, without streamed parts and attributes.
    std::optional<std::string> expected() { return read({}) ? std::optional(text_) : std::nullopt; }
    [[nodiscard]] bool out_of_reach() const { return out_of_reach_; }

private:
    struct place {
        std::size_t depth = 0;  ///< 0: the reply itself
        std::size_t index = 0;  ///< within what surrounds it
        char outer = 0;         ///< the type around it
        char outermost = 0;
    };

    [[nodiscard]] bool is_name(const place& at) const {
        switch (rule_) {
            case reply_rule::plain:
            case reply_rule::script:
                return false;
            case reply_rule::keys:
                return at.depth == 1;
            case reply_rule::scan:
                return at.depth == 2;
            case reply_rule::popped:
                return at.depth == 1 && at.index == 0;
            case reply_rule::streams:
                if (at.outermost == '%') return at.depth == 1 && at.index % 2 == 0;
                return at.depth == 2 && at.index == 0;
            case reply_rule::pairs:
                return at.depth == 1 && at.index % 2 == 0;
            case reply_rule::push_keys:    // pushes are read whole
            case reply_rule::interpreted:  // others read them
                break;
        }
        return false;
    }

    bool read(const place& at) {
        const std::string_view line = rest_.substr(0, rest_.find('\n') + 1);
        rest_.remove_prefix(line.size());
        const char type = line[0];
        const std::string_view number = line.substr(1, line.size() - 3);
        switch (type) {
            case '*':
            case '%':
            case '~':
                return read_elements(at, line, number);
            case '$':
            case '=':
            case '!':
                return read_bytes(at, line, number);
            case '-':
                text_ += strip_prefix_from_error(line, prefix);
                return true;
            case '|':
            case '>':
                out_of_reach_ = true;
                return false;
            default:
                text_ += line;
                return type == '_' || !is_name(at);
        }
    }

    bool read_elements(const place& at, std::string_view line, std::string_view number) {
        const auto count = parse_integer(number);
        if (!count || at.depth == max_depth) {
            out_of_reach_ = true;  // streamed, or too deep for us
            return false;
        }
        if (*count >= 0 && is_name(at)) return false;
        text_ += line;
        const std::size_t elements =
            *count < 0 ? 0 : static_cast<std::size_t>(*count) * (line[0] == '%' ? 2 : 1);
        for (std::size_t i = 0; i < elements; ++i) {
            if (!read({at.depth + 1, i, line[0], at.depth == 0 ? line[0] : at.outermost})) return false;
        }
        return true;
    }

    bool read_bytes(const place& at, std::string_view line, std::string_view number) {
        const auto length = parse_integer(number);
        if (!length) {
            out_of_reach_ = true;
            return false;
        }
        if (*length < 0) {
            text_ += line;
            return true;
        }
        std::string_view body = rest_.substr(0, static_cast<std::size_t>(*length) + 2);
        rest_.remove_prefix(body.size());
        if (!is_name(at)) {
            text_ += line;
        } else {
            if (line[0] != '$' || !body.substr(0, body.size() - 2).starts_with(prefix)) return false;
            body.remove_prefix(prefix.size());
            text_ += "$" + std::to_string(body.size() - 2) + "\r\n";
        }
        text_ += body;
        return true;
    }

    std::string_view rest_;
    reply_rule rule_;
    std::string text_;
    bool out_of_reach_ = false;
};

}  // namespace
}  // namespace weir::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace weir::fuzz;
    input_reader input(data, size);
    const auto rule = static_cast<weir::reply_rule>(input.byte() % 5);
    const std::size_t piece_bytes = 1 + input.byte() % 64;
    const std::string_view bytes = input.rest();
    const outcome whole = pass(bytes, bytes.size() + 1, rule);
    require(pass(bytes, 1, rule) == whole, "a reply that comes byte by byte is passed on like the whole");
    require(pass(bytes, piece_bytes, rule) == whole,
            "a reply that comes in pieces is passed on like the whole");
    if (whole.status != weir::scan_status::complete || rule == weir::reply_rule::plain) return 0;
    oracle expected(bytes.substr(0, whole.consumed), rule);
    const auto text = expected.expected();
    if (expected.out_of_reach()) return 0;
    require(text.has_value() || whole.withheld, "a reply with a foreign name is withheld");
    require(!text.has_value() || !whole.withheld, "a reply with the tenant's own names is let through");
    require(!text.has_value() || *text == whole.sent,
            "a reply loses the prefix of its names and nothing else");
    return 0;
}
