#pragma once

#include "protocol/buffer.hpp"
#include "protocol/reply_writer.hpp"
#include "proxy/session.hpp"

namespace weir {

/// Collects a reply, then sends it in its turn.
class local_answer {
public:
    explicit local_answer(session& client) : client_(client), writer_(out_, client.client().version) {}
    ~local_answer() { client_.reply(out_); }
    local_answer(const local_answer&) = delete;
    local_answer& operator=(const local_answer&) = delete;
    reply_writer* operator->() { return &writer_; }
    [[nodiscard]] reply_writer& writer() { return writer_; }

private:
    session& client_;
    buffer out_;
    reply_writer writer_;
};

}  // namespace weir
