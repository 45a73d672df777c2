#include "proxy/request_stream.hpp"

#include <algorithm>

#include "policy/key_rewriter.hpp"
#include "protocol/ascii.hpp"
#include "protocol/command_keys.hpp"
#include "protocol/errors.hpp"
#include "protocol/request_parser.hpp"

namespace weir {

request_stream::progress request_stream::feed(std::string_view bytes, const sink& pass_on) {
    const std::size_t given = bytes.size();
    while (!bytes.empty()) {
        if (in_body_) {
            if (!take_body(bytes, pass_on)) return {status::error, given};
            if (!in_body_ && position_ == count_) return {status::complete, given - bytes.size()};
            continue;
        }
        const auto end = bytes.find('\n');
        line_ += bytes.substr(0, end == std::string_view::npos ? end : end + 1);
        bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
        if (end == std::string_view::npos) {
            if (line_.size() > request_parser::max_inline_bytes && !fail("too big bulk count string")) {
                return {status::error, given};
            }
            break;
        }
        if (!take_line(line_, pass_on)) return {status::error, given};
        line_.clear();
    }
    return {status::more, given};
}

bool request_stream::take_line(std::string_view line, const sink& pass_on) {
    const bool first = count_ == 0;
    const char wanted = first ? '*' : '$';
    if (line[0] != wanted) return fail(std::string("expected '$', got '") + line[0] + "'");
    const bool ends_well = line.size() > 2 && line[line.size() - 2] == '\r';
    const auto number = ends_well ? parse_integer(line.substr(1, line.size() - 3)) : std::nullopt;
    if (first) {
        if (!number || *number <= 0) return fail("invalid multibulk length");
        count_ = static_cast<std::size_t>(*number);
        announced_bytes_ = line.size();
        if (!discarding()) pass_on(line);
        return true;
    }
    if (!number || *number < 0 || *number > static_cast<std::int64_t>(max_bulk_bytes_)) {
        return fail("invalid bulk length");
    }
    body_bytes_ = static_cast<std::uint64_t>(*number) + 2;
    in_body_ = true;
    announced_bytes_ += line.size() + body_bytes_;
    const auto& quota = owner_.rules().quotas().max_request_bytes;
    if (quota && announced_bytes_ > *quota && !discarding()) discard(errors::request_too_long(*quota));
    in_key_ = !discarding() && is_positional_key(*command_, position_, count_);
    if (!discarding() && !in_key_) pass_on(line);
    return true;
}

bool request_stream::take_body(std::string_view& bytes, const sink& pass_on) {
    const std::string_view body = bytes.substr(0, std::min<std::uint64_t>(body_bytes_, bytes.size()));
    bytes.remove_prefix(body.size());
    body_bytes_ -= body.size();
    if (body_bytes_ < 2) {
        // The last bytes are the line end; they may come one by one.
        const std::string_view end = std::string_view("\r\n").substr(0, 2 - body_bytes_);
        const std::string_view seen = body.substr(body.size() - std::min(body.size(), end.size()));
        if (!end.ends_with(seen)) return fail("expected CRLF behind a bulk string");
    }
    if (in_key_) {
        key_ += body;
    } else if (!discarding()) {
        pass_on(body);
    }
    if (body_bytes_ > 0) return true;
    in_body_ = false;
    ++position_;
    if (in_key_ && !discarding()) finish_key(pass_on);
    return true;
}

void request_stream::finish_key(const sink& pass_on) {
    key_.resize(key_.size() - 2);
    const std::string rewritten = rewrite_key(key_, owner_);
    key_.clear();
    if (rewritten.empty()) return discard(errors::key_too_long);
    pass_on("$" + std::to_string(rewritten.size()) + "\r\n" + rewritten + "\r\n");
}

bool request_stream::fail(std::string_view text) {
    error_ = "ERR Protocol error: " + std::string(text);
    return false;
}

}  // namespace weir
