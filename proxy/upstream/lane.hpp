#pragma once

#include <compare>
#include <memory>

#include "protocol/reply_writer.hpp"

namespace weir {

class tenant;

/// What an upstream connection is set to. Replies pass through untranslated, so a session needs a connection of its own
/// protocol version and database.
struct lane {
    resp_version version = resp_version::resp2;
    int database = 0;
    /// Logged in as the user that is confined to this tenant's keys, for scripts; nullptr: as weir's own.
    /// A tenant that is configured anew is another one, whose scripts may do other things.
    std::shared_ptr<const tenant> confined_to = nullptr;
    auto operator<=>(const lane&) const = default;
};

/// Of the server, as far as it decides what weir may ask of it. Zero: not known.
struct server_version {
    int major = 0;
    int minor = 0;
    int patch = 0;
    auto operator<=>(const server_version&) const = default;
};

}  // namespace weir
