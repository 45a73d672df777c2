#pragma once

#include <vector>

#include "proxy/fallback/postgres/pg_batch.hpp"
#include "proxy/fallback/postgres/schema.hpp"

namespace weir::pg {

/// What is asked of the tables of one schema; each connection prepares all of it.
struct statements {
    explicit statements(const schema& of);

    [[nodiscard]] boost::asio::awaitable<std::optional<error>> prepare(connection& on) const;

    statement begin;           ///< of what writes: each statement sees what was committed before it
    statement begin_snapshot;  ///< of what reads: all see the same
    statement commit;
    statement rollback;
    statement lock_tenant;             ///< $1 lock
    statement lock_tenant_exclusively;
    statement lock_keys;               ///< $1 locks, taken in the array's order
    statement identify;                ///< gives the transaction's number, the server's incarnation and the journal's bytes
    statement look_up;                 ///< $1 number $2 incarnation; gives what became of it, or null

    statement fetch;            ///< $1 prefix $2 database $3 keys; gives key and entry_columns
    statement count;            ///< $1 prefix $2 database $3 now
    statement list;             ///< $1 prefix $2 database $3 place $4 how many; gives key, place, type, expires_at
    statement pick;             ///< $1 prefix $2 database $3 place $4 now; gives a key that lives

    statement upsert;           ///< $1 prefix $2 database $3 key, then entry_columns
    statement remove;           ///< $1 prefix $2 database $3 keys
    statement remove_database;  ///< $1 prefix $2 database
    statement remove_tenant;    ///< $1 prefix
    statement note;             ///< $1 tenant $2 prefix $3 database $4 words $5 joined $6 bytes
    statement count_notes;      ///< $1 rows $2 bytes
    statement expire;           ///< $1 now $2 how many
};

/// What each connection prepares when it is opened.
[[nodiscard]] boost::asio::awaitable<std::optional<error>> prepare_all(connection& on,
                                                                       std::vector<const statement*> wanted);

}  // namespace weir::pg
