#include "proxy/fallback/postgres/shared_journal.hpp"

#include <algorithm>
#include <limits>
#include <random>

#include "proxy/fallback/postgres/pg_await.hpp"
#include "proxy/fallback/postgres/statements.hpp"

namespace weir::pg {

namespace asio = boost::asio;

using failure = shared_journal::failure;

namespace {

// Advisory locks of two numbers, which are never the same as those of one number that keys and tenants have (key_places):
// the schema's oid, and one of these.
constexpr std::string_view in_use = "1";    ///< shared by the weirs that answer from the store
constexpr std::string_view replaying = "2";
constexpr std::string_view whose_turn = "3";      ///< who comes or goes: one at a time, so that it knows whether there are others

constexpr std::string_view lock_not_available = "55P03";

const error lost_connection{error::kind::lost, {}, "the connection of the journal is closed"};
const error lost_lock{error::kind::lost, {}, "another weir may be replaying by now: the lock went with the connection"};
const error not_there{error::kind::statement, {}, "rows of the journal are gone, by somebody else's hand"};
const error malformed{error::kind::statement, {}, "a row of the journal does not hold a command"};
const error cleaning{error::kind::busy, std::string(lock_not_available), "another weir is deleting what an outage has left"};

std::string locking(const schema& of, std::string_view function, std::string_view which) {
    return of.in("select " + std::string(function) + "('{schema}'::regnamespace::oid::int, " + std::string(which) + ")");
}

statement counting(const schema& of, std::string name, const std::string& begin, const std::string& end) {
    return {std::move(name),
            of.in(begin + " size as (update {schema}.journal_size set rows = rows - (select count(*) from gone),"
                          " bytes = bytes - (select coalesce(sum(bytes), 0) from gone)"
                          " where part = pg_backend_pid() % (select max(part) + 1 from {schema}.journal_size)) " + end)};
}

std::int64_t random_number() {
    std::random_device source;
    return std::uniform_int_distribution<std::int64_t>(1, std::numeric_limits<std::int64_t>::max())(source);
}

std::optional<std::vector<std::string>> read_words(std::string_view bytes) {
    array_reader reader(bytes, oid::bytea);
    std::vector<std::string> words;
    while (const auto word = reader.next()) words.emplace_back(*word);
    return reader.is_complete() && !words.empty() ? std::optional(std::move(words)) : std::nullopt;
}

}  // namespace

struct shared_journal::statements {
    explicit statements(const schema& of)
        : take_turn{"take_turn", locking(of, "pg_advisory_lock", whose_turn)},
          end_turn{"end_turn", locking(of, "pg_advisory_unlock", whose_turn)},
          try_alone{"try_alone", locking(of, "pg_try_advisory_lock", in_use)},
          end_alone{"end_alone", locking(of, "pg_advisory_unlock", in_use)},
          share{"share", locking(of, "pg_advisory_lock_shared", in_use)},
          end_share{"end_share", locking(of, "pg_advisory_unlock_shared", in_use)},
          try_replay{"try_replay", locking(of, "pg_try_advisory_lock", replaying)},
          end_replay{"end_replay", locking(of, "pg_advisory_unlock", replaying)},
          is_empty{"is_empty", of.in("select not exists (select from {schema}.journal)")},
          // Those that the shadow is just writing will be shadowed.
          clean{"clean", of.in("with old as (select prefix, database, key from {schema}.entries where not shadowed limit 200"
                               " for update skip locked)"
                               " delete from {schema}.entries as gone using old where gone.prefix = old.prefix"
                               " and gone.database = old.database and gone.key = old.key returning true")},
          zero{"zero", of.in("update {schema}.journal_size set rows = 0, bytes = 0 where rows <> 0 or bytes <> 0")},
          marker{"marker", of.in("select marker::text from {schema}.replay")},
          state{"state", of.in("select (select sum(rows)::bigint from {schema}.journal_size),"
                               " (select sum(bytes)::bigint from {schema}.journal_size),"
                               " (select max(id) from {schema}.journal),"
                               " (select (extract(epoch from clock_timestamp() - made_at) * 1000)::bigint from {schema}.journal"
                               " order by id limit 1), (select count(*) from {schema}.dead_letters)")},
          // What stands at the front, then all of the groups that begin there. Of equals in `place`, a window's sum has all.
          fetch{"fetch", of.in("with front as (select * from {schema}.journal where id <= $1 order by id limit $2),"
                               " begun as (select joined, min(id) as place from front where joined is not null group by joined),"
                               " wanted as (select id as place, * from front where joined is null union all"
                               " select begun.place, rest.* from begun, lateral (select * from {schema}.journal as other"
                               " where other.joined = begun.joined) as rest),"
                               " measured as (select *, count(*) over up_to_here as rows_so_far,"
                               " sum(bytes) over up_to_here as bytes_so_far from wanted window up_to_here as (order by place))"
                               " select id, tenant, prefix, database, words, id <> place from measured"
                               " where (rows_so_far <= $2 and bytes_so_far <= $3::bigint) or place = (select min(place) from measured)"
                               " order by place, id")},
          claim{"claim", of.in("update {schema}.replay set batch = $2, ids = $1, claimed_at = now()"
                               " where (select count(*) from {schema}.journal where id = any($1)) = cardinality($1)"
                               " returning batch")},
          // The reason is what somebody else's server said: any bytes.
          done{counting(of, "done",
                        "with gone as (delete from {schema}.journal where id = any($1) returning *),"
                        " letters as (insert into {schema}.dead_letters (id, tenant, prefix, database, words, made_at, reason)"
                        " select id, tenant, prefix, database, words, made_at, encode(reason, 'escape')"
                        " from gone join unnest($2::bigint[], $3::bytea[]) as refused (id, reason) using (id)),",
                        "select count(*) from gone")},
          recover{counting(of, "recover",
                           "with gone as (delete from {schema}.journal where id in"
                           " (select unnest(ids) from {schema}.replay where batch = $1) returning *),",
                           "select count(*) from gone")} {}

    [[nodiscard]] asio::awaitable<failure> prepare(connection& on) const {
        return prepare_all(on, {&take_turn, &end_turn, &try_alone, &end_alone, &share, &end_share, &try_replay, &end_replay,
                                &is_empty, &clean, &zero, &marker, &state, &fetch, &claim, &done, &recover});
    }

    statement take_turn, end_turn;
    statement try_alone, end_alone;
    statement share, end_share;
    statement try_replay, end_replay;
    statement is_empty;
    statement clean;    ///< gives a row for each that it deleted
    statement zero;
    statement marker;
    statement state;
    statement fetch;    ///< $1 up to which id $2 rows $3 bytes
    statement claim;    ///< $1 ids $2 number; gives the number
    statement done;     ///< $1 ids $2 ids of those refused $3 reasons
    statement recover;  ///< $1 number; gives how many rows went
};

shared_journal::shared_journal(const asio::any_io_executor& executor, target where, const std::string& schema_name,
                               const connection_options& options)
    : executor_(executor),
      order_(executor),
      where_(std::move(where)),
      options_(options),
      tables_(schema_name),
      sql_(std::make_unique<statements>(tables_)) {}

shared_journal::~shared_journal() {
    closed_ = nullptr;
    close();
}

/// Kept alive from now on, not only from when the coroutine first runs.
asio::awaitable<failure> shared_journal::in_order(std::function<asio::awaitable<failure>()> call) {
    return [](std::shared_ptr<shared_journal> self, std::function<asio::awaitable<failure>()> wanted) -> asio::awaitable<failure> {
        const auto turn = co_await self->order_.take();
        co_return co_await wanted();
    }(shared_from_this(), std::move(call));
}

asio::awaitable<failure> shared_journal::open() {
    return in_order([this] { return open_now(); });
}
asio::awaitable<failure> shared_journal::enter(bool& first) {
    return in_order([this, &first] { return enter_now(first); });
}
asio::awaitable<failure> shared_journal::leave() {
    return in_order([this] { return leave_now(); });
}
asio::awaitable<failure> shared_journal::lock(bool& got) {
    return in_order([this, &got] { return lock_now(got); });
}
asio::awaitable<failure> shared_journal::unlock() {
    return in_order([this] { return unlock_now(); });
}

// ---- the connection ------------------------------------------------------------------------------------------------

asio::awaitable<failure> shared_journal::open_now() {
    if (connection_) co_return std::nullopt;
    const auto wanted = ++openings_;
    const auto made = std::make_shared<connection>(executor_, options_);
    auto failed = co_await pg::open(*made, where_);
    if (!failed) failed = co_await set_up(*made);
    if (!failed && (wanted != openings_ || !made->is_open())) failed = lost_connection;
    if (failed) {
        made->close();
        co_return failed;
    }
    connection_ = made;
    made->on_close([weak = weak_from_this()](const error&) {
        if (const auto alive = weak.lock()) alive->lose();
    });
    co_return std::nullopt;
}

asio::awaitable<failure> shared_journal::set_up(connection& on) {
    if (auto failed = co_await tables_.prepare(on)) co_return failed;
    if (auto failed = co_await sql_->prepare(on)) co_return failed;
    batch steps;
    // Who waits for its turn hears that it has to come again before its own time is over.
    steps.add_sql("select set_config('lock_timeout', '" + std::to_string(options_.statement_timeout.count() / 2 + 1) + "', false)");
    steps.add(sql_->marker);
    outcome got = co_await run(on, steps);
    if (got.failed) co_return std::move(got.failed);
    marker_name_ = "\x01weir:replay:" + std::string(got.results[1].bytes(0, 0).value_or(""));
    co_return std::nullopt;
}

void shared_journal::close() {
    ++openings_;
    if (const auto held = connection_) held->close();
    lose();
}

void shared_journal::lose() {
    entered_ = locked_ = false;
    if (std::exchange(connection_, nullptr) && closed_) closed_();
}

asio::awaitable<outcome> shared_journal::ask(batch steps) {
    const auto self = shared_from_this();
    const auto held = connection_;
    if (!held) co_return outcome{{}, lost_connection};
    co_return co_await run(*held, steps);
}

// ---- who answers from the store ------------------------------------------------------------------------------------

asio::awaitable<failure> shared_journal::enter_now(bool& first) {
    first = false;
    if (entered_) co_return std::nullopt;
    auto failed = co_await take_turn(change::enters, first);
    entered_ = !failed;
    co_return failed;
}

asio::awaitable<failure> shared_journal::leave_now() {
    if (!std::exchange(entered_, false)) co_return std::nullopt;
    bool last = false;
    auto failed = co_await take_turn(change::leaves, last);
    if (!failed || failed->what != error::kind::busy) co_return failed;
    // Whoever has the turn is the one who deletes.
    batch steps;
    steps.add(sql_->end_share);
    failed = (co_await ask(std::move(steps))).failed;
    if (failed) close();
    co_return failed;
}

/// `alone`: nobody else is there, and the journal is empty; what an outage has left is deleted. Where something fails on the way,
/// the connection goes, and all of its locks.
asio::awaitable<failure> shared_journal::take_turn(change wanted, bool& alone) {
    batch begin;
    begin.add(sql_->take_turn);
    if (wanted == change::leaves) begin.add(sql_->end_share);
    begin.add(sql_->try_alone);
    begin.add(sql_->is_empty);
    outcome begun = co_await ask(std::move(begin));
    if (begun.failed && begun.results.empty() && begun.failed->sqlstate == lock_not_available) co_return cleaning;
    failure failed = std::move(begun.failed);
    bool only_one = false;
    if (!failed) {
        only_one = begun.results[begun.results.size() - 2].is_true(0, 0);
        alone = only_one && begun.results.back().is_true(0, 0);
        if (alone) failed = co_await clean();
    }
    if (!failed) {
        batch end;
        if (wanted == change::enters) end.add(sql_->share);
        if (only_one) end.add(sql_->end_alone);
        end.add(sql_->end_turn);
        failed = (co_await ask(std::move(end))).failed;
    }
    if (failed) close();
    co_return failed;
}

asio::awaitable<failure> shared_journal::clean() {
    for (bool more = true; more;) {
        batch steps;
        steps.add(sql_->clean);
        outcome got = co_await ask(std::move(steps));
        if (got.failed) co_return std::move(got.failed);
        more = got.results[0].rows() > 0;
    }
    batch steps;
    steps.add(sql_->zero);
    co_return (co_await ask(std::move(steps))).failed;
}

// ---- the journal ---------------------------------------------------------------------------------------------------

asio::awaitable<failure> shared_journal::state(journal_state& into) {
    const auto self = shared_from_this();
    batch steps;
    steps.add(sql_->state);
    outcome got = co_await ask(std::move(steps));
    if (got.failed) co_return std::move(got.failed);
    const auto number = [&](int column) { return std::max<std::int64_t>(got.results[0].int8(0, column).value_or(0), 0); };
    into = {};
    into.dead_letters = number(4);
    into.last_id = number(2);
    if (into.last_id == 0) co_return std::nullopt;
    // The sums are wrong where somebody has changed the journal by hand; that there is something they do not deny.
    into.rows = std::max<std::int64_t>(number(0), 1);
    into.bytes = number(1);
    into.oldest_ms = number(3);
    co_return std::nullopt;
}

asio::awaitable<failure> shared_journal::lock_now(bool& got) {
    got = locked_;
    if (locked_) co_return std::nullopt;
    batch steps;
    steps.add(sql_->try_replay);
    outcome told = co_await ask(std::move(steps));
    got = locked_ = !told.failed && told.results[0].is_true(0, 0);
    co_return std::move(told.failed);
}

asio::awaitable<failure> shared_journal::unlock_now() {
    if (!std::exchange(locked_, false)) co_return std::nullopt;
    batch steps;
    steps.add(sql_->end_replay);
    outcome told = co_await ask(std::move(steps));
    if (told.failed) close();
    co_return std::move(told.failed);
}

asio::awaitable<failure> shared_journal::recover(std::int64_t marker, std::int64_t& rows) {
    const auto self = shared_from_this();
    parameters with;
    with.int8(marker);
    batch steps;
    steps.add(sql_->recover, std::move(with));
    outcome got = co_await ask_locked(std::move(steps));
    rows = got.failed ? 0 : got.results[0].int8(0, 0).value_or(0);
    co_return std::move(got.failed);
}

asio::awaitable<failure> shared_journal::fetch(std::int64_t up_to_id, std::size_t most_rows, std::size_t most_bytes,
                                               std::vector<journal_row>& into) {
    const auto self = shared_from_this();
    into.clear();
    parameters with;
    with.int8(up_to_id).int8(static_cast<std::int64_t>(most_rows)).int8(static_cast<std::int64_t>(most_bytes));
    batch steps;
    steps.add(sql_->fetch, std::move(with));
    outcome got = co_await ask(std::move(steps));
    if (got.failed) co_return std::move(got.failed);
    const result& rows = got.results[0];
    for (std::size_t row = 0; row < rows.rows(); ++row) {
        const auto text = [&](int column) { return std::string(rows.bytes(row, column).value_or("")); };
        auto words = read_words(rows.bytes(row, 4).value_or(""));
        if (!words) co_return malformed;
        into.push_back({rows.int8(row, 0).value_or(0), text(1), text(2), read_int4(rows.bytes(row, 3).value_or("")).value_or(0),
                        std::move(*words), rows.is_true(row, 5)});
    }
    co_return std::nullopt;
}

asio::awaitable<failure> shared_journal::claim(const std::vector<std::int64_t>& ids, std::int64_t& number) {
    const auto self = shared_from_this();
    number = random_number();
    parameters with;
    with.array_of_int8(ids).int8(number);
    batch steps;
    steps.add(sql_->claim, std::move(with));
    outcome got = co_await ask_locked(std::move(steps));
    if (!got.failed && got.results[0].rows() == 0) co_return not_there;
    co_return std::move(got.failed);
}

asio::awaitable<failure> shared_journal::done(const std::vector<std::int64_t>& ids,
                                              const std::vector<std::pair<std::int64_t, std::string>>& refused) {
    const auto self = shared_from_this();
    std::vector<std::int64_t> letters;
    std::vector<std::string_view> reasons;
    for (const auto& [id, reason] : refused) {
        letters.push_back(id);
        reasons.push_back(reason);
    }
    parameters with;
    with.array_of_int8(ids).array_of_int8(letters).array(reasons);
    batch steps;
    steps.add(sql_->done, std::move(with));
    co_return (co_await ask_locked(std::move(steps))).failed;
}

asio::awaitable<outcome> shared_journal::ask_locked(batch steps) {
    if (!locked_) co_return outcome{{}, lost_lock};
    co_return co_await ask(std::move(steps));
}

}  // namespace weir::pg
