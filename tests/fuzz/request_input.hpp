#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "protocol/command_table.hpp"
#include "tests/fuzz/fuzz_target.hpp"

namespace weir::fuzz {

/// A request of a known command with arguments out of the input's bytes: 0xff ends an argument, 0xfe and a
/// byte stands for a word that commands take for an option. Empty when the input names no command that weir
/// forwards with that many arguments.
struct request_input {
    const command_spec* command = nullptr;
    std::vector<std::string> words;
};

/// `positional`: only commands that request_stream serves.
[[nodiscard]] request_input read_request(input_reader& input, bool positional);

}  // namespace weir::fuzz
