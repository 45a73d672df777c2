#include "policy/observing_reply.hpp"

#include <utility>

#include "policy/reply_rewriter.hpp"

namespace weir {

bool observing_reply::feed(std::string_view piece, bool complete, buffer& out) {
    if (seen_.empty() && !too_long_) is_error_ = piece.front() == '-';
    if (is_error_) {
        out.append(strip_prefix_from_error(piece, prefix_));
        too_long_ = true;
        return true;
    }
    out.append(piece);
    too_long_ = too_long_ || seen_.size() + piece.size() > max_bytes_;
    if (!too_long_) seen_.append(piece);
    if (complete && !too_long_) show(std::move(seen_));
    return true;
}

}  // namespace weir
