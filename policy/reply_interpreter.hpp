#pragma once

#include <string_view>

#include "protocol/buffer.hpp"

namespace weir {

/// Reads one reply on its way to the client and writes what the client gets instead. One object for one reply.
class reply_interpreter {
public:
    virtual ~reply_interpreter() = default;

    /// A piece of the reply as reply_scanner cut it (header lines whole, bulk strings anywhere); `complete` with the
    /// last one. Appends what the client gets. False: the reply must not be shown, and what was appended is cut in the
    /// middle.
    [[nodiscard]] virtual bool feed(std::string_view piece, bool complete, buffer& out) = 0;

    /// An error line among the replies that lead up to this one (a command that could not be queued, say).
    virtual void take_leading_error(std::string_view /*line*/) {}
};

}  // namespace weir
