#include "tests/fuzz/request_input.hpp"

#include <algorithm>
#include <array>

#include "protocol/command_keys.hpp"

namespace weir::fuzz {

namespace {

using namespace std::string_view_literals;

constexpr std::array option_words = {
    "STORE"sv, "STOREDIST"sv, "COUNT"sv, "GET"sv, "BY"sv,       "LIMIT"sv, "STREAMS"sv,
    "MATCH"sv, "GROUP"sv,     "1"sv,     "2"sv,   "#"sv,        "ASC"sv,   "ALPHA"sv,
    "TYPE"sv,  "NOACK"sv,     "BLOCK"sv, "ANY"sv, "WITHDIST"sv, "m"sv,
};

const std::vector<const command_spec*>& forwarded_commands() {
    static const std::vector<const command_spec*> commands = [] {
        std::vector<const command_spec*> found;
        for (const command_spec* command : command_table::built_in()->rows()) {
            if (command->route == command_route::forward && !command->container) found.push_back(command);
        }
        return found;
    }();
    return commands;
}

/// Half of the choices go to the commands that have more to them than places.
const command_spec* choose_command(unsigned choice, bool positional) {
    static constexpr std::array special = {"sort",  "sort_ro", "georadius",  "georadiusbymember",
                                           "scan",  "xread",   "xreadgroup", "zunionstore",
                                           "lmpop", "keys"};
    const auto& commands = forwarded_commands();
    if (positional || choice < 128) return commands[choice % commands.size()];
    return command_table::built_in()->find(special[choice % special.size()]);
}

std::vector<std::string> read_words(std::string_view bytes) {
    std::vector<std::string> words(1);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const auto byte = static_cast<unsigned char>(bytes[i]);
        if (byte == 0xff) {
            words.emplace_back();
        } else if (byte == 0xfe && i + 1 < bytes.size()) {
            words.back() += option_words[static_cast<unsigned char>(bytes[++i]) % option_words.size()];
        } else {
            words.back() += bytes[i];
        }
    }
    return words;
}

}  // namespace

request_input read_request(input_reader& input, bool positional) {
    const unsigned choice = input.byte();
    const command_spec* command =
        choose_command(choice + (positional ? 256 * (input.byte() % 2) : 0), positional);
    if (positional && !has_positional_keys(*command)) return {};
    request_input request{command, {std::string(command->name)}};
    if (const auto bar = command->name.find('|'); bar != std::string_view::npos) {
        request.words = {std::string(command->name.substr(0, bar)),
                         std::string(command->name.substr(bar + 1))};
    }
    for (std::string& word : read_words(input.rest())) request.words.push_back(std::move(word));
    if (!command->accepts_argument_count(request.words.size())) return {};
    return request;
}

}  // namespace weir::fuzz
