#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/reply_interpreter.hpp"
#include "policy/reply_rewriter.hpp"
#include "protocol/command_table.hpp"
#include "protocol/reply_scanner.hpp"

namespace weir {

/// How one queued command's reply is to be read; its place in EXEC's array is its place in the queue.
struct queued_reply {
    reply_rule rule = reply_rule::plain;
    std::unique_ptr<reply_interpreter> interpreter;  ///< set: instead of the rule
};

/// EXEC's reply: an array with one reply for each queued command, each with names of its own; null when a watched key
/// has changed; or an error, and then nothing was done.
///
///     *2 CRLF | :1 CRLF | *2 CRLF $9 CRLF prefix:k CRLF $1 CRLF v CRLF
///     header    element   element
class transaction_reply final : public reply_interpreter {
public:
    /// `prefix` and `scripts` must outlive this; nullptr: scripts have the names that the server knows. `kept` is let go when
    /// the transaction has ended.
    transaction_reply(std::vector<queued_reply> queued, std::string_view prefix, script_names* scripts = nullptr,
                      std::shared_ptr<void> kept = nullptr)
        : queued_(std::move(queued)), prefix_(prefix), scripts_(scripts), kept_(std::move(kept)) {}

    [[nodiscard]] bool feed(std::string_view piece, bool complete, buffer& out) override;
    /// Why the server would not queue a command that we had queued: EXEC says it then.
    void take_leading_error(std::string_view line) override;

private:
    [[nodiscard]] bool take_header(std::string_view line, buffer& out);
    [[nodiscard]] bool take_element_piece(std::string_view piece, bool complete, buffer& out);

    std::vector<queued_reply> queued_;
    std::string_view prefix_;
    script_names* scripts_;
    std::shared_ptr<void> kept_;
    std::string refusal_;
    bool header_taken_ = false;
    std::size_t element_ = 0;
    reply_scanner scanner_;
    std::optional<reply_rewriter> rewriter_;  ///< of the current element
};

}  // namespace weir
