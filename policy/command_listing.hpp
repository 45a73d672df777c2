#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "policy/reply_interpreter.hpp"
#include "protocol/buffer.hpp"
#include "protocol/command_table.hpp"
#include "protocol/reply_writer.hpp"

namespace weir {

/// What a reply of COMMAND lists. What a tenant may not use is left out, subcommands of what it may use
/// included.
enum class command_listing : std::uint8_t {
    all,    ///< COMMAND, and COMMAND INFO without names
    asked,  ///< COMMAND INFO with names: what is hidden is null, as is what the server does not have
    names,  ///< COMMAND LIST
    docs,   ///< COMMAND DOCS
};

/// What a request of `arguments` arguments lists; nullopt: nothing (COMMAND HELP, GETKEYS, or no COMMAND at
/// all).
[[nodiscard]] std::optional<command_listing> listing_of(const command_spec& command, std::size_t arguments);

/// Whether a tenant may use the command or subcommand (`container|sub`) of this name. A container counts when
/// one of its subcommands does.
[[nodiscard]] bool is_listed(const command_table& table, std::string_view name);
/// How many commands of the table those are; subcommands do not count.
[[nodiscard]] std::size_t count_listed(const command_table& table);

/// Appends what the client gets for a whole reply. An error reply passes as it is. False, with nothing
/// appended, when the bytes are no such listing.
[[nodiscard]] bool filter_listing(std::string_view reply, command_listing kind, resp_version version,
                                  const command_table& table, buffer& out);

/// The same for a reply that comes in pieces. A listing says in front how many elements it has, so it is
/// collected first.
class command_listing_reply final : public reply_interpreter {
public:
    /// All of COMMAND DOCS is 200 KB. Only a request that names the same commands over and over gets more,
    /// and is told that it does not.
    static constexpr std::size_t max_bytes = 8 << 20;

    command_listing_reply(command_listing kind, resp_version version,
                          std::shared_ptr<const command_table> table)
        : kind_(kind), version_(version), table_(std::move(table)) {}

    [[nodiscard]] bool feed(std::string_view piece, bool complete, buffer& out) override;

private:
    command_listing kind_;
    resp_version version_;
    std::shared_ptr<const command_table> table_;
    std::string collected_;
    bool too_long_ = false;
};

}  // namespace weir
