#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "policy/reply_interpreter.hpp"

namespace weir {

/// Passes a reply without names in it on, and shows the whole of it when it is complete.
class observing_reply final : public reply_interpreter {
public:
    using listener = std::function<void(std::string reply)>;

    /// A reply of more bytes is not shown, nor is an error. `prefix` and the listener outlive the command.
    observing_reply(std::string_view prefix, std::size_t max_bytes, listener show)
        : prefix_(prefix), max_bytes_(max_bytes), show_(std::move(show)) {}
    [[nodiscard]] bool feed(std::string_view piece, bool complete, buffer& out) override;

private:
    std::string_view prefix_;
    std::size_t max_bytes_;
    listener show_;
    std::string seen_;
    bool is_error_ = false;
    bool too_long_ = false;
};

}  // namespace weir
