#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "policy/tenant.hpp"
#include "protocol/command_table.hpp"

namespace weir {

/// Passes on one large request while it arrives, and never holds more of it than one key: finds its arguments, prefixes
/// those that are keys, and gives the rest on as it comes. For commands with positional keys (has_positional_keys).
/// A parser without a socket: feed() says what is to be sent.
class request_stream {
public:
    /// Takes pieces of the rewritten request, in order; each is valid during the call.
    using sink = std::function<void(std::string_view)>;
    enum class status : std::uint8_t { more, complete, error };
    struct progress {
        status result;
        std::size_t consumed;  ///< of the bytes given; all of them but after complete
    };

    request_stream(const command_spec* command, const tenant& owner, std::size_t max_bulk_bytes)
        : command_(command), owner_(owner), max_bulk_bytes_(max_bulk_bytes) {}

    /// The request's bytes from its first on, in any pieces.
    [[nodiscard]] progress feed(std::string_view bytes, const sink& pass_on);

    /// The rest is read to its end but thrown away; `reason` is what the client is to be told then. Happens by itself
    /// for a key that the tenant's long_keys refuse, and for more bytes than its quotas allow.
    void discard(std::string_view reason) {
        command_ = nullptr;
        error_ = reason;
    }
    [[nodiscard]] bool discarding() const { return command_ == nullptr; }
    /// After error: the protocol error. When discarding: the reason.
    [[nodiscard]] const std::string& error_text() const { return error_; }

private:
    [[nodiscard]] bool take_line(std::string_view line, const sink& pass_on);
    [[nodiscard]] bool take_body(std::string_view& bytes, const sink& pass_on);
    void finish_key(const sink& pass_on);
    [[nodiscard]] bool fail(std::string_view text);

    const command_spec* command_;
    const tenant& owner_;
    std::size_t max_bulk_bytes_;
    std::size_t count_ = 0;     ///< arguments in all; 0 before the first line
    std::size_t position_ = 0;  ///< of the current argument
    std::uint64_t announced_bytes_ = 0;  ///< of the request, up to the end of the current argument
    std::uint64_t body_bytes_ = 0;  ///< of the current argument, its line end included
    bool in_body_ = false;
    bool in_key_ = false;
    std::string line_;  ///< the beginning of a header line
    std::string key_;
    std::string error_;
};

}  // namespace weir
