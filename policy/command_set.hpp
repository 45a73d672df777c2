#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
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
///     get  config|get          a command, a subcommand; a container (`config`) means itself and all of its subcommands
///     json.get                 a module's command (its name has a dot): no table of ours can say whether there is one
///
/// With `-` in front a word takes away; with `+` or nothing it adds. Case does not matter.
class command_set {
public:
    /// The empty set.
    command_set() = default;
    /// Words of which fault() is empty.
    explicit command_set(std::span<const std::string> words);

    /// Why a word is none (an unknown category, command or subcommand), and what would be valid; empty when it is one.
    /// Begins with a verb, to stand behind the word, which it does not repeat.
    [[nodiscard]] static std::string fault(std::string_view word);

    /// How exactly a word says which command it means: 0 everything, 1 a category, 2 a container or command, 3 a subcommand.
    [[nodiscard]] static int exactness(std::string_view word);

    /// One load and a mask for built-in commands; of those learned from a server, only words can tell.
    [[nodiscard]] bool contains(const command_spec& command) const {
        if (command.number >= compiled_rows) return judge(command);
        return (by_number_[command.number / word_bits] >> command.number % word_bits & 1) != 0;
    }

private:
    static constexpr std::size_t word_bits = 64;
    /// Room for all built-in rows, in the set itself: no pointer to follow. Rows beyond it would be judged by words.
    static constexpr std::size_t compiled_rows = 512;

    struct rule {
        enum class kind : std::uint8_t { all, category, name };
        kind means = kind::all;
        bool adds = true;
        std::uint32_t category = 0;
        std::string name;  ///< lower case

        explicit rule(std::string_view word);
        [[nodiscard]] bool concerns(const command_spec& command) const;
    };

    [[nodiscard]] bool judge(const command_spec& command) const;

    std::array<std::uint64_t, compiled_rows / word_bits> by_number_{};
    std::vector<rule> rules_;
};

}  // namespace weir
