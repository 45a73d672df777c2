#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/command_table.hpp"

namespace weir {

/// A set of commands by words in the manner of Redis' ACL (https://redis.io/docs/management/security/acl/), read from
/// left to right, each adding to or taking from what stands before it:
///
///     *  @all  allcommands     every command          nocommands   none
///     @read                    a category
///     get  config|get          a command, a subcommand; a container (`config`) means all of its subcommands
///
/// With `-` in front a word takes away; with `+` or nothing it adds. Case does not matter.
class command_set {
public:
    /// The empty set.
    command_set() = default;
    /// Words of which fault() is empty.
    explicit command_set(std::span<const std::string> words);

    /// Why a word is none: an unknown category, command or subcommand; empty when it is one.
    [[nodiscard]] static std::string fault(std::string_view word);

    /// One load and a mask for built-in commands; of those learned from a server, only words can tell.
    [[nodiscard]] bool contains(const command_spec& command) const;
private:
    std::vector<bool> by_number_;
    std::vector<std::string> words_;  ///< lower case; for commands that were learned
};

}  // namespace weir
