#include "proxy/fallback/postgres/statements.hpp"

#include "proxy/fallback/postgres/pg_await.hpp"

namespace weir::pg {

statements::statements(const schema& of)
    : begin{"begin", "begin isolation level read committed read write"},
      begin_snapshot{"begin_snapshot", "begin isolation level repeatable read read only"},
      commit{"commit", "commit"},
      rollback{"rollback", "rollback"},
      lock_tenant{"lock_tenant", "select pg_advisory_xact_lock_shared($1)"},
      lock_tenant_exclusively{"lock_tenant_exclusively", "select pg_advisory_xact_lock($1::bigint)"},
      lock_keys{"lock_keys", "select count(pg_advisory_xact_lock(lock)) from unnest($1::bigint[]) as wanted (lock)"},
      identify{"identify", of.in("select pg_current_xact_id()::text, (select token from {schema}.incarnation),"
                              " (select sum(bytes)::bigint from {schema}.journal_size)")},
      look_up{"look_up",
              of.in("select case when token = $2 then pg_xact_status($1::text::xid8) end from {schema}.incarnation")},
      fetch{"fetch", of.in("select key, type, grown, expires_at, string, elements, scores from {schema}.entries"
                           " where prefix = $1 and database = $2 and key = any($3)")},
      count{"count", of.in("select count(*) from {schema}.entries where prefix = $1 and database = $2"
                           " and (expires_at is null or expires_at >= $3)")},
      list{"list", of.in("select key, place, type, expires_at from {schema}.entries"
                         " where prefix = $1 and database = $2 and place >= $3 order by place fetch first $4 rows with ties")},
      // Round the end, as the places are a circle: the one behind a random place is a random one.
      pick{"pick", of.in("(select key from {schema}.entries where prefix = $1 and database = $2 and place >= $3"
                         " and (expires_at is null or expires_at >= $4) order by place limit 1) union all"
                         " (select key from {schema}.entries where prefix = $1 and database = $2"
                         " and (expires_at is null or expires_at >= $4) order by place limit 1) limit 1")},
      upsert{"upsert",
             of.in("insert into {schema}.entries"
                   " (prefix, database, key, type, grown, expires_at, string, elements, scores)"
                   " values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (prefix, database, key) do update set"
                   " type = excluded.type, grown = excluded.grown, expires_at = excluded.expires_at,"
                   " string = excluded.string, elements = excluded.elements, scores = excluded.scores")},
      remove{"remove", of.in("delete from {schema}.entries where prefix = $1 and database = $2 and key = any($3)")},
      remove_database{"remove_database", of.in("delete from {schema}.entries where prefix = $1 and database = $2")},
      remove_tenant{"remove_tenant", of.in("delete from {schema}.entries where prefix = $1")},
      note{"note", of.in("insert into {schema}.journal (tenant, prefix, database, words, joined, bytes)"
                    " values ($1, $2, $3, $4, $5, $6)")},
      count_notes{"count_notes", of.in("update {schema}.journal_size set rows = rows + $1, bytes = bytes + $2"
                                       " where part = pg_backend_pid() % (select max(part) + 1 from {schema}.journal_size)")},
      // Rows that others are busy with are left for the next time. Whoever writes such a row at this moment has made it live
      // again, which FOR UPDATE looks at anew.
      expire{"expire", of.in("with old as (select prefix, database, key from {schema}.entries where expires_at < $1"
                             " order by expires_at limit $2 for update skip locked)"
                             " delete from {schema}.entries as gone using old where gone.prefix = old.prefix"
                             " and gone.database = old.database and gone.key = old.key returning gone.database")} {}

boost::asio::awaitable<std::optional<error>> statements::prepare(connection& on) const {
    return prepare_all(on, {&begin, &begin_snapshot, &commit, &rollback, &lock_tenant, &lock_tenant_exclusively, &lock_keys,
                            &identify, &look_up, &fetch, &count, &list, &pick, &upsert, &remove, &remove_database,
                            &remove_tenant, &note, &count_notes, &expire});
}


boost::asio::awaitable<std::optional<error>> prepare_all(connection& on, std::vector<const statement*> wanted) {
    batch all;
    for (const statement* const each : wanted) all.prepare(*each);
    outcome made = co_await run(on, all);
    co_return std::move(made.failed);
}

}  // namespace weir::pg
