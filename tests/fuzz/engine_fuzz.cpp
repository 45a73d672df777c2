// Commands one after the other on one keyspace. Each gives one whole reply; an error has no effects; no collection
// stays that is empty; and the effects alone, run on another keyspace, lead to the same values. Input: for each command
// a byte that names it, then its arguments; 0xff ends an argument, 0xfd the command, 0xfe and a byte stand for a word
// that means something.

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "protocol/buffer.hpp"
#include "protocol/command_table.hpp"
#include "protocol/reply_scanner.hpp"
#include "proxy/fallback/engine/commands.hpp"
#include "tests/fuzz/fuzz_target.hpp"
#include "tests/proxy/fallback/engine/map_keyspace.hpp"

namespace weir::fuzz {
namespace {

using namespace engine;

constexpr std::int64_t now = 1'700'000'000'000;
constexpr std::size_t max_commands = 60;
constexpr std::size_t max_arguments = 24;
constexpr engine_limits limits{4096, 500};

constexpr std::array<std::string_view, 72> known_words{"k1",
                                                       "k2",
                                                       "k3",
                                                       "k4",
                                                       "0",
                                                       "1",
                                                       "2",
                                                       "3",
                                                       "-1",
                                                       "10",
                                                       "9223372036854775807",
                                                       "-9223372036854775808",
                                                       "1.5",
                                                       "inf",
                                                       "-inf",
                                                       "nan",
                                                       "1e308",
                                                       "(1",
                                                       "[a",
                                                       "(b",
                                                       "-",
                                                       "+",
                                                       "a",
                                                       "b",
                                                       "c",
                                                       "*",
                                                       "k*",
                                                       "k*->a",
                                                       "#",
                                                       "nosort",
                                                       "NX",
                                                       "XX",
                                                       "GT",
                                                       "LT",
                                                       "CH",
                                                       "INCR",
                                                       "GET",
                                                       "EX",
                                                       "PX",
                                                       "EXAT",
                                                       "PXAT",
                                                       "KEEPTTL",
                                                       "PERSIST",
                                                       "1700000000001",
                                                       "LEFT",
                                                       "RIGHT",
                                                       "BEFORE",
                                                       "AFTER",
                                                       "COUNT",
                                                       "RANK",
                                                       "MAXLEN",
                                                       "MATCH",
                                                       "TYPE",
                                                       "LIMIT",
                                                       "WITHSCORES",
                                                       "WITHVALUES",
                                                       "BYSCORE",
                                                       "BYLEX",
                                                       "REV",
                                                       "WEIGHTS",
                                                       "AGGREGATE",
                                                       "SUM",
                                                       "MIN",
                                                       "MAX",
                                                       "BY",
                                                       "ALPHA",
                                                       "DESC",
                                                       "STORE",
                                                       "REPLACE",
                                                       "DB",
                                                       "IDX",
                                                       "LEN"};

std::vector<std::string> read_arguments(input_reader& input) {
    std::vector<std::string> all;
    std::string argument;
    while (!input.empty() && all.size() < max_arguments) {
        const unsigned each = input.byte();
        if (each == 0xfd) break;
        if (each == 0xfe) {
            all.emplace_back(known_words[input.byte() % known_words.size()]);
        } else if (each == 0xff) {
            all.push_back(std::exchange(argument, {}));
        } else {
            argument += static_cast<char>(each);
        }
    }
    return all;
}

std::string run_one(const command_row& command, const std::vector<std::string>& words, keyspace& keys,
                    effects* journal, random_source& random) {
    buffer out;
    reply_writer reply(out, words.size() % 2 == 0 ? resp_version::resp2 : resp_version::resp3);
    surroundings around{keys, reply, now, random, journal, limits};
    run(command, std::vector<std::string_view>(words.begin(), words.end()), around);
    return std::string(out.view());
}

void require_one_reply(std::string_view reply) {
    reply_scanner scanner;
    require(scanner.scan(reply) == scan_status::complete, "a command gives a whole reply");
    require(scanner.consumed() == reply.size(), "a command gives one reply");
}

std::vector<std::string> content_of(const string_value& text) { return {text}; }

std::vector<std::string> content_of(const list_value& list) {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < list.size(); ++i) all.push_back(list[i]);
    return all;
}

std::vector<std::string> content_of(const set_value& set) {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < set.size(); ++i) all.push_back(set.member(i));
    std::ranges::sort(all);
    return all;
}

std::vector<std::string> content_of(const sorted_set_value& set) {
    std::vector<std::string> all;
    const auto& order = set.order();
    for (std::size_t i = 0; i < set.size(); ++i) {
        const auto& each = order[order.at_rank(i)];
        require(set.score(each.member) == each.score, "a sorted set's halves agree");
        all.push_back(each.member + " " + std::to_string(each.score));
    }
    return all;
}

std::vector<std::string> content_of(const hash_value& hash) {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < hash.size(); ++i) all.push_back(std::string(hash.field(i)) + " " + hash.value_at(i));
    std::ranges::sort(all);
    return all;
}

/// Everything, in an order of its own; expiry and type are in the key.
std::map<std::string, std::vector<std::string>> content_of(keyspace& keys) {
    std::map<std::string, std::vector<std::string>> all;
    const auto add = [&](std::string_view key, const entry& what) {
        auto content = std::visit([](const auto& held) { return content_of(held); }, what.held);
        require(!content.empty(), "no collection is empty");
        const std::string name =
            std::string(key) + " " + std::string(type_name(what.held)) + " " + std::to_string(what.expires_at);
        all.emplace(name, std::move(content));
    };
    (void)keys.scan(0, std::numeric_limits<std::uint64_t>::max(), now, add);
    return all;
}

}  // namespace
}  // namespace weir::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace weir::fuzz;
    static const auto table = weir::command_table::built_in();
    input_reader input(data, size);
    map_keyspace keys;
    map_keyspace repeated;
    random_source random(1);
    for (std::size_t i = 0; i < max_commands && !input.empty(); ++i) {
        const auto& command = commands()[input.byte() % commands().size()];
        auto words = read_arguments(input);
        words.insert(words.begin(), std::string(command.name.substr(0, command.name.find('|'))));
        if (!table->find_row(command.name)->accepts_argument_count(words.size())) continue;
        effects journal;
        const std::string reply = run_one(command, words, keys, &journal, random);
        require_one_reply(reply);
        require(reply[0] != '-' || journal.operations().empty(), "an error changes nothing");
        for (const auto& operation : journal.operations()) {
            std::string name = operation.words[0];
            std::ranges::transform(name, name.begin(), weir::to_lower);
            auto& database = operation.database == 0 ? repeated : *repeated.sibling(operation.database);
            run_one(*find_command(name), operation.words, database, nullptr, random);
        }
    }
    require(content_of(keys) == content_of(repeated), "the effects lead to the same values");
    return 0;
}
