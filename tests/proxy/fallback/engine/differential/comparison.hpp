#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/proxy/fallback/engine/differential/command_generator.hpp"
#include "tests/proxy/fallback/engine/map_keyspace.hpp"
#include "protocol/command_table.hpp"
#include "protocol/reply_writer.hpp"
#include "proxy/fallback/engine/commands.hpp"
#include "tests/proxy/fallback/engine/differential/redis_server.hpp"
#include "tests/proxy/fallback/engine/differential/reply_tree.hpp"

namespace weir::engine {

/// Runs random commands on a Redis and on the engine, and says what differs.
class comparison {
public:
    explicit comparison(std::uint64_t seed);

    /// Some dozen commands at one point in time, then the clock goes on.
    void run_batch();

    [[nodiscard]] std::size_t total() const { return total_; }
    [[nodiscard]] std::size_t errors() const { return errors_; }
    [[nodiscard]] std::size_t differences() const { return differences_; }
    /// Commands that the engine does not do because they would take too long.
    [[nodiscard]] std::size_t refused() const { return refused_; }
    [[nodiscard]] const std::map<std::string, std::size_t>& counts() const { return counts_; }

private:
    [[nodiscard]] std::vector<command_words> make_batch();
    [[nodiscard]] bool is_wanted(const command_words& command) const;
    void send(redis_connection& to, const std::vector<command_words>& batch);
    void check(const command_words& command, resp_version version, std::string_view theirs);
    /// nullopt: it says that it would take too long.
    [[nodiscard]] std::optional<std::string> run_ours(const command_words& command, resp_version version);
    /// Takes out of our set what Redis took out of its own.
    void follow_spop(const command_words& command, const reply_tree& theirs);
    void report(const command_words& command, resp_version version, std::string_view theirs, std::string_view ours);
    void start_anew();

    std::mt19937_64 random_;
    command_generator generator_;
    redis_server server_;
    redis_connection resp2_{server_};
    redis_connection resp3_{server_};
    map_keyspace keys_;
    std::shared_ptr<const command_table> table_ = command_table::built_in();
    std::vector<std::string> only_;
    std::vector<std::string> history_;
    bool lost_ = false;  ///< the values may differ from here on, without anybody's fault
    std::int64_t now_ = 1'700'000'000'000;
    std::size_t total_ = 0;
    std::size_t errors_ = 0;
    std::size_t differences_ = 0;
    std::size_t refused_ = 0;
    std::map<std::string, std::size_t> counts_;
};

}  // namespace weir::engine
