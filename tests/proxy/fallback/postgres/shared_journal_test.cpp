#include "proxy/fallback/postgres/shared_journal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/detached.hpp>
#include <limits>

#include "tests/proxy/fallback/postgres/store_world.hpp"

namespace weir::pg::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::int64_t all = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t many = 1'000'000;

class shared_journal_test : public testing::Test {
protected:
    using failure = shared_journal::failure;

    ~shared_journal_test() override {
        for (const auto& each : weirs_) each->close();
    }
    std::shared_ptr<shared_journal> made(const std::string& dsn) {
        return weirs_.emplace_back(std::make_shared<shared_journal>(world_.context.get_executor(), postgres_world::where(dsn),
                                                                    world_.settings.schema, options_));
    }
    shared_journal& opened() {
        const auto journal = made(shared_postgres().dsn());
        EXPECT_EQ(told(journal->open()), "");
        return *journal;
    }
    /// What failed; empty: nothing.
    std::string told(boost::asio::awaitable<failure> asked) {
        const failure failed = world_.await(std::move(asked));
        return failed ? std::string(to_string(failed->what)) + ": " + failed->text : "";
    }
    shared_journal& entered(bool expected_first) {
        shared_journal& journal = opened();
        bool first = !expected_first;
        EXPECT_EQ(told(journal.enter(first)), "");
        EXPECT_EQ(first, expected_first);
        return journal;
    }
    shared_journal& replaying() {
        shared_journal& journal = opened();
        bool got = false;
        EXPECT_EQ(told(journal.lock(got)), "");
        EXPECT_TRUE(got);
        return journal;
    }

    void note(const std::string& word, const std::string& joined = "null", int bytes = 10) {
        EXPECT_EQ(world_.sql("insert into {schema}.journal (tenant, prefix, database, words, bytes, joined) values"
                             " ('acme', 't:', 3, array['SET', 'k', '" + word + "']::bytea[], " + std::to_string(bytes) + ", " + joined + ")"),
                  "");
        world_.sql("update {schema}.journal_size set rows = rows + 1, bytes = bytes + " + std::to_string(bytes) + " where part = 7");
    }
    static std::string shown(const std::vector<journal_row>& rows) {
        std::string text;
        for (const auto& each : rows) text += (each.joined ? "+" : text.empty() ? "" : " ") + each.words.back();
        return text;
    }
    std::vector<journal_row> fetch(shared_journal& journal, std::int64_t up_to = all, std::size_t rows = many, std::size_t bytes = many) {
        std::vector<journal_row> got;
        EXPECT_EQ(told(journal.fetch(up_to, rows, bytes, got)), "");
        return got;
    }
    static std::vector<std::int64_t> ids_of(const std::vector<journal_row>& rows) {
        std::vector<std::int64_t> ids;
        for (const auto& each : rows) ids.push_back(each.id);
        return ids;
    }
    journal_state state(shared_journal& journal) {
        journal_state now;
        EXPECT_EQ(told(journal.state(now)), "");
        return now;
    }
    std::string rows_of_table() { return world_.sql("select count(*) from {schema}.journal"); }
    std::string rows_and_bytes(shared_journal& journal) {
        const auto now = state(journal);
        return std::to_string(now.rows) + ' ' + std::to_string(now.bytes);
    }
    void add_entry(const std::string& key, bool shadowed) {
        EXPECT_EQ(world_.sql("insert into {schema}.entries (prefix, database, key, type, string, shadowed) values ('t:', 0, '" + key +
                             "', 'string', 'v', " + (shadowed ? "true" : "false") + ")"),
                  "");
    }
    std::string entries() { return world_.sql("select coalesce(string_agg(key, ' ' order by key), '') from {schema}.entries_shown"); }
    void end_backend_of(std::string_view lock) {
        world_.sql("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objsubid = 2 and granted and"
                   " classid = '{schema}'::regnamespace and objid = " + std::string(lock));
    }

    store_world world_;
    connection_options options_;
    std::vector<std::shared_ptr<shared_journal>> weirs_;
};

// ---- the connection ------------------------------------------------------------------------------------------------

TEST_F(shared_journal_test, has_the_same_marker_for_all_weirs_of_a_schema) {
    const std::string first = opened().marker_name();
    EXPECT_THAT(first, testing::MatchesRegex("\x01weir:replay:[0-9a-f-]{36}"));
    EXPECT_EQ(opened().marker_name(), first);
    world_.settings.schema = postgres_world::fresh_schema();
    EXPECT_NE(opened().marker_name(), first);
}

TEST_F(shared_journal_test, without_a_connection_everything_fails_and_says_so) {
    weir::temporary_folder nowhere;
    const auto journal = made("host=" + nowhere / "");
    EXPECT_THAT(told(journal->open()), StartsWith("connect: "));
    EXPECT_FALSE(journal->is_open());
    bool flag = false;
    journal_state now;
    std::int64_t number = 0;
    std::vector<journal_row> rows;
    const std::string closed = "lost: the connection of the journal is closed";
    EXPECT_EQ(told(journal->enter(flag)), closed);
    EXPECT_EQ(told(journal->lock(flag)), closed);
    EXPECT_EQ(told(journal->state(now)), closed);
    EXPECT_EQ(told(journal->fetch(all, 1, 1, rows)), closed);
    const std::string unlocked = "lost: another weir may be replaying by now: the lock went with the connection";
    EXPECT_EQ(told(journal->claim({1}, number)), unlocked);
    EXPECT_EQ(told(journal->done({1}, {})), unlocked);
    EXPECT_EQ(told(journal->recover(1, number)), unlocked);
    EXPECT_EQ(told(journal->leave()), "");
    EXPECT_EQ(told(journal->unlock()), "");
}

TEST_F(shared_journal_test, tells_once_that_its_connection_is_gone_and_opens_another) {
    shared_journal& journal = entered(true);
    bool got = false;
    EXPECT_EQ(told(journal.lock(got)), "");
    int gone = 0;
    journal.on_close([&] { ++gone; });
    EXPECT_EQ(told(journal.open()), "");
    EXPECT_EQ(gone, 0);
    end_backend_of("2");
    EXPECT_TRUE(world_.until([&] { return gone == 1; }));
    EXPECT_FALSE(journal.is_open() || journal.is_entered() || journal.is_locked());
    EXPECT_EQ(told(journal.open()), "");
    EXPECT_TRUE(journal.is_open());
    EXPECT_FALSE(journal.is_entered() || journal.is_locked());
    journal.close();
    EXPECT_EQ(gone, 2);
}

TEST_F(shared_journal_test, one_that_is_closed_while_it_opens_stays_closed) {
    const auto journal = made(shared_postgres().dsn());
    failure came;
    boost::asio::co_spawn(world_.context, journal->open(), [&](std::exception_ptr, failure failed) { came = std::move(failed); });
    world_.context.restart();
    world_.context.poll_one();
    journal->close();
    EXPECT_TRUE(world_.until([&] { return came.has_value(); }));
    EXPECT_FALSE(journal->is_open());
}

TEST_F(shared_journal_test, calls_that_overlap_are_done_one_after_the_other) {
    const auto journal = made(shared_postgres().dsn());
    std::vector<std::string> came;
    bool first = false, got = false;
    const auto spawn = [&](const std::string& name, boost::asio::awaitable<failure> call) {
        boost::asio::co_spawn(world_.context, std::move(call), [&came, name](std::exception_ptr, failure failed) {
            came.push_back(failed ? name + " failed: " + failed->text : name);
        });
    };
    spawn("open", journal->open());
    spawn("enter", journal->enter(first));
    spawn("lock", journal->lock(got));
    spawn("leave", journal->leave());
    spawn("unlock", journal->unlock());
    spawn("open", journal->open());
    EXPECT_TRUE(world_.until([&] { return came.size() == 6; }));
    EXPECT_THAT(came, ElementsAre("open", "enter", "lock", "leave", "unlock", "open"));
    EXPECT_TRUE(first && got);
    EXPECT_FALSE(journal->is_entered() || journal->is_locked());
}

TEST_F(shared_journal_test, an_unlock_needs_nobody_who_waits_for_it) {
    auto& held = replaying();
    boost::asio::co_spawn(world_.context, held.unlock(), boost::asio::detached);
    weirs_.clear();
    EXPECT_TRUE(world_.until([&] {
        return world_.sql("select count(*) from pg_locks where locktype = 'advisory' and objsubid = 2 and"
                          " classid = '{schema}'::regnamespace") == "0";
    }));
}

// ---- the journal ---------------------------------------------------------------------------------------------------

TEST_F(shared_journal_test, shows_what_a_store_noted) {
    world_.database = 3;
    world_.ask({"SET", "k", std::string("v\0\xff", 3)});
    world_.transaction({{"INCR", "a"}, {"DEL", "b", "c"}});
    shared_journal& journal = opened();
    const auto rows = fetch(journal);
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(rows[0], (journal_row{rows[0].id, "acme", "tenant:acme:", 3, {"SET", "k", std::string("v\0\xff", 3)}, false}));
    EXPECT_EQ(rows[1].words, (std::vector<std::string>{"INCR", "a"}));
    EXPECT_EQ(rows[2].words, (std::vector<std::string>{"DEL", "b", "c"}));
    EXPECT_FALSE(rows[1].joined);
    EXPECT_TRUE(rows[2].joined);
    const auto now = state(journal);
    EXPECT_EQ(now.rows, 3);
    EXPECT_EQ(std::to_string(now.bytes), world_.sql("select sum(bytes) from {schema}.journal"));
    EXPECT_EQ(now.last_id, rows[2].id);
    EXPECT_EQ(now.dead_letters, 0);
}

TEST_F(shared_journal_test, knows_how_old_its_first_row_is) {
    shared_journal& journal = opened();
    EXPECT_EQ(state(journal).last_id, 0);
    EXPECT_EQ(state(journal).rows, 0);
    note("a");
    note("b");
    world_.sql("update {schema}.journal set made_at = made_at - interval '1 hour' where words[3] = 'a'");
    EXPECT_GE(state(journal).oldest_ms, 3'600'000);
    EXPECT_LT(state(journal).oldest_ms, 7'200'000);
}

TEST_F(shared_journal_test, a_group_stands_together_where_its_first_row_is) {
    shared_journal& journal = opened();
    note("a");
    note("b1", "'1:0'");
    note("c");
    note("d1", "'2:0'");
    note("b2", "'1:0'");
    note("e");
    note("d2", "'2:0'");
    note("b3", "'1:0'");
    EXPECT_EQ(shown(fetch(journal)), "a b1+b2+b3 c d1+d2 e");
}

TEST_F(shared_journal_test, bounds_cut_between_groups_never_into_one) {
    shared_journal& journal = opened();
    note("a");
    note("b1", "'1:0'");
    note("c");
    note("b2", "'1:0'");
    note("b3", "'1:0'");
    note("d");
    EXPECT_EQ(shown(fetch(journal, all, 1)), "a");
    EXPECT_EQ(shown(fetch(journal, all, 2)), "a");
    EXPECT_EQ(shown(fetch(journal, all, 3)), "a");
    EXPECT_EQ(shown(fetch(journal, all, 4)), "a b1+b2+b3");
    EXPECT_EQ(shown(fetch(journal, all, 5)), "a b1+b2+b3 c");
    EXPECT_EQ(shown(fetch(journal, all, many, 0)), "a");
    EXPECT_EQ(shown(fetch(journal, all, many, 39)), "a");
    EXPECT_EQ(shown(fetch(journal, all, many, 40)), "a b1+b2+b3");
    world_.sql("delete from {schema}.journal where words[3] = 'a'");
    EXPECT_EQ(shown(fetch(journal, all, 1)), "b1+b2+b3");
    EXPECT_EQ(shown(fetch(journal, all, many, 0)), "b1+b2+b3");
    const std::int64_t first = fetch(journal)[0].id;
    EXPECT_EQ(shown(fetch(journal, first)), "b1+b2+b3");
    EXPECT_EQ(shown(fetch(journal, first + 1)), "b1+b2+b3 c");
    EXPECT_EQ(shown(fetch(journal, first - 1)), "");
}

TEST_F(shared_journal_test, what_comes_late_with_a_small_number_is_taken_then) {
    shared_journal& journal = replaying();
    const auto [other, failed] = world_.connect(shared_postgres().dsn());
    ASSERT_FALSE(failed);
    const auto run = [&](const std::string& sql) {
        const auto got = world_.run(*other, schema(world_.settings.schema).in(sql));
        EXPECT_FALSE(got.failed) << got.failed->text;
    };
    run("begin");
    run("insert into {schema}.journal (tenant, prefix, database, words, bytes) values ('acme', 't:', 0, '{SET,k,late}', 10)");
    note("b");
    const auto rows = fetch(journal);
    EXPECT_EQ(shown(rows), "b");
    std::int64_t number = 0;
    EXPECT_EQ(told(journal.claim(ids_of(rows), number)), "");
    run("commit");
    std::int64_t gone = 0;
    EXPECT_EQ(told(journal.recover(number, gone)), "");
    EXPECT_EQ(gone, 1);
    EXPECT_EQ(shown(fetch(journal)), "late");
}

TEST_F(shared_journal_test, what_is_done_goes_and_what_was_refused_becomes_a_dead_letter) {
    shared_journal& journal = replaying();
    for (const auto* each : {"a", "b", "c", "d"}) note(each);
    auto rows = fetch(journal, all, 3);
    std::int64_t number = 0;
    EXPECT_EQ(told(journal.claim(ids_of(rows), number)), "");
    EXPECT_GT(number, 0);
    EXPECT_EQ(world_.sql("select batch from {schema}.journal_shown where words[3] = 'b'"), std::to_string(number));
    EXPECT_EQ(world_.sql("select batch is null from {schema}.journal_shown where words[3] = 'd'"), "t");
    for (int twice = 0; twice < 2; ++twice) {
        EXPECT_EQ(told(journal.done(ids_of(rows), {{rows[1].id, std::string("WRONGTYPE \0\xff", 12)}})), "");
        EXPECT_EQ(rows_and_bytes(journal), "1 10");
        EXPECT_EQ(state(journal).dead_letters, 1);
    }
    EXPECT_EQ(shown(fetch(journal)), "d");
    EXPECT_EQ(world_.sql("select tenant || prefix || database || words[3]::text || reason from {schema}.dead_letters"),
              "acmet:3\\x62WRONGTYPE \\000\\377");
}

TEST_F(shared_journal_test, a_batch_that_arrived_is_not_sent_again) {
    std::int64_t number = 0, gone = 0;
    {
        shared_journal& dying = replaying();
        for (const auto* each : {"a", "b", "c"}) note(each);
        std::int64_t before = 0;
        EXPECT_EQ(told(dying.claim(ids_of(fetch(dying, all, 1)), before)), "");
        EXPECT_EQ(told(dying.claim(ids_of(fetch(dying, all, 2)), number)), "");
        EXPECT_NE(before, number);
        dying.close();
        shared_journal& next = replaying();
        EXPECT_EQ(told(next.recover(before, gone)), "");
        EXPECT_EQ(gone, 0);
        next.close();
    }
    shared_journal& next = replaying();
    EXPECT_EQ(told(next.recover(number, gone)), "");
    EXPECT_EQ(gone, 2);
    EXPECT_EQ(shown(fetch(next)), "c");
    EXPECT_EQ(rows_and_bytes(next), "1 10");
    EXPECT_EQ(told(next.recover(number, gone)), "");
    EXPECT_EQ(gone, 0);
}

TEST_F(shared_journal_test, rows_that_somebody_has_deleted_are_not_claimed) {
    shared_journal& journal = replaying();
    for (const auto* each : {"a", "b"}) note(each);
    const auto rows = fetch(journal);
    world_.sql("delete from {schema}.journal where words[3] = 'a'");
    std::int64_t number = 0;
    EXPECT_EQ(told(journal.claim(ids_of(rows), number)), "statement: rows of the journal are gone, by somebody else's hand");
    EXPECT_EQ(told(journal.claim(ids_of(fetch(journal)), number)), "");
}

TEST_F(shared_journal_test, is_empty_when_no_row_is_left_whatever_the_counters_say) {
    shared_journal& journal = opened();
    note("a");
    world_.sql("delete from {schema}.journal");
    EXPECT_EQ(rows_and_bytes(journal), "0 0");
    note("b");
    world_.sql("update {schema}.journal_size set rows = -7");
    EXPECT_EQ(state(journal).rows, 1);
}

// ---- one replayer --------------------------------------------------------------------------------------------------

TEST_F(shared_journal_test, one_weir_replays_and_another_when_its_session_has_ended) {
    shared_journal& first = replaying();
    shared_journal& second = opened();
    note("a");
    const auto rows = fetch(first);
    bool got = true;
    EXPECT_EQ(told(second.lock(got)), "");
    EXPECT_FALSE(got);
    EXPECT_EQ(told(first.lock(got)), "");
    EXPECT_TRUE(got);
    std::int64_t number = 0;
    EXPECT_THAT(told(second.claim(ids_of(rows), number)), StartsWith("lost: "));
    EXPECT_THAT(told(second.done(ids_of(rows), {})), StartsWith("lost: "));
    end_backend_of("2");
    EXPECT_TRUE(world_.until([&] {
        EXPECT_EQ(told(second.lock(got)), "");
        return got;
    }));
    EXPECT_TRUE(world_.until([&] { return !first.is_open(); }));
    EXPECT_THAT(told(first.claim(ids_of(rows), number)), StartsWith("lost: "));
    EXPECT_EQ(told(first.open()), "");
    EXPECT_THAT(told(first.claim(ids_of(rows), number)), StartsWith("lost: "));
    EXPECT_THAT(told(first.done(ids_of(rows), {})), StartsWith("lost: "));
    EXPECT_EQ(rows_of_table(), "1");
    EXPECT_EQ(told(second.claim(ids_of(rows), number)), "");
    EXPECT_EQ(told(second.unlock()), "");
    EXPECT_EQ(told(first.lock(got)), "");
    EXPECT_TRUE(got);
}

TEST_F(shared_journal_test, weirs_on_other_schemas_replay_for_themselves) {
    replaying();
    world_.settings.schema = postgres_world::fresh_schema();
    replaying();
}

// ---- who answers from the store ------------------------------------------------------------------------------------

TEST_F(shared_journal_test, the_first_deletes_what_an_outage_has_left) {
    opened();
    world_.sql("insert into {schema}.entries (prefix, database, key, type, string) select 't:', 0, n::text::bytea, 'string', 'v'"
               " from generate_series(1, 450) n");
    EXPECT_EQ(world_.sql("select count(*) from {schema}.entries"), "450");
    add_entry("kept", true);
    entered(true);
    EXPECT_EQ(entries(), "kept");
    add_entry("new", false);
    entered(false);
    EXPECT_EQ(entries(), "kept new");
}

TEST_F(shared_journal_test, nothing_is_deleted_while_the_journal_has_rows) {
    opened();
    add_entry("new", false);
    note("a");
    shared_journal& journal = entered(false);
    EXPECT_EQ(told(journal.leave()), "");
    EXPECT_EQ(entries(), "new");
}

TEST_F(shared_journal_test, the_last_who_leaves_deletes) {
    shared_journal& first = entered(true);
    shared_journal& second = entered(false);
    add_entry("new", false);
    add_entry("kept", true);
    EXPECT_EQ(told(first.leave()), "");
    EXPECT_FALSE(first.is_entered());
    EXPECT_EQ(told(first.leave()), "");
    EXPECT_EQ(entries(), "kept new");
    EXPECT_EQ(told(second.leave()), "");
    EXPECT_EQ(entries(), "kept");
}

TEST_F(shared_journal_test, one_that_died_is_no_longer_there) {
    shared_journal& dying = entered(true);
    add_entry("new", false);
    dying.close();
    EXPECT_TRUE(world_.until([&] {
        return world_.sql("select count(*) from pg_locks where locktype = 'advisory' and objsubid = 2 and"
                          " classid = '{schema}'::regnamespace") == "0";
    }));
    entered(true);
    EXPECT_EQ(entries(), "");
}

TEST_F(shared_journal_test, counters_begin_anew_with_the_first) {
    opened();
    note("a");
    world_.sql("delete from {schema}.journal");
    entered(true);
    EXPECT_EQ(world_.sql("select sum(abs(rows)) + sum(bytes) from {schema}.journal_size"), "0");
}

TEST_F(shared_journal_test, who_comes_while_another_one_deletes_comes_again) {
    opened();
    options_.statement_timeout = std::chrono::milliseconds{1'000};
    shared_journal& journal = opened();
    const auto [other, failed] = world_.connect(shared_postgres().dsn());
    const auto turn = [&](const std::string& function) {
        const auto got = world_.run(*other, schema(world_.settings.schema).in("select " + function + "('{schema}'::regnamespace::oid::int, 3)"));
        EXPECT_FALSE(got.failed);
    };
    turn("pg_advisory_lock");
    bool first = false;
    EXPECT_EQ(told(journal.enter(first)), "busy: another weir is deleting what an outage has left");
    EXPECT_TRUE(journal.is_open());
    EXPECT_FALSE(journal.is_entered());
    turn("pg_advisory_unlock");
    EXPECT_EQ(told(journal.enter(first)), "");
    EXPECT_TRUE(first);
    turn("pg_advisory_lock");
    EXPECT_EQ(told(journal.leave()), "");
    EXPECT_EQ(world_.sql("select count(*) from pg_locks where locktype = 'advisory' and objsubid = 2 and objid = 1 and"
                         " classid = '{schema}'::regnamespace"),
              "0");
}

TEST_F(shared_journal_test, whoever_cannot_delete_does_not_enter_and_holds_nothing) {
    opened();
    add_entry("stuck", false);
    world_.sql("create function {schema}.refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$;"
               " create trigger refuse before delete on {schema}.entries for each row execute function {schema}.refuse()");
    shared_journal& journal = opened();
    bool first = false;
    EXPECT_EQ(told(journal.enter(first)), "statement: no");
    EXPECT_FALSE(journal.is_entered() || journal.is_open());
    world_.sql("drop trigger refuse on {schema}.entries");
    entered(true);
    EXPECT_EQ(entries(), "");
}

TEST_F(shared_journal_test, a_row_that_exists_keeps_that_it_is_shadowed) {
    opened();
    add_entry("k", true);
    world_.sql("update {schema}.entries set prefix = 'tenant:acme:'");
    EXPECT_EQ(world_.pipeline({{"APPEND", "k", "w"}, {"SET", "n", "1"}}), ":2\r\n+OK\r\n");
    EXPECT_EQ(world_.sql("select string_agg(key || shadowed, ' ' order by key) from {schema}.entries_shown"), "ktrue nfalse");
}

}  // namespace
}  // namespace weir::pg::test
