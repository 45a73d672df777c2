#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace weir {

/// What goes into a script's text on its way to the server: `text`, in front of the byte at `offset`.
struct script_insertion {
    std::size_t offset = 0;
    std::string_view text;
};

/// A tenant's scripts, which the client knows by other names than the server: the server gets a longer text,
/// and so another SHA1.
class script_names {
public:
    virtual ~script_names() = default;

    /// What the server's text has more than the client's `body`; valid as long as this. From now on the
    /// client may call the script by its SHA1.
    [[nodiscard]] virtual script_insertion take_script(std::string_view body) = 0;

    /// The server's name for what the client calls `name`; for a name that is not known, or none at all, one
    /// that no script has, so that the server says what it would say.
    [[nodiscard]] virtual std::string upstream_name(std::string_view name) = 0;

    /// What the client calls the script that the server calls `name`; the same when it is not known.
    [[nodiscard]] virtual std::string client_name(std::string_view name) = 0;
};

}  // namespace weir
