#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "policy/script_names.hpp"
#include "protocol/buffer.hpp"
#include "protocol/command_table.hpp"

namespace weir {

/// Strips the tenant's prefix from the names in one reply while it passes, whatever its size. Which elements are
/// names follows from the command that was sent (its reply_rule), never from how the bytes look.
///
/// feed() takes the pieces that reply_scanner consumed: header lines whole, bulk strings cut anywhere.
class reply_rewriter {
public:
    /// `prefix` and `scripts` must outlive this; nullptr: scripts have the names that the server knows.
    reply_rewriter(reply_rule rule, std::string_view prefix, script_names* scripts = nullptr)
        : rule_(rule), prefix_(prefix), scripts_(scripts) {}

    /// Appends to `out`. False when a name lacks the prefix: the reply must not reach the client, what was appended
    /// is cut in the middle, and the session has to be closed.
    [[nodiscard]] bool feed(std::string_view piece, buffer& out);

private:
    struct frame {
        std::uint64_t elements;  ///< a map's keys and values count one each
        std::uint64_t next = 0;  ///< index of the element that comes next
        bool is_map = false;
    };

    [[nodiscard]] bool take_line(std::string_view line, buffer& out);
    [[nodiscard]] bool take_body(std::string_view& piece, buffer& out);
    [[nodiscard]] bool is_name() const;
    void open(std::uint64_t elements, bool is_map);
    void end_element();

    reply_rule rule_;
    std::string_view prefix_;
    script_names* scripts_;
    std::vector<frame> frames_;
    std::uint64_t body_bytes_ = 0;  ///< of the current bulk string, its line end included
    bool in_name_ = false;          ///< the current bulk string's prefix is still to be checked
    std::string name_start_;        ///< what came of it
    std::string name_header_;       ///< what goes out in front once it is checked
};

/// An error line that calls the script it speaks of as the client does: `-… script: <SHA1>, on @user_script:1.`
[[nodiscard]] std::string rename_script_in_error(std::string_view line, script_names& scripts);

/// An error line without any mention of the prefix: server errors quote keys (`-NOGROUP No such key '…'`).
[[nodiscard]] std::string strip_prefix_from_error(std::string_view line, std::string_view prefix);

}  // namespace weir
