#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proxy/fallback/engine/dense_map.hpp"
#include "proxy/fallback/engine/keyspace.hpp"
#include "proxy/fallback/postgres/statements.hpp"

namespace weir::pg {

class row_keyspace;

/// Rows of one tenant, fetched for commands that run once they are there; engine::keyspace says how.
///
///     want() -> append_fetches() -> take() -> commands run -> misses() ? forget_changes(), and from append_fetches() on again
///                                                            : append_changes()
///
/// What commands ask for in vain is wanted from then on. Values are decoded when they are asked for, so that their changes are
/// forgotten by decoding them again.
class tenant_rows {
public:
    /// `now` for what SQL counts. Databases are 0 to `databases` - 1.
    tenant_rows(std::string prefix, std::int64_t databases, std::int64_t now);
    ~tenant_rows();
    tenant_rows(const tenant_rows&) = delete;
    tenant_rows& operator=(const tenant_rows&) = delete;

    [[nodiscard]] const std::string& prefix() const { return prefix_; }
    /// Lives as long as this.
    [[nodiscard]] row_keyspace& database(std::int64_t number);
    void want(std::int64_t database, std::string_view key);

    /// Something that was not there has been asked for, so the outcome is void.
    [[nodiscard]] bool misses() const { return fetches() > 0; }
    /// How many statements fetch what is wanted.
    [[nodiscard]] std::size_t fetches() const;
    /// These statements; strings that the batch shows stay as they are until take().
    void append_fetches(batch& to, const statements& known);
    /// Their results, of which the first one stands at `first`; says what stands behind the last.
    std::size_t take(outcome& got, std::size_t first);

    void forget_changes();
    /// The same, and all that was known or asked for is wanted again.
    void start_over();
    /// What was asked for in vain is not wanted after all.
    void forget_misses();

    /// What makes the tables hold what the commands left; strings stay as they are until the next change.
    void append_changes(batch& to, const statements& known) const;

    /// Keys that are known or wanted: what to lock.
    [[nodiscard]] std::vector<std::int64_t> locks() const;

    /// A row does not hold what a value is made of, or the keyspace is too long to be listed: the commands cannot be answered.
    [[nodiscard]] bool is_malformed() const { return malformed_; }
    [[nodiscard]] bool is_too_long() const { return too_long_; }

private:
    friend class row_keyspace;

    std::string prefix_;
    std::int64_t databases_;
    std::int64_t now_;
    std::map<std::int64_t, std::unique_ptr<row_keyspace>> keyspaces_;
    bool cleared_ = false;  ///< FLUSHALL: every database, also one that nobody has looked at yet
    bool malformed_ = false;
    bool too_long_ = false;
};

/// One database of these.
///
/// SCAN goes by places (key_places): a page holds keys in the order of their places, all of those with one place or none, and
/// its cursor is the place behind the last. A key's place never changes, so whoever goes on until 0 has met every key that was
/// there all the time, whatever came and went meanwhile.
class row_keyspace final : public engine::keyspace {
public:
    row_keyspace(tenant_rows& whose, std::int64_t number) : whose_(whose), number_(number), cleared_(whose.cleared_) {}

    [[nodiscard]] engine::entry* find(std::string_view key, std::int64_t now) override;
    engine::entry& put(std::string_view key, engine::entry what) override;
    void altered(std::string_view key, engine::entry& what) override;
    bool remove(std::string_view key) override;
    void clear() override;
    [[nodiscard]] std::size_t count(std::int64_t now) override;
    [[nodiscard]] std::optional<std::string> random_key(engine::random_source& random, std::int64_t now) override;
    /// Entries are shown with their type and expiry alone.
    [[nodiscard]] std::uint64_t scan(std::uint64_t cursor, std::uint64_t count, std::int64_t now,
                                     const key_visitor& visit) override;
    [[nodiscard]] std::int64_t number() const override { return number_; }
    [[nodiscard]] engine::keyspace* sibling(std::int64_t database) override;
    void clear_all() override;

private:
    friend class tenant_rows;

    static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);
    /// More keys are not listed for one command.
    static constexpr std::size_t most_listed = 1'000'000;
    /// What COUNT may ask for; it is a wish.
    static constexpr std::uint64_t most_in_page = 100'000;

    struct key_state {
        bool known = false;            ///< what the table has has been looked at
        std::size_t in = nowhere;      ///< which result has its row; nowhere: there is none
        std::size_t row = 0;
        bool decoded = false;
        bool written = false;
        std::unique_ptr<engine::entry> value;  ///< once decoded; nullptr: absent
    };
    struct listed_key {
        std::uint64_t place;
        std::string key;
        engine::entry shown;
    };
    /// Keys from one place on, as far as they have been fetched.
    struct stretch {
        std::uint64_t from = 0;
        std::uint64_t to = 0;   ///< where to go on
        bool complete = false;  ///< there are no more
        std::size_t wanted = 0;
        std::vector<listed_key> keys;
    };

    void want(std::string_view key);
    [[nodiscard]] std::size_t fetches() const;
    void append_fetches(batch& to, const statements& known, std::int64_t now);
    [[nodiscard]] std::size_t take(outcome& got, std::size_t next);
    void take_rows(result rows);
    void take_page(stretch& part, const result& rows);
    void forget_changes();
    void start_over();
    void forget_misses();
    void append_changes(batch& to, const statements& known) const;

    void decode(key_state& state);
    [[nodiscard]] bool is_stored(const key_state& state) const { return !cleared_ && state.in != nowhere; }
    /// Whether it is in count_.
    [[nodiscard]] bool is_counted(const key_state& state, std::int64_t now) const;
    [[nodiscard]] const engine::entry* written_value(const key_state& state) const {
        return state.decoded && state.value ? state.value.get() : nullptr;
    }
    [[nodiscard]] stretch& stretch_at(std::uint64_t cursor);
    void show(const listed_key& each, std::int64_t now, const key_visitor& visit);
    void show_new(std::uint64_t from, std::uint64_t to, std::int64_t now, const key_visitor& visit);
    [[nodiscard]] std::optional<std::string> new_key(std::int64_t now) const;

    tenant_rows& whose_;
    std::int64_t number_;
    engine::dense_map<key_state> keys_;
    std::deque<result> results_;
    bool cleared_;
    engine::dense_map<std::monostate> wanted_;
    std::vector<std::string> fetching_;
    std::optional<std::size_t> count_;
    bool wants_count_ = false;
    std::vector<stretch> stretches_;
    std::map<std::uint64_t, std::optional<std::string>> picked_;
    std::vector<std::uint64_t> wanted_picks_;
};

}  // namespace weir::pg
