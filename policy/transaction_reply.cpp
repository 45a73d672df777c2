#include "policy/transaction_reply.hpp"

#include "protocol/ascii.hpp"
#include "protocol/reply_writer.hpp"

namespace weir {

bool transaction_reply::feed(std::string_view piece, bool /*complete*/, buffer& out) {
    if (!header_taken_) {
        const std::string_view line = piece.substr(0, piece.find('\n') + 1);
        if (!take_header(line, out)) return false;
        piece.remove_prefix(line.size());
    }
    while (!piece.empty()) {
        if (element_ == queued_.size()) return false;
        const auto status = scanner_.scan(piece);
        const std::string_view taken = piece.substr(0, scanner_.consumed());
        if (status == scan_status::error || taken.empty()) return false;
        const bool ended = status == scan_status::complete;
        if (!take_element_piece(taken, ended, out)) return false;
        if (ended) ++element_;
        piece.remove_prefix(taken.size());
    }
    return true;
}

void transaction_reply::take_leading_error(std::string_view line) {
    if (refusal_.empty()) refusal_ = strip_prefix_from_error(line.substr(1, line.size() - 3), prefix_);
}

bool transaction_reply::take_header(std::string_view line, buffer& out) {
    header_taken_ = true;
    if (line.front() == '-') {
        if (refusal_.empty()) {
            out.append(strip_prefix_from_error(line, prefix_));
        } else {
            reply_writer(out, resp_version::resp2).error("EXECABORT Transaction discarded because of: " + refusal_);
        }
        queued_.clear();
        return true;
    }
    out.append(line);
    constexpr long long no_number = -2;
    const long long count = line.size() > 3 ? parse_integer(line.substr(1, line.size() - 3)).value_or(no_number) : no_number;
    const bool null = line.front() == '_' || (line.front() == '*' && count == -1);
    if (null) queued_.clear();
    return null || (line.front() == '*' && count >= 0 && static_cast<std::size_t>(count) == queued_.size());
}

bool transaction_reply::take_element_piece(std::string_view piece, bool complete, buffer& out) {
    const queued_reply& queued = queued_[element_];
    if (queued.interpreter) return queued.interpreter->feed(piece, complete, out);
    if (!rewriter_) rewriter_.emplace(queued.rule, prefix_, scripts_);
    bool safe = true;
    if (!is_without_names(queued.rule) || scanner_.is_error()) {
        safe = rewriter_->feed(piece, out);
    } else {
        out.append(piece);
    }
    if (complete) rewriter_.reset();
    return safe;
}

}  // namespace weir
