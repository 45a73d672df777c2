#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/buffer.hpp"
#include "protocol/reply_writer.hpp"
#include "proxy/fallback/engine/commands.hpp"
#include "tests/proxy/fallback/engine/map_keyspace.hpp"

namespace weir::engine {

/// Somebody who sends commands to an engine of its own, whose clock is set by hand.
class engine_client {
public:
    /// The reply's bytes; "?" for a command that the engine does not know.
    std::string operator()(std::initializer_list<std::string_view> words) { return send(words); }
    std::string send(const std::vector<std::string_view>& words) {
        std::string name(words.front());
        for (char& each : name) each = to_lower(each);
        if (name == "object") name += "|" + std::string(words[1]);
        const command_row* const row = find_command(name);
        if (row == nullptr) return "?";
        buffer out;
        reply_writer reply(out, version);
        surroundings around{keys, reply, now, random, &journal, limits};
        run(*row, words, around);
        obstacle = around.obstacle;
        return std::string(out.view());
    }

    /// What is in the journal now, each operation as one line; it is empty afterwards.
    std::vector<std::string> journaled() {
        std::vector<std::string> lines;
        for (const auto& operation : journal.operations()) {
            std::string line = operation.database == 0 ? "" : std::to_string(operation.database) + ":";
            for (const auto& word : operation.words) line += (line.empty() ? "" : " ") + word;
            lines.push_back(line);
        }
        journal.clear();
        return lines;
    }

    std::int64_t now = 1'700'000'000'000;
    resp_version version = resp_version::resp2;
    engine_limits limits;
    map_keyspace keys;
    random_source random{1};
    effects journal;
    std::string_view obstacle;  ///< of the last command
};

/// A bulk string as it is sent.
inline std::string bulk(std::string_view text) {
    return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}
inline std::string integer(std::int64_t number) { return ":" + std::to_string(number) + "\r\n"; }
inline std::string array(std::initializer_list<std::string_view> texts) {
    std::string all = "*" + std::to_string(texts.size()) + "\r\n";
    for (const auto text : texts) all += bulk(text);
    return all;
}
inline const std::string ok = "+OK\r\n";
inline const std::string nothing = "$-1\r\n";

}  // namespace weir::engine
