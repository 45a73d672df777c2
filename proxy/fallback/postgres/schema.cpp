#include "proxy/fallback/postgres/schema.hpp"

#include <algorithm>
#include <array>

#include "proxy/fallback/postgres/pg_await.hpp"
#include "proxy/logging.hpp"

namespace weir::pg {

namespace asio = boost::asio;

namespace {

constexpr auto first_version = std::to_array<std::string_view>({
    "create schema if not exists {schema}",
    "comment on schema {schema} is 'What weir answers from while Redis is away'",

    "create table {schema}.schema_version (version int primary key, made_at timestamptz not null default now())",
    "comment on table {schema}.schema_version is 'One row for each migration; the greatest is what the tables are now'",

    // Whatever says to Postgres that a value is there is a key's bytes, never text: clients send what they like.
    R"(create table {schema}.entries (
        prefix text collate "C" not null,
        database int not null,
        key bytea not null,
        place bigint not null generated always as ((('x' || substr(encode(sha256(key), 'hex'), 1, 12))::bit(48))::bigint) stored,
        expires_at bigint check (expires_at > 0),
        type text collate "C" not null check (type in ('string', 'list', 'set', 'zset', 'hash')),
        grown boolean not null default false,
        shadowed boolean not null default false,
        string bytea,
        elements bytea[],
        scores float8[],
        primary key (prefix, database, key),
        check ((type = 'string') = (string is not null) and (type = 'string') = (elements is null)
               and (type = 'zset') = (scores is not null))
    ) with (fillfactor = 80))",
    "create index entries_place on {schema}.entries (prefix, database, place)",
    "create index entries_expiry on {schema}.entries (expires_at) where expires_at is not null",
    "create index entries_not_shadowed on {schema}.entries (prefix, database, key) where not shadowed",
    "comment on table {schema}.entries is 'Keys and their values as weir knows them; shown as text by entries_shown'",
    "comment on column {schema}.entries.prefix is 'Whose: what stands before the tenant''s keys in Redis'",
    "comment on column {schema}.entries.database is 'As SELECT counts'",
    "comment on column {schema}.entries.key is 'As the client named it, without the prefix'",
    "comment on column {schema}.entries.place is 'Where SCAN meets the key: the first 48 bits of its SHA-256'",
    "comment on column {schema}.entries.expires_at is 'Milliseconds since 1970; the key counts as absent afterwards'",
    "comment on column {schema}.entries.grown is 'No longer in the small encoding whose order clients can see (OBJECT ENCODING)'",
    "comment on column {schema}.entries.shadowed is "
    "'Kept the same as Redis by the shadow; other rows are from an outage, and go when it is over'",
    "comment on column {schema}.entries.string is 'The value of a string'",
    "comment on column {schema}.entries.elements is "
    "'List: from left to right. Set, zset: members. Hash: field, value, field, value, … In the order that clients see'",
    "comment on column {schema}.entries.scores is 'Of the members of a zset, in the same order'",

    R"(create table {schema}.journal (
        id bigint generated always as identity primary key,
        tenant text not null,
        prefix text not null,
        database int not null,
        words bytea[] not null,
        bytes bigint not null,
        joined text,
        made_at timestamptz not null default now()
    ) with (autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_scale_factor = 0))",
    "create index journal_joined on {schema}.journal (joined, id) where joined is not null",
    "comment on table {schema}.journal is "
    "'Writes that were accepted while Redis was away, as exact operations, for the one who gives them to Redis'",
    "comment on column {schema}.journal.id is 'For each key in the order of the commits; numbers may be missing'",
    "comment on column {schema}.journal.words is 'The command, its keys as the client named them'",
    "comment on column {schema}.journal.joined is 'Rows with the same text are one MULTI/EXEC'",
    "comment on column {schema}.journal.bytes is 'About what the row takes'",

    // Rows, as one would make whoever writes wait for whoever else does.
    R"(create table {schema}.journal_size (
        part int primary key,
        rows bigint not null default 0,
        bytes bigint not null default 0
    ) with (fillfactor = 30))",
    "insert into {schema}.journal_size (part) select generate_series(0, 63)",
    "comment on table {schema}.journal_size is "
    "'How long the journal is: only the sums mean something. Who changes the journal by hand sets them right'",
    "comment on column {schema}.journal_size.part is 'Which one a session adds to: its process number modulo how many there are'",

    R"(create table {schema}.replay (
        one boolean primary key default true check (one),
        marker uuid not null default gen_random_uuid(),
        batch bigint,
        ids bigint[],
        claimed_at timestamptz
    ))",
    "insert into {schema}.replay default values",
    "comment on table {schema}.replay is 'How far the journal has been given to Redis. Who does that has an advisory lock: pg_locks, "
    "classid the oid of this schema, objid 2'",
    "comment on column {schema}.replay.marker is 'Redis holds the number of the last batch that it got under weir:replay:<marker>'",
    "comment on column {schema}.replay.batch is 'The number of the last batch that was to be sent'",
    "comment on column {schema}.replay.ids is 'Its rows: done, if Redis holds this number'",

    R"(create table {schema}.dead_letters (
        id bigint primary key,
        tenant text not null,
        prefix text not null,
        database int not null,
        words bytea[] not null,
        made_at timestamptz not null,
        refused_at timestamptz not null default now(),
        reason text not null
    ))",
    "comment on table {schema}.dead_letters is 'Operations of the journal that Redis refused, and why'",

    // An unlogged table is empty after a crash and on a standby that took over: only where the token is the same does
    // pg_xact_status() speak of the transaction that we mean, as numbers may be given out again after a crash.
    R"(create unlogged table {schema}.incarnation (one boolean primary key default true check (one), token uuid not null default
        gen_random_uuid()))",
    "comment on table {schema}.incarnation is 'Its token changes when the server has crashed'",

    R"(create view {schema}.entries_shown as
    select prefix, database, encode(key, 'escape') as key, type,
        case type
        when 'string' then to_json(encode(string, 'escape'))
        when 'hash' then (
            select json_object_agg(field, value order by pair) from (
                select (place - 1) / 2 as pair, min(encode(word, 'escape')) filter (where place % 2 = 1) as field,
                    min(encode(word, 'escape')) filter (where place % 2 = 0) as value
                from unnest(elements) with ordinality as words (word, place) group by 1) as pairs)
        when 'zset' then (
            select json_object_agg(encode(member, 'escape'), score order by score, member)
            from unnest(elements, scores) as members (member, score))
        else (
            select json_agg(encode(element, 'escape') order by place)
            from unnest(elements) with ordinality as each (element, place))
        end as value,
        case when expires_at < 253402300800000 then to_timestamp(expires_at / 1000.0) end as expires_at, shadowed
    from {schema}.entries)",
    R"(create view {schema}.journal_shown as
    select id, tenant, database, array(select encode(word, 'escape') from unnest(words) with ordinality as each (word, place)
        order by place) as words, joined,
        (select batch from {schema}.replay where id = any (ids)) as batch, made_at
    from {schema}.journal)",
});

error refused(const error& why, const std::string& what) {
    return {error::kind::connect, why.sqlstate, what + ": " + why.text};
}

}  // namespace

bool schema::is_name(std::string_view text) {
    return !text.empty() && text.size() < 64 && !(text[0] >= '0' && text[0] <= '9') && !text.starts_with("pg_") &&
           std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

std::string schema::in(std::string_view sql) const {
    static constexpr std::string_view mark = "{schema}";
    std::string made(sql);
    for (auto at = made.find(mark); at != std::string::npos; at = made.find(mark, at + name_.size())) {
        made.replace(at, mark.size(), name_);
    }
    return made;
}

asio::awaitable<std::optional<error>> schema::prepare(connection& on) const {
    batch question;
    question.add_sql("select pg_is_in_recovery(), to_regclass('" + name_ + ".schema_version') is not null,"
                     " current_setting('server_version_num')::int >= 130000");
    const outcome state = co_await run(on, question);
    if (state.failed) co_return refused(*state.failed, "cannot use the schema " + name_);
    if (state.results[0].is_true(0, 0)) {
        co_return error{error::kind::connect, "25006",
                        "the server is a standby, which takes no writes; name the primary, or add target_session_attrs=read-write"};
    }
    if (!state.results[0].is_true(0, 2)) co_return error{error::kind::connect, {}, "Postgres 13 or newer is needed"};
    std::int64_t found = 0;
    if (state.results[0].is_true(0, 1)) {
        batch asked;
        asked.add_sql(in("select max(version)::bigint from {schema}.schema_version"));
        const outcome told = co_await run(on, asked);
        if (told.failed) co_return refused(*told.failed, "cannot use the schema " + name_);
        found = told.results[0].int8(0, 0).value_or(0);
    }
    if (found < version) {
        if (auto fault = co_await migrate(on)) co_return fault;
    } else if (auto fault = judge(found)) {
        co_return fault;
    }
    co_return co_await check_rights(on);
}

std::optional<error> schema::judge(std::int64_t found) const {
    if (found <= version) return std::nullopt;
    return error{error::kind::connect, {},
                 "the schema " + name_ + " has version " + std::to_string(found) + ", and this weir knows version " +
                     std::to_string(version) + ": it needs a newer weir"};
}

asio::awaitable<std::optional<error>> schema::migrate(connection& on) const {
    batch begin;
    begin.add_sql("begin read write");
    begin.add_sql("select pg_advisory_xact_lock(hashtextextended('" + name_ + ".schema_version', 0))");
    // Not to_regclass(): it believes a cache that the wait for the lock does not bring up to date.
    begin.add_sql("select exists (select from pg_class t join pg_namespace n on n.oid = t.relnamespace where n.nspname = '" + name_ +
                  "' and t.relname = 'schema_version')");
    const outcome begun = co_await run(on, begin);
    if (begun.failed) co_return refused(*begun.failed, "cannot create the schema " + name_);
    // Another process may have done it meanwhile.
    const bool there = begun.results[2].is_true(0, 0);
    batch steps;
    if (!there) {
        for (const auto sql : first_version) steps.add_sql(in(sql));
        steps.add_sql(in("insert into {schema}.schema_version (version) values (" + std::to_string(version) + ")"));
    }
    steps.add_sql("commit");
    const outcome made = co_await run(on, steps);
    if (made.failed) {
        batch rollback;
        rollback.add_sql("rollback");
        co_await run(on, rollback);
        const std::string hint = made.failed->sqlstate == "42501"
                                     ? " (a role with CREATE on the database must connect once, or make it with this role as owner)"
                                     : "";
        auto fault = refused(*made.failed, "cannot create the schema " + name_);
        fault.text += hint;
        co_return fault;
    }
    if (!there) log_info("postgres schema made", {{"schema", name_}, {"version", version}});
    co_return std::nullopt;
}

asio::awaitable<std::optional<error>> schema::check_rights(connection& on) const {
    batch question;
    question.add_sql(in("insert into {schema}.incarnation default values on conflict do nothing"));
    question.add_sql(in(
        "select string_agg(wanted.name, ', ') from (values ('entries'), ('journal'), ('journal_size'), ('replay'), ('dead_letters')) as wanted (name)"
        " where not (has_table_privilege('{schema}.' || wanted.name, 'select')"
        " and has_table_privilege('{schema}.' || wanted.name, 'insert')"
        " and has_table_privilege('{schema}.' || wanted.name, 'update')"
        " and has_table_privilege('{schema}.' || wanted.name, 'delete'))"));
    const outcome told = co_await run(on, question);
    if (told.failed) co_return refused(*told.failed, "cannot use the schema " + name_);
    if (const auto missing = told.results[1].bytes(0, 0)) {
        co_return error{error::kind::connect, "42501",
                        "this role needs select, insert, update and delete in the schema " + name_ + " on: " + std::string(*missing)};
    }
    co_return std::nullopt;
}

}  // namespace weir::pg
