#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/arguments.hpp"
#include "protocol/command_table.hpp"

namespace weir::errors {

/// Every error text that a client can get from weir, with its Redis code in front and without `-` and line end.
/// Where Redis has a text for the case it is Redis' own (server.c of 7.0).

inline constexpr std::string_view max_clients = "ERR max number of clients reached";
inline constexpr std::string_view syntax = "ERR syntax error";
inline constexpr std::string_view script_flush_options = "ERR SCRIPT FLUSH only support SYNC|ASYNC option";
inline constexpr std::string_view not_an_integer = "ERR value is not an integer or out of range";
inline constexpr std::string_view database_out_of_range = "ERR DB index is out of range";
inline constexpr std::string_view unsupported_protocol = "NOPROTO unsupported protocol version";
inline constexpr std::string_view protocol_not_an_integer = "ERR Protocol version is not an integer or out of range";
inline constexpr std::string_view no_cluster = "ERR This instance has cluster support disabled";
inline constexpr std::string_view auth_not_configured =
    "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
    "configuration is correct?";
inline constexpr std::string_view wrong_password = "WRONGPASS invalid username-password pair or user is disabled.";
inline constexpr std::string_view no_auth = "NOAUTH Authentication required.";
inline constexpr std::string_view hello_without_auth =
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> "
    "option can be used to authenticate the client and select the RESP protocol version at the same time";
inline constexpr std::string_view too_many_logins = "ERR too many clients are authenticating, try again";
inline constexpr std::string_view database_not_allowed = "NOPERM this tenant has no access to that database";
inline constexpr std::string_view key_not_permitted =
    "NOPERM this user has no permissions to access one of the keys used as arguments";
inline constexpr std::string_view no_breaker = "ERR no circuit breaker is configured";
inline constexpr std::string_view unknown_breaker_action =
    "ERR unknown action; valid are FORCE-OPEN, DISABLE, DRY-RUN and RESET";
inline constexpr std::string_view sort_by_not_permitted =
    "ERR BY option of SORT denied due to insufficient ACL permissions.";
inline constexpr std::string_view sort_get_not_permitted =
    "ERR GET option of SORT denied due to insufficient ACL permissions.";
inline constexpr std::string_view key_too_long = "ERR key is longer than this tenant's long_keys.over allows";
inline constexpr std::string_view listing_too_long = "ERR weir: the list is too long, ask for fewer commands at once";
inline constexpr std::string_view too_many_patterns = "ERR weir: too many patterns in one CONFIG GET";
inline constexpr std::string_view no_such_client = "ERR No such client";
inline constexpr std::string_view invalid_client_id = "ERR Invalid client ID";
inline constexpr std::string_view client_id_not_positive = "ERR client-id should be greater than 0";
inline constexpr std::string_view max_age_not_an_integer = "ERR maxage is not an integer or out of range";
inline constexpr std::string_view max_age_not_positive = "ERR maxage should be greater than 0";
inline constexpr std::string_view unblock_reason = "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR";
inline constexpr std::string_view workers_silent = "ERR weir: not all of its threads answered in time, try again";
inline constexpr std::string_view foreign_name =
    "ERR weir: the upstream's reply named a key outside the tenant, so it was withheld";

inline constexpr std::string_view exec_without_multi = "ERR EXEC without MULTI";
inline constexpr std::string_view discard_without_multi = "ERR DISCARD without MULTI";
inline constexpr std::string_view nested_multi = "ERR MULTI calls can not be nested";
inline constexpr std::string_view watch_in_multi = "ERR WATCH inside MULTI is not allowed";
inline constexpr std::string_view transaction_aborted = "EXECABORT Transaction discarded because of previous errors.";
inline constexpr std::string_view transaction_lost =
    "EXECABORT Transaction discarded because of: the upstream connection that watched its keys is lost";
inline constexpr std::string_view transaction_too_long =
    "ERR the transaction is longer than clients.max_request allows";
inline constexpr std::string_view script_beside_keyspace =
    "ERR a transaction here cannot hold scripts and commands on the whole keyspace (KEYS, SCAN, SORT) at once";
inline constexpr std::string_view no_redirection_target = "ERR The client ID you want redirect to does not exist";
inline constexpr std::string_view one_redirection = "ERR A client can only redirect to a single other client";
inline constexpr std::string_view no_redirection = "ERR the upstream does not tell client ids, which REDIRECT needs";
inline constexpr std::string_view caching_without_tracking =
    "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled";

inline constexpr std::string_view upstream_lost_write =
    "UPSTREAM lost: the connection broke after the command was sent, its outcome is unknown";
inline constexpr std::string_view upstream_lost_unsent =
    "UPSTREAM lost: the connection broke before the command was sent, it was not executed";
inline constexpr std::string_view upstream_lost_subscriptions =
    "UPSTREAM lost: the connection that carries this tenant's subscriptions broke";
inline constexpr std::string_view upstream_timeout =
    "UPSTREAM timeout: no reply within command_timeout, the outcome is unknown";
inline constexpr std::string_view upstream_silent =
    "UPSTREAM timeout: the upstream has stopped answering, the command was not sent";
inline constexpr std::string_view upstream_protocol =
    "UPSTREAM protocol: the upstream sent what is no RESP, the outcome is unknown";
inline constexpr std::string_view pool_exhausted =
    "UPSTREAM busy: no dedicated connection became free within pool.acquire_timeout";

/// A reason for the next.
inline constexpr std::string_view journal_full = "the journal is full";
inline constexpr std::string_view transaction_takes_too_long = "the transaction takes too long";
/// `FALLBACK breaker open: 'xadd' cannot be answered while Redis is away (…)`. `reason` may be empty.
[[nodiscard]] std::string not_without_upstream(std::string_view breaker_state, std::string_view what, std::string_view reason);
/// `UPSTREAM down: …`, with what is wrong.
[[nodiscard]] std::string upstream_down(std::string_view what);

[[nodiscard]] std::string unknown_command(const arguments& request);
[[nodiscard]] std::string unknown_subcommand(const arguments& request);
/// `ERR unknown subcommand or wrong number of arguments …`, for one that is known but says too much.
[[nodiscard]] std::string subcommand_syntax(const arguments& request);
[[nodiscard]] std::string unknown_client_type(std::string_view name);
[[nodiscard]] std::string no_such_user(std::string_view name);
[[nodiscard]] std::string wrong_arity(const command_spec& command);
/// NOPERM in Redis' words, for what the tenant's permissions take away.
[[nodiscard]] std::string command_not_permitted(const command_spec& command);
/// The same for what no tenant may do, and why: the row's own reason, or another.
[[nodiscard]] std::string not_permitted(const command_spec& command);
[[nodiscard]] std::string not_permitted(const command_spec& command, std::string_view reason);
/// What is told of a limit that a command would be over.
struct limit_facts {
    std::string_view limit;
    std::string_view tenant;
    std::string_view rate;  ///< `100 per 1h`
    std::uint64_t count = 0;
    std::uint64_t remaining = 0;
    std::chrono::milliseconds reset_after{0};
    std::optional<std::chrono::milliseconds> retry_after;  ///< none: the command costs more than the limit can ever have
    bool store_down = false;  ///< nobody knows: the count is kept where nobody answers
};
/// `RATELIMITED limit 'writes' of tenant 'acme': 100 per 1h, retry in 1234 ms (limit=100 remaining=0 reset_ms=1234)`
[[nodiscard]] std::string over_limit(const limit_facts& facts);
/// Beyond a tenant's quotas.
[[nodiscard]] std::string too_many_arguments(std::size_t most);
[[nodiscard]] std::string request_too_long(std::size_t most_bytes);
/// To a client that has subscriptions, in RESP2.
[[nodiscard]] std::string only_while_subscribed(const command_spec& command);
/// In a transaction: what cannot be done between other commands.
[[nodiscard]] std::string not_in_transaction(const command_spec& command);

}  // namespace weir::errors
