#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proxy/fallback/postgres/one_at_a_time.hpp"
#include "proxy/fallback/postgres/pg_connection.hpp"
#include "proxy/fallback/postgres/schema.hpp"

namespace weir::pg {

struct journal_row {
    std::int64_t id = 0;
    std::string tenant;
    std::string prefix;
    int database = 0;
    std::vector<std::string> words;
    bool joined = false;  ///< with the row before: both are of one MULTI/EXEC

    bool operator==(const journal_row&) const = default;
};

struct journal_state {
    std::int64_t rows = 0;
    std::int64_t bytes = 0;      ///< of their words
    std::int64_t last_id = 0;    ///< 0: there is none, whatever the numbers above say
    std::int64_t oldest_ms = 0;  ///< age of the first row
    std::int64_t dead_letters = 0;
};

/// The journal of all weirs on one schema, as the one who gives it to Redis needs it, and who of them answers from the store.
///
///     open() ─ enter() ── this weir answers from the store ── leave()          shared with other weirs
///            └ lock() ─ recover() ─ { fetch() claim() EXEC done() } … unlock()     one weir alone
///
/// Both locks are the session's. So they are gone with its connection: is_open() is false then, on_close() has told, and this
/// weir must not answer from the store before it has entered again. What needs the lock fails where it is lost.
///
/// One thread; held by std::shared_ptr, as calls under way are. Calls may overlap, and are done in their order; what they are
/// given by reference outlives them. Nothing is thrown: an error says that nothing was done, or, of claim() and done(), that nobody knows; each
/// statement has the connection's time limits.
class shared_journal : public std::enable_shared_from_this<shared_journal> {
public:
    using failure = std::optional<error>;

    shared_journal(const boost::asio::any_io_executor& executor, target where, const std::string& schema_name,
                   const connection_options& options);
    ~shared_journal();
    shared_journal(const shared_journal&) = delete;
    shared_journal& operator=(const shared_journal&) = delete;

    /// A connection of its own, with the schema made and checked. Nothing when it is open.
    [[nodiscard]] boost::asio::awaitable<failure> open();
    [[nodiscard]] bool is_open() const { return connection_ != nullptr; }
    /// Calls under way fail.
    void close();
    /// Called each time that an open connection is no more, close() or not.
    void on_close(std::function<void()> told) { closed_ = std::move(told); }

    /// Where Redis holds the number of the batch that it got last: the same for all weirs on this schema. Known once it was open.
    [[nodiscard]] const std::string& marker_name() const { return marker_name_; }

    // ---- who answers from the store --------------------------------------------------------------------------------

    /// From now on this weir does. `first`: no other one does, and the journal was empty. Then what an outage that is over has
    /// left among the entries (those not `shadowed`) is deleted before anybody else may enter. An error of kind `busy`: another
    /// weir is still at that, so come again.
    [[nodiscard]] boost::asio::awaitable<failure> enter(bool& first);
    [[nodiscard]] bool is_entered() const { return entered_; }
    /// No longer. Who is the last, with an empty journal, deletes as above, as far as that goes: the next enter() does the rest.
    [[nodiscard]] boost::asio::awaitable<failure> leave();

    // ---- the journal -----------------------------------------------------------------------------------------------

    [[nodiscard]] boost::asio::awaitable<failure> state(journal_state& into);

    /// Becomes the one who replays, unless another one is.
    [[nodiscard]] boost::asio::awaitable<failure> lock(bool& got);
    [[nodiscard]] bool is_locked() const { return locked_; }
    [[nodiscard]] boost::asio::awaitable<failure> unlock();

    /// Redis holds this number: if it is that of the batch that was claimed last, its rows go, as whoever claimed it has died before
    /// done(); `rows` says how many. What Redis refused of them nobody knows any more. No one may still be sending a batch then.
    [[nodiscard]] boost::asio::awaitable<failure> recover(std::int64_t marker, std::int64_t& rows);

    /// The front, in the order in which Redis must get it: by id, those of one MULTI/EXEC moved up to the first of them. These
    /// are never parted, so one alone may exceed the bounds. Nothing that begins behind `up_to_id`.
    [[nodiscard]] boost::asio::awaitable<failure> fetch(std::int64_t up_to_id, std::size_t most_rows, std::size_t most_bytes,
                                                        std::vector<journal_row>& into);

    /// These rows are the next batch, noted durably in place of the one before. Its number goes to Redis with it, so that recover()
    /// can tell whether it arrived. Numbers are positive and random: a database that was restored from a copy gives none out again.
    [[nodiscard]] boost::asio::awaitable<failure> claim(const std::vector<std::int64_t>& ids, std::int64_t& number);
    /// Redis has got these: they go. Those of them that it refused become dead letters, with its reason. May be said again.
    [[nodiscard]] boost::asio::awaitable<failure> done(const std::vector<std::int64_t>& ids,
                                                       const std::vector<std::pair<std::int64_t, std::string>>& refused);

private:
    struct statements;
    enum class change : unsigned char { enters, leaves };

    [[nodiscard]] boost::asio::awaitable<failure> in_order(std::function<boost::asio::awaitable<failure>()> call);
    [[nodiscard]] boost::asio::awaitable<failure> open_now();
    [[nodiscard]] boost::asio::awaitable<failure> enter_now(bool& first);
    [[nodiscard]] boost::asio::awaitable<failure> leave_now();
    [[nodiscard]] boost::asio::awaitable<failure> lock_now(bool& got);
    [[nodiscard]] boost::asio::awaitable<failure> unlock_now();
    [[nodiscard]] boost::asio::awaitable<failure> set_up(connection& on);
    void lose();
    [[nodiscard]] boost::asio::awaitable<outcome> ask(batch steps);
    [[nodiscard]] boost::asio::awaitable<outcome> ask_locked(batch steps);
    [[nodiscard]] boost::asio::awaitable<failure> take_turn(change wanted, bool& alone);
    [[nodiscard]] boost::asio::awaitable<failure> clean();

    boost::asio::any_io_executor executor_;
    one_at_a_time order_;  ///< of whatever changes a lock
    const target where_;
    const connection_options options_;
    const schema tables_;
    const std::unique_ptr<const statements> sql_;
    std::shared_ptr<connection> connection_;  ///< while it is open
    std::uint64_t openings_ = 0;  ///< begun or given up: the last one counts
    bool entered_ = false;
    bool locked_ = false;
    std::string marker_name_;
    std::function<void()> closed_;
};

}  // namespace weir::pg
