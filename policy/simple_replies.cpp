#include "policy/simple_replies.hpp"

#include "policy/reply_rewriter.hpp"

namespace weir {

bool replaced_success::feed(std::string_view piece, bool complete, buffer& out) {
    refused_ = refused_ || piece.front() == '-';
    if (refused_) {
        out.append(strip_prefix_from_error(piece, prefix_));
    } else if (complete) {
        out.append(bytes_);
    }
    return true;
}

bool observed_reply::feed(std::string_view piece, bool complete, buffer& out) {
    if (type_ == 0) type_ = piece.front();
    if (complete) tell_(type_ != '-');
    if (type_ == '-') {
        out.append(strip_prefix_from_error(piece, prefix_));
    } else {
        out.append(piece);
    }
    return true;
}

}  // namespace weir
