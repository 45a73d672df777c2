#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "policy/fallback_rules.hpp"
#include "policy/tenant.hpp"
#include "protocol/arguments.hpp"
#include "protocol/buffer.hpp"
#include "protocol/command_table.hpp"
#include "protocol/reply_writer.hpp"

namespace weir {

struct fallback_job;
class tenant_account;

/// Whoever has commands answered without the upstream. Stays alive until each of its jobs has come back.
class fallback_client {
public:
    /// On its worker's thread.
    virtual void take_fallback(fallback_job& job) = 0;

protected:
    ~fallback_client() = default;
};

/// Commands of one client that are answered without the upstream, in their order. Made on a worker's thread, run on the
/// fallback's, and given back.
struct fallback_job {
    struct command {
        std::string_view name;  ///< of its row in the built-in command table; valid for ever
        std::size_t first_word = 0;
        std::size_t words = 0;
        bool writes = false;
        bool literal = false;  ///< no command: its one word is a reply that stands in this place already
    };
    struct word {
        std::size_t begin = 0;
        std::size_t size = 0;
    };
    enum class outcome : std::uint8_t {
        answered,  ///< `replies` has one for each command; for a transaction one in all
        returned,  ///< nothing was done: the breaker has closed, and the commands are for the upstream
    };

    fallback_client* from = nullptr;
    std::size_t worker = 0;  ///< whose thread it goes back to
    std::shared_ptr<const tenant> whose;
    int database = 0;
    resp_version version = resp_version::resp2;
    bool transaction = false;  ///< the commands between MULTI and EXEC: nothing comes between them, one array is the reply
    fallback_place place = fallback_place::stores;
    std::string text;          ///< all words, one after the other: keys as the client named them
    std::vector<word> words;
    std::vector<command> commands;

    outcome result = outcome::answered;
    buffer replies;
    std::size_t performed = 0;   ///< commands, literals included, that `replies` answers: not all when these grew too long
    bool overflowed = false;     ///< a reply asks for the same values again and again; it is not whole
    std::size_t answered_by_memory = 0;  ///< commands, as are the next three
    std::size_t answered_by_postgres = 0;
    std::size_t answered_empty = 0;      ///< by last_resort
    std::size_t refused = 0;             ///< with a -FALLBACK error

    [[nodiscard]] std::string_view text_of(std::size_t index) const {
        return std::string_view(text).substr(words[index].begin, words[index].size);
    }
    /// As the client sent it.
    void add_command(const arguments& request, const command_spec& row) {
        commands.push_back({row.name, words.size(), request.size(), row.has(command_flag::write)});
        for (std::size_t i = 0; i < request.size(); ++i) add_word(request[i]);
    }
    void add_literal(std::string_view reply) {
        commands.push_back({{}, words.size(), 1, false, true});
        add_word(reply);
    }
    void add_word(std::string_view bytes) {
        words.push_back({text.size(), bytes.size()});
        text.append(bytes);
    }
};

}  // namespace weir
