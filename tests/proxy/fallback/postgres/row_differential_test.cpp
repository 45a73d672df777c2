// The engine over rows against the engine over a map: the same random commands, the same random numbers, the same bytes.
// WEIR_ENGINE_SECONDS sets how long (10 otherwise), WEIR_ENGINE_SEED repeats a run.

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <limits>

#include "proxy/fallback/engine/commands.hpp"
#include "tests/proxy/fallback/engine/differential/command_generator.hpp"
#include "tests/proxy/fallback/engine/differential/reply_tree.hpp"
#include "tests/proxy/fallback/engine/map_keyspace.hpp"
#include "tests/proxy/fallback/postgres/store_world.hpp"

namespace weir::pg::test {
namespace {

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
    const char* const text = std::getenv(name);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class row_differential {
public:
    explicit row_differential(std::uint64_t seed) : random_(seed), generator_(seed) {}

    void step() {
        world_.version = random_() % 2 == 0 ? resp_version::resp2 : resp_version::resp3;
        if (random_() % 300 == 0) {
            keys_.clear_all();
            world_.ask({"FLUSHALL"});
        }
        const auto commands = make_job();
        const std::uint64_t numbers = random_();
        const bool transaction = commands.size() > 1 && random_() % 2 == 0;
        const std::string expected = on_map(commands, transaction, numbers);
        world_.runner.random().seed(numbers);
        const std::string got = world_.ask(world_.job(commands, transaction));
        total_ += commands.size();
        if (!agree(commands, expected, got)) report(commands, expected, got);
        world_.now += static_cast<std::int64_t>(random_() % (random_() % 20 == 0 ? 5'000 : 50));
    }

    [[nodiscard]] std::size_t total() const { return total_; }
    [[nodiscard]] std::size_t differences() const { return differences_; }

private:
    /// Those whose replies, or whose use of random numbers, depend on the order of keys in a keyspace stand alone. SORT does
    /// so because it makes a sorted set large for good, without writing it.
    static bool stands_alone(const request& words) {
        static constexpr std::array alone{"keys", "dbsize", "randomkey", "sort", "sort_ro"};
        return std::ranges::any_of(alone, [&](const char* name) { return equals_ignoring_case(words[0], name); });
    }
    bool is_wanted(const request& words) {
        const auto table = command_table::built_in();
        const command_spec* row = table->find(words[0]);
        if (row != nullptr && row->container && words.size() > 1) row = table->find_subcommand(*row, words[1]);
        if (row == nullptr || engine::find_command(row->name) == nullptr || !row->accepts_argument_count(words.size())) return false;
        if (row->name == "scan") return false;  // its pages are the store's own; see postgres_answers_test
        if (row->name.starts_with("sort")) {
            const auto* const place = keys_.find(words[1], world_.now);
            if (place != nullptr && std::holds_alternative<engine::sorted_set_value>(place->held)) return false;
        }
        const bool draws = row->name == "srandmember" || row->name == "hrandfield" || row->name == "zrandmember";
        const auto count = draws && words.size() > 2 ? parse_integer(words[2]) : std::nullopt;
        return !count || *count > -1'000'000 || *count == std::numeric_limits<std::int64_t>::min();
    }
    std::vector<request> make_job() {
        std::vector<request> commands;
        const std::size_t wanted = random_() % 3 == 0 ? 1 + random_() % 6 : 1;
        while (commands.size() < wanted) {
            request made = generator_.next(world_.now);
            if (!is_wanted(made)) continue;
            if (!stands_alone(made)) {
                commands.push_back(std::move(made));
            } else if (commands.empty()) {
                return {made};
            }
        }
        return commands;
    }

    std::string on_map(const std::vector<request>& commands, bool transaction, std::uint64_t numbers) {
        engine::random_source random(numbers);
        buffer out;
        reply_writer reply(out, world_.version);
        if (transaction) reply.array(commands.size());
        for (const request& each : commands) {
            const engine::command_row* const row = engine::find_command(store_world::spec_of(each).name);
            const std::vector<std::string_view> words(each.begin(), each.end());
            engine::surroundings around{keys_, reply, world_.now, random};
            engine::run(*row, words, around);
            EXPECT_TRUE(around.obstacle.empty());
        }
        return std::string(out.view());
    }

    bool agree(const std::vector<request>& commands, const std::string& expected, const std::string& got) {
        const std::string_view name = store_world::spec_of(commands[0]).name;
        if (expected == got || !stands_alone(commands[0])) return expected == got;
        if (expected[0] == '-' || got[0] == '-') return false;
        if (name == "keys") return in_any_order(engine::take_apart(expected), false) == in_any_order(engine::take_apart(got), false);
        if (name == "dbsize") return got == ":" + std::to_string(live()) + "\r\n";
        if (name != "randomkey") return false;
        const auto key = engine::take_apart(got);
        return key.null ? live() == 0 : keys_.find(key.text, world_.now) != nullptr;
    }
    std::size_t live() {
        std::size_t count = 0;
        static_cast<void>(keys_.scan(0, 1'000'000, world_.now, [&](std::string_view, const engine::entry&) { ++count; }));
        return count;
    }

    void report(const std::vector<request>& commands, const std::string& expected, const std::string& got) {
        ++differences_;
        std::cout << "\nDIFFERENCE at " << world_.now << '\n';
        for (const request& each : commands) {
            for (const auto& word : each) std::cout << " '" << engine::escaped(word).substr(0, 100) << '\'';
            std::cout << '\n';
        }
        std::cout << "  map  " << engine::escaped(expected).substr(0, 2'000) << "\n  rows " << engine::escaped(got).substr(0, 2'000)
                  << std::endl;
        keys_.clear_all();
        world_.ask({"FLUSHALL"});
    }

    store_world world_;
    std::mt19937_64 random_;
    engine::command_generator generator_;
    engine::map_keyspace keys_;
    std::size_t total_ = 0;
    std::size_t differences_ = 0;
};

TEST(row_differential_test, rows_answer_as_a_map_does_byte_for_byte) {
    const std::uint64_t seed = setting("WEIR_ENGINE_SEED", std::random_device{}());
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(setting("WEIR_ENGINE_SECONDS", 10));
    std::cout << "seed " << seed << std::endl;
    row_differential compared(seed);
    while (std::chrono::steady_clock::now() < end && compared.differences() < 10) compared.step();
    std::cout << compared.total() << " commands compared\n";
    EXPECT_EQ(compared.differences(), 0u);
    EXPECT_GT(compared.total(), 200u);
}

}  // namespace
}  // namespace weir::pg::test
