#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "policy/reply_interpreter.hpp"

namespace weir {

/// Passes a reply without names in it on, and shows the whole of it when it is complete.
class observing_reply : public reply_interpreter {
public:
    [[nodiscard]] bool feed(std::string_view piece, bool complete, buffer& out) final;

protected:
    /// A reply of more bytes is not shown, nor is an error. `prefix` outlives the command.
    observing_reply(std::string_view prefix, std::size_t max_bytes) : prefix_(prefix), max_bytes_(max_bytes) {}

    virtual void show(std::string reply) = 0;

private:
    std::string_view prefix_;
    std::size_t max_bytes_;
    std::string seen_;
    bool is_error_ = false;
    bool too_long_ = false;
};

}  // namespace weir
