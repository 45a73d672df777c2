#include "protocol/command_rows.hpp"

#include <array>

// The rows are the source of truth for what weir does with a command. One reads:
//
//     route(name, arity, flags, categories, key specifications…, request rule, reply rule, reason)
//
// Name, arity, flags, categories and key specifications are the server's own (COMMAND INFO). Where
// Valkey 8.0.1 and Redis 7.0.15 differ, the row is Valkey's, the newer: of what weir reads, only the arity of
// ZRANK, ZREVRANK and COMMAND GETKEYS[ANDFLAGS] is wider, and those are forwarded, so that an older server
// refuses in its own words. Categories that follow from the flags (@write, @read, @admin, @fast, @slow, …)
// are not written down. Whoever adds a row says what its reply may show: a name of another tenant, anybody's
// statistics?

namespace weir {

namespace {

using flag_bits = std::uint32_t;
using category_bits = std::uint32_t;

constexpr flag_bits bit(command_flag f) {
    return static_cast<flag_bits>(f);
}
constexpr category_bits bit(command_category c) {
    return static_cast<category_bits>(c);
}

constexpr flag_bits write = bit(command_flag::write);
constexpr flag_bits readonly = bit(command_flag::readonly);
constexpr flag_bits denyoom = bit(command_flag::denyoom);
constexpr flag_bits admin = bit(command_flag::admin);
constexpr flag_bits pubsub = bit(command_flag::pubsub);
constexpr flag_bits noscript = bit(command_flag::noscript);
constexpr flag_bits blocking = bit(command_flag::blocking);
constexpr flag_bits loading = bit(command_flag::loading);
constexpr flag_bits stale = bit(command_flag::stale);
constexpr flag_bits skip_monitor = bit(command_flag::skip_monitor);
constexpr flag_bits skip_slowlog = bit(command_flag::skip_slowlog);
constexpr flag_bits asking = bit(command_flag::asking);
constexpr flag_bits fast = bit(command_flag::fast);
constexpr flag_bits no_auth = bit(command_flag::no_auth);
constexpr flag_bits no_async_loading = bit(command_flag::no_async_loading);
constexpr flag_bits no_multi = bit(command_flag::no_multi);
constexpr flag_bits movablekeys = bit(command_flag::movablekeys);
constexpr flag_bits no_mandatory_keys = bit(command_flag::no_mandatory_keys);
constexpr flag_bits allow_busy = bit(command_flag::allow_busy);

constexpr category_bits none = 0;
constexpr category_bits strings = bit(command_category::string);
constexpr category_bits bitmaps = bit(command_category::bitmap);
constexpr category_bits hyperloglogs = bit(command_category::hyperloglog);
constexpr category_bits hashes = bit(command_category::hash);
constexpr category_bits lists = bit(command_category::list);
constexpr category_bits sets = bit(command_category::set);
constexpr category_bits sorted_sets = bit(command_category::sortedset);
constexpr category_bits geo = bit(command_category::geo);
constexpr category_bits streams = bit(command_category::stream);
constexpr category_bits keyspace = bit(command_category::keyspace);
constexpr category_bits transactions = bit(command_category::transaction);
constexpr category_bits scripting = bit(command_category::scripting);
constexpr category_bits connection = bit(command_category::connection);
constexpr category_bits administration = bit(command_category::admin);
constexpr category_bits dangerous = bit(command_category::dangerous);

constexpr std::uint16_t ro = key_spec::read_only;
constexpr std::uint16_t rw = key_spec::read_write;
constexpr std::uint16_t ow = key_spec::overwrite;
constexpr std::uint16_t rm = key_spec::remove;
constexpr std::uint16_t access = key_spec::access;
constexpr std::uint16_t update = key_spec::update;
constexpr std::uint16_t insert = key_spec::insert;
constexpr std::uint16_t delete_ = key_spec::delete_;
constexpr std::uint16_t not_key = key_spec::not_key;
constexpr std::uint16_t incomplete = key_spec::incomplete;
constexpr std::uint16_t variable_flags = key_spec::variable_flags;

/// From argument `first` to `last` (relative to the first; negative: from the end), every `step`th.
constexpr key_spec range(std::int16_t first, std::int16_t last, std::int16_t step, int flags) {
    key_spec spec;
    spec.begin = key_spec::begin_kind::index;
    spec.find = key_spec::find_kind::range;
    spec.index = first;
    spec.last_key = last;
    spec.key_step = step;
    spec.flags = static_cast<std::uint16_t>(flags);
    return spec;
}

/// Argument `index` alone.
constexpr key_spec at(std::int16_t index, int flags) {
    return range(index, 0, 1, flags);
}

/// Argument `index` says how many keys follow it.
constexpr key_spec numkeys(std::int16_t index, int flags) {
    key_spec spec = at(index, flags);
    spec.find = key_spec::find_kind::keynum;
    spec.first_key = 1;
    return spec;
}

/// The argument behind `keyword`, which is looked for from argument `from` (negative: from the end,
/// backwards).
constexpr key_spec behind(std::string_view keyword, std::int16_t from, int flags) {
    key_spec spec = at(from, flags);
    spec.begin = key_spec::begin_kind::keyword;
    spec.keyword = keyword;
    return spec;
}

constexpr key_spec all_behind(std::string_view keyword, std::int16_t from, int flags) {
    key_spec spec = behind(keyword, from, flags);
    spec.last_key = -1;
    return spec;
}

constexpr key_spec half_behind(std::string_view keyword, std::int16_t from, int flags) {
    key_spec spec = all_behind(keyword, from, flags);
    spec.limit = 2;
    return spec;
}

/// There are more keys, but the server does not say where.
constexpr key_spec unlocated(int flags) {
    key_spec spec;
    spec.flags = static_cast<std::uint16_t>(flags);
    return spec;
}

constexpr struct subcommands_tag {
} has_subcommands{};

constexpr void add(command_spec& row, const key_spec& keys) {
    row.key_specs.at(row.key_spec_count++) = keys;
}
constexpr void add(command_spec& row, request_rule rule) {
    row.request = rule;
}
constexpr void add(command_spec& row, reply_rule rule) {
    row.reply = rule;
}
constexpr void add(command_spec& row, std::string_view reason) {
    row.reason = reason;
}
constexpr void add(command_spec& row, subcommands_tag /*unused*/) {
    row.container = true;
}

/// What the server adds to a command's categories because of its flags (server.c, setImplicitACLCategories).
constexpr category_bits implied_categories(flag_bits flags, category_bits categories) {
    category_bits implied = bit(flags & fast ? command_category::fast : command_category::slow);
    if (flags & write) implied |= bit(command_category::write);
    if (flags & readonly && !(categories & scripting)) implied |= bit(command_category::read);
    if (flags & admin) implied |= administration | dangerous;
    if (flags & pubsub) implied |= bit(command_category::pubsub);
    if (flags & blocking) implied |= bit(command_category::blocking);
    return implied;
}

template <command_route route>
constexpr auto row = [](std::string_view name, std::int16_t arity, flag_bits flags, category_bits categories,
                        const auto&... parts) {
    command_spec made;
    made.name = name;
    made.arity = arity;
    made.flags = flags;
    made.categories = categories | implied_categories(flags, categories);
    made.route = route;
    (add(made, parts), ...);
    return made;
};

constexpr auto forward = row<command_route::forward>;
constexpr auto local = row<command_route::local>;
constexpr auto emulate = row<command_route::emulate>;
constexpr auto refuse = row<command_route::refuse>;

/// The row of a command that is nothing without a subcommand: its arity refuses it.
constexpr command_spec container(std::string_view name) {
    return refuse(name, -2, 0, none, has_subcommands, "it needs a subcommand");
}

/// Reasons of several rows: what is missing (later), or what it would do (refuse).
namespace why {
constexpr std::string_view users = "the server's users are not the tenant's";
constexpr std::string_view others = "it shows what other tenants do";
constexpr std::string_view statistics = "it would reset the statistics of every tenant";
constexpr std::string_view server = "it changes the server for every tenant";
constexpr std::string_view persistence = "the server's persistence is not the tenant's";
constexpr std::string_view replication = "the server's replication is not the tenant's";
constexpr std::string_view internals = "it is for the server's own use";
constexpr std::string_view shared_scripts = "it concerns the scripts of every tenant";
constexpr std::string_view shared_functions = "it concerns the functions of every tenant";
}  // namespace why

constexpr auto unnumbered_rows = std::to_array<command_spec>({
    // Strings
    forward("append", 3, write | denyoom | fast, strings, at(1, rw | insert)),
    forward("decr", 2, write | denyoom | fast, strings, at(1, rw | access | update)),
    forward("decrby", 3, write | denyoom | fast, strings, at(1, rw | access | update)),
    forward("get", 2, readonly | fast, strings, at(1, ro | access)),
    forward("getdel", 2, write | fast, strings, at(1, rw | access | delete_)),
    forward("getex", -2, write | fast, strings, at(1, rw | access | update)),
    forward("getrange", 4, readonly, strings, at(1, ro | access)),
    forward("getset", 3, write | denyoom | fast, strings, at(1, rw | access | update)),
    forward("incr", 2, write | denyoom | fast, strings, at(1, rw | access | update)),
    forward("incrby", 3, write | denyoom | fast, strings, at(1, rw | access | update)),
    forward("incrbyfloat", 3, write | denyoom | fast, strings, at(1, rw | access | update)),
    forward("lcs", -3, readonly, strings, range(1, 1, 1, ro | access)),
    forward("mget", -2, readonly | fast, strings, range(1, -1, 1, ro | access)),
    forward("mset", -3, write | denyoom, strings, range(1, -1, 2, ow | update)),
    forward("msetnx", -3, write | denyoom, strings, range(1, -1, 2, ow | insert)),
    forward("psetex", 4, write | denyoom, strings, at(1, ow | update)),
    forward("set", -3, write | denyoom, strings, at(1, rw | access | update | variable_flags)),
    forward("setex", 4, write | denyoom, strings, at(1, ow | update)),
    forward("setnx", 3, write | denyoom | fast, strings, at(1, ow | insert)),
    forward("setrange", 4, write | denyoom, strings, at(1, rw | update)),
    forward("strlen", 2, readonly | fast, strings, at(1, ro)),
    forward("substr", 4, readonly, strings, at(1, ro | access)),

    // Bitmaps
    forward("bitcount", -2, readonly, bitmaps, at(1, ro | access)),
    forward("bitfield", -2, write | denyoom, bitmaps, at(1, rw | access | update | variable_flags)),
    forward("bitfield_ro", -2, readonly | fast, bitmaps, at(1, ro | access)),
    forward("bitop", -4, write | denyoom, bitmaps, at(2, ow | update), range(3, -1, 1, ro | access)),
    forward("bitpos", -3, readonly, bitmaps, at(1, ro | access)),
    forward("getbit", 3, readonly | fast, bitmaps, at(1, ro | access)),
    forward("setbit", 4, write | denyoom, bitmaps, at(1, rw | access | update)),

    // HyperLogLogs
    forward("pfadd", -2, write | denyoom | fast, hyperloglogs, at(1, rw | insert)),
    forward("pfcount", -2, readonly, hyperloglogs, range(1, -1, 1, rw | access)),
    refuse("pfdebug", 3, write | denyoom | admin, hyperloglogs, at(2, rw | access), why::internals),
    forward("pfmerge", -2, write | denyoom, hyperloglogs, at(1, rw | access | insert),
            range(2, -1, 1, ro | access)),
    refuse("pfselftest", 1, admin, hyperloglogs, why::internals),

    // Hashes
    forward("hdel", -3, write | fast, hashes, at(1, rw | delete_)),
    forward("hexists", 3, readonly | fast, hashes, at(1, ro)),
    forward("hget", 3, readonly | fast, hashes, at(1, ro | access)),
    forward("hgetall", 2, readonly, hashes, at(1, ro | access)),
    forward("hincrby", 4, write | denyoom | fast, hashes, at(1, rw | access | update)),
    forward("hincrbyfloat", 4, write | denyoom | fast, hashes, at(1, rw | access | update)),
    forward("hkeys", 2, readonly, hashes, at(1, ro | access)),
    forward("hlen", 2, readonly | fast, hashes, at(1, ro)),
    forward("hmget", -3, readonly | fast, hashes, at(1, ro | access)),
    forward("hmset", -4, write | denyoom | fast, hashes, at(1, rw | update)),
    forward("hrandfield", -2, readonly, hashes, at(1, ro | access)),
    forward("hscan", -3, readonly, hashes, at(1, ro | access)),
    forward("hset", -4, write | denyoom | fast, hashes, at(1, rw | update)),
    forward("hsetnx", 4, write | denyoom | fast, hashes, at(1, rw | insert)),
    forward("hstrlen", 3, readonly | fast, hashes, at(1, ro)),
    forward("hvals", 2, readonly, hashes, at(1, ro | access)),

    // Lists
    forward("blmove", 6, write | denyoom | blocking, lists, at(1, rw | access | delete_), at(2, rw | insert)),
    forward("blmpop", -5, write | blocking | movablekeys, lists, numkeys(2, rw | access | delete_),
          reply_rule::popped),
    forward("blpop", -3, write | blocking, lists, range(1, -2, 1, rw | access | delete_), reply_rule::popped),
    forward("brpop", -3, write | blocking, lists, range(1, -2, 1, rw | access | delete_), reply_rule::popped),
    forward("brpoplpush", 4, write | denyoom | blocking, lists, at(1, rw | access | delete_),
          at(2, rw | insert)),
    forward("lindex", 3, readonly, lists, at(1, ro | access)),
    forward("linsert", 5, write | denyoom, lists, at(1, rw | insert)),
    forward("llen", 2, readonly | fast, lists, at(1, ro)),
    forward("lmove", 5, write | denyoom, lists, at(1, rw | access | delete_), at(2, rw | insert)),
    forward("lmpop", -4, write | movablekeys, lists, numkeys(1, rw | access | delete_), reply_rule::popped),
    forward("lpop", -2, write | fast, lists, at(1, rw | access | delete_)),
    forward("lpos", -3, readonly, lists, at(1, ro | access)),
    forward("lpush", -3, write | denyoom | fast, lists, at(1, rw | insert)),
    forward("lpushx", -3, write | denyoom | fast, lists, at(1, rw | insert)),
    forward("lrange", 4, readonly, lists, at(1, ro | access)),
    forward("lrem", 4, write, lists, at(1, rw | delete_)),
    forward("lset", 4, write | denyoom, lists, at(1, rw | update)),
    forward("ltrim", 4, write, lists, at(1, rw | delete_)),
    forward("rpop", -2, write | fast, lists, at(1, rw | access | delete_)),
    forward("rpoplpush", 3, write | denyoom, lists, at(1, rw | access | delete_), at(2, rw | insert)),
    forward("rpush", -3, write | denyoom | fast, lists, at(1, rw | insert)),
    forward("rpushx", -3, write | denyoom | fast, lists, at(1, rw | insert)),

    // Sets
    forward("sadd", -3, write | denyoom | fast, sets, at(1, rw | insert)),
    forward("scard", 2, readonly | fast, sets, at(1, ro)),
    forward("sdiff", -2, readonly, sets, range(1, -1, 1, ro | access)),
    forward("sdiffstore", -3, write | denyoom, sets, at(1, ow | update), range(2, -1, 1, ro | access)),
    forward("sinter", -2, readonly, sets, range(1, -1, 1, ro | access)),
    forward("sintercard", -3, readonly | movablekeys, sets, numkeys(1, ro | access)),
    forward("sinterstore", -3, write | denyoom, sets, at(1, ow | update), range(2, -1, 1, ro | access)),
    forward("sismember", 3, readonly | fast, sets, at(1, ro)),
    forward("smembers", 2, readonly, sets, at(1, ro | access)),
    forward("smismember", -3, readonly | fast, sets, at(1, ro | access)),
    forward("smove", 4, write | fast, sets, at(1, rw | access | delete_), at(2, rw | insert)),
    forward("spop", -2, write | fast, sets, at(1, rw | access | delete_)),
    forward("srandmember", -2, readonly, sets, at(1, ro | access)),
    forward("srem", -3, write | fast, sets, at(1, rw | delete_)),
    forward("sscan", -3, readonly, sets, at(1, ro | access)),
    forward("sunion", -2, readonly, sets, range(1, -1, 1, ro | access)),
    forward("sunionstore", -3, write | denyoom, sets, at(1, ow | update), range(2, -1, 1, ro | access)),

    // Sorted sets
    forward("bzmpop", -5, write | blocking | movablekeys, sorted_sets, numkeys(2, rw | access | delete_),
          reply_rule::popped),
    forward("bzpopmax", -3, write | blocking | fast, sorted_sets, range(1, -2, 1, rw | access | delete_),
          reply_rule::popped),
    forward("bzpopmin", -3, write | blocking | fast, sorted_sets, range(1, -2, 1, rw | access | delete_),
          reply_rule::popped),
    forward("zadd", -4, write | denyoom | fast, sorted_sets, at(1, rw | update)),
    forward("zcard", 2, readonly | fast, sorted_sets, at(1, ro)),
    forward("zcount", 4, readonly | fast, sorted_sets, at(1, ro | access)),
    forward("zdiff", -3, readonly | movablekeys, sorted_sets, numkeys(1, ro | access)),
    forward("zdiffstore", -4, write | denyoom | movablekeys, sorted_sets, at(1, ow | update),
            numkeys(2, ro | access)),
    forward("zincrby", 4, write | denyoom | fast, sorted_sets, at(1, rw | access | update)),
    forward("zinter", -3, readonly | movablekeys, sorted_sets, numkeys(1, ro | access)),
    forward("zintercard", -3, readonly | movablekeys, sorted_sets, numkeys(1, ro | access)),
    forward("zinterstore", -4, write | denyoom | movablekeys, sorted_sets, at(1, ow | update),
            numkeys(2, ro | access)),
    forward("zlexcount", 4, readonly | fast, sorted_sets, at(1, ro | access)),
    forward("zmpop", -4, write | movablekeys, sorted_sets, numkeys(1, rw | access | delete_),
            reply_rule::popped),
    forward("zmscore", -3, readonly | fast, sorted_sets, at(1, ro | access)),
    forward("zpopmax", -2, write | fast, sorted_sets, at(1, rw | access | delete_)),
    forward("zpopmin", -2, write | fast, sorted_sets, at(1, rw | access | delete_)),
    forward("zrandmember", -2, readonly, sorted_sets, at(1, ro | access)),
    forward("zrange", -4, readonly, sorted_sets, at(1, ro | access)),
    forward("zrangebylex", -4, readonly, sorted_sets, at(1, ro | access)),
    forward("zrangebyscore", -4, readonly, sorted_sets, at(1, ro | access)),
    forward("zrangestore", -5, write | denyoom, sorted_sets, at(1, ow | update), at(2, ro | access)),
    forward("zrank", -3, readonly | fast, sorted_sets, at(1, ro | access)),
    forward("zrem", -3, write | fast, sorted_sets, at(1, rw | delete_)),
    forward("zremrangebylex", 4, write, sorted_sets, at(1, rw | delete_)),
    forward("zremrangebyrank", 4, write, sorted_sets, at(1, rw | delete_)),
    forward("zremrangebyscore", 4, write, sorted_sets, at(1, rw | delete_)),
    forward("zrevrange", -4, readonly, sorted_sets, at(1, ro | access)),
    forward("zrevrangebylex", -4, readonly, sorted_sets, at(1, ro | access)),
    forward("zrevrangebyscore", -4, readonly, sorted_sets, at(1, ro | access)),
    forward("zrevrank", -3, readonly | fast, sorted_sets, at(1, ro | access)),
    forward("zscan", -3, readonly, sorted_sets, at(1, ro | access)),
    forward("zscore", 3, readonly | fast, sorted_sets, at(1, ro | access)),
    forward("zunion", -3, readonly | movablekeys, sorted_sets, numkeys(1, ro | access)),
    forward("zunionstore", -4, write | denyoom | movablekeys, sorted_sets, at(1, ow | update),
            numkeys(2, ro | access)),

    // Geo sets
    forward("geoadd", -5, write | denyoom, geo, at(1, rw | update)),
    forward("geodist", -4, readonly, geo, at(1, ro | access)),
    forward("geohash", -2, readonly, geo, at(1, ro | access)),
    forward("geopos", -2, readonly, geo, at(1, ro | access)),
    forward("georadius", -6, write | denyoom | movablekeys, geo, at(1, ro | access),
            behind("STORE", 6, ow | update), behind("STOREDIST", 6, ow | update), request_rule::georadius),
    forward("georadius_ro", -6, readonly, geo, at(1, ro | access)),
    forward("georadiusbymember", -5, write | denyoom | movablekeys, geo, at(1, ro | access),
            behind("STORE", 5, ow | update), behind("STOREDIST", 5, ow | update), request_rule::georadius),
    forward("georadiusbymember_ro", -5, readonly, geo, at(1, ro | access)),
    forward("geosearch", -7, readonly, geo, at(1, ro | access)),
    forward("geosearchstore", -8, write | denyoom, geo, at(1, ow | update), at(2, ro | access)),

    // Streams
    forward("xack", -4, write | fast, streams, at(1, rw | update)),
    forward("xadd", -5, write | denyoom | fast, streams, at(1, rw | update)),
    forward("xautoclaim", -6, write | fast, streams, at(1, rw | delete_)),
    forward("xclaim", -6, write | fast, streams, at(1, rw | update)),
    forward("xdel", -3, write | fast, streams, at(1, rw | delete_)),
    container("xgroup"),
    forward("xgroup|create", -5, write | denyoom, streams, at(2, rw | insert)),
    forward("xgroup|createconsumer", 5, write | denyoom, streams, at(2, rw | insert)),
    forward("xgroup|delconsumer", 5, write, streams, at(2, rw | delete_)),
    forward("xgroup|destroy", 4, write, streams, at(2, rw | delete_)),
    forward("xgroup|help", 2, loading | stale, streams),
    forward("xgroup|setid", -5, write, streams, at(2, rw | update)),
    container("xinfo"),
    forward("xinfo|consumers", 4, readonly, streams, at(2, ro | access)),
    forward("xinfo|groups", 3, readonly, streams, at(2, ro | access)),
    forward("xinfo|help", 2, loading | stale, streams),
    forward("xinfo|stream", -3, readonly, streams, at(2, ro | access)),
    forward("xlen", 2, readonly | fast, streams, at(1, ro)),
    forward("xpending", -3, readonly, streams, at(1, ro | access)),
    forward("xrange", -4, readonly, streams, at(1, ro | access)),
    forward("xread", -4, readonly | blocking | movablekeys, streams, half_behind("STREAMS", 1, ro | access),
            reply_rule::streams),
    forward("xreadgroup", -7, write | blocking | movablekeys, streams, half_behind("STREAMS", 4, ro | access),
            reply_rule::streams),
    forward("xrevrange", -4, readonly, streams, at(1, ro | access)),
    forward("xsetid", -3, write | denyoom | fast, streams, at(1, rw | update)),
    forward("xtrim", -4, write, streams, at(1, rw | delete_)),

    // The whole keyspace
    emulate("dbsize", 1, readonly | fast, keyspace),
    emulate("flushall", -1, write, keyspace | dangerous),
    emulate("flushdb", -1, write, keyspace | dangerous),
    forward("keys", 2, readonly, keyspace | dangerous, request_rule::keys_pattern, reply_rule::keys),
    emulate("randomkey", 1, readonly, keyspace),
    forward("scan", -2, readonly, keyspace, request_rule::scan, reply_rule::scan),
    refuse("swapdb", 3, write | fast, keyspace | dangerous, "it would swap the databases of every tenant"),

    // Keys of any type
    forward("copy", -3, write | denyoom, keyspace, at(1, ro | access), at(2, ow | update)),
    forward("del", -2, write, keyspace, range(1, -1, 1, rm | delete_)),
    forward("dump", 2, readonly, keyspace, at(1, ro | access)),
    forward("exists", -2, readonly | fast, keyspace, range(1, -1, 1, ro)),
    forward("expire", -3, write | fast, keyspace, at(1, rw | update)),
    forward("expireat", -3, write | fast, keyspace, at(1, rw | update)),
    forward("expiretime", 2, readonly | fast, keyspace, at(1, ro | access)),
    container("memory"),
    refuse("memory|doctor", 2, 0, none, why::others),
    forward("memory|help", 2, loading | stale, none),
    refuse("memory|malloc-stats", 2, 0, none, why::others),
    refuse("memory|purge", 2, 0, none, why::server),
    refuse("memory|stats", 2, 0, none, why::others),
    forward("memory|usage", -3, readonly, none, at(2, ro)),
    refuse("migrate", -6, write | movablekeys, keyspace | dangerous, at(3, rw | access | delete_),
           all_behind("KEYS", -2, rw | access | delete_ | incomplete),
           "it makes the server connect elsewhere and send keys there"),
    forward("move", 3, write | fast, keyspace, at(1, rw | access | update)),
    container("object"),
    forward("object|encoding", 3, readonly, keyspace, at(2, ro)),
    forward("object|freq", 3, readonly, keyspace, at(2, ro)),
    forward("object|help", 2, loading | stale, keyspace),
    forward("object|idletime", 3, readonly, keyspace, at(2, ro)),
    forward("object|refcount", 3, readonly, keyspace, at(2, ro)),
    forward("persist", 2, write | fast, keyspace, at(1, rw | update)),
    forward("pexpire", -3, write | fast, keyspace, at(1, rw | update)),
    forward("pexpireat", -3, write | fast, keyspace, at(1, rw | update)),
    forward("pexpiretime", 2, readonly | fast, keyspace, at(1, ro | access)),
    forward("pttl", 2, readonly | fast, keyspace, at(1, ro | access)),
    forward("rename", 3, write, keyspace, at(1, rw | access | delete_), at(2, ow | update)),
    forward("renamenx", 3, write | fast, keyspace, at(1, rw | access | delete_), at(2, ow | insert)),
    forward("restore", -4, write | denyoom, keyspace | dangerous, at(1, ow | update)),
    refuse("restore-asking", -4, write | denyoom | asking, keyspace | dangerous, at(1, ow | update),
           why::internals),
    forward("sort", -2, write | denyoom | movablekeys, sets | sorted_sets | lists | dangerous,
            at(1, ro | access), unlocated(ro | access), unlocated(ow | update), request_rule::sort),
    forward("sort_ro", -2, readonly | movablekeys, sets | sorted_sets | lists | dangerous, at(1, ro | access),
            unlocated(ro | access), request_rule::sort),
    forward("touch", -2, readonly | fast, keyspace, range(1, -1, 1, ro)),
    forward("ttl", 2, readonly | fast, keyspace, at(1, ro | access)),
    forward("type", 2, readonly | fast, keyspace, at(1, ro)),
    forward("unlink", -2, write | fast, keyspace, range(1, -1, 1, rm | delete_)),

    // Transactions
    local("discard", 1, noscript | loading | stale | fast | allow_busy, transactions),
    local("exec", 1, noscript | loading | stale | skip_slowlog, transactions),
    local("multi", 1, noscript | loading | stale | fast | no_multi | allow_busy, transactions),
    local("unwatch", 1, noscript | loading | stale | fast | allow_busy, transactions),
    local("watch", -2, noscript | loading | stale | fast | no_multi | allow_busy, transactions,
          range(1, -1, 1, ro)),

    // Channels
    local("psubscribe", -2, pubsub | noscript | loading | stale, none),
    forward("publish", 3, pubsub | loading | stale | fast, none, request_rule::channel, reply_rule::interpreted),
    container("pubsub"),
    forward("pubsub|channels", -2, pubsub | loading | stale, none, request_rule::channel_pattern,
            reply_rule::interpreted),
    forward("pubsub|help", 2, loading | stale, none),
    local("pubsub|numpat", 2, pubsub | loading | stale, none),
    forward("pubsub|numsub", -2, pubsub | loading | stale, none, request_rule::channel_list, reply_rule::interpreted),
    forward("pubsub|shardchannels", -2, pubsub | loading | stale, none, request_rule::channel_pattern,
            reply_rule::interpreted),
    forward("pubsub|shardnumsub", -2, pubsub | loading | stale, none, request_rule::channel_list,
            reply_rule::interpreted),
    local("punsubscribe", -1, pubsub | noscript | loading | stale, none),
    forward("spublish", 3, pubsub | loading | stale | fast, none, at(1, not_key), request_rule::channel,
            reply_rule::interpreted),
    local("ssubscribe", -2, pubsub | noscript | loading | stale, none, range(1, -1, 1, not_key)),
    local("subscribe", -2, pubsub | noscript | loading | stale, none),
    local("sunsubscribe", -1, pubsub | noscript | loading | stale, none, range(1, -1, 1, not_key)),
    local("unsubscribe", -1, pubsub | noscript | loading | stale, none),

    // Scripts and functions
    forward("eval", -3, noscript | stale | skip_monitor | no_mandatory_keys | movablekeys, scripting,
          numkeys(2, rw | access | update), request_rule::script, reply_rule::script),
    forward("eval_ro", -3, readonly | noscript | stale | skip_monitor | no_mandatory_keys | movablekeys,
          scripting, numkeys(2, ro | access), request_rule::script, reply_rule::script),
    forward("evalsha", -3, noscript | stale | skip_monitor | no_mandatory_keys | movablekeys, scripting,
          numkeys(2, rw | access | update), request_rule::script_name, reply_rule::script),
    forward("evalsha_ro", -3, readonly | noscript | stale | skip_monitor | no_mandatory_keys | movablekeys,
          scripting, numkeys(2, ro | access), request_rule::script_name, reply_rule::script),
    forward("fcall", -3, noscript | stale | skip_monitor | no_mandatory_keys | movablekeys, scripting,
          numkeys(2, rw | access | update)),
    forward("fcall_ro", -3, readonly | noscript | stale | skip_monitor | no_mandatory_keys | movablekeys,
          scripting, numkeys(2, ro | access)),
    container("function"),
    refuse("function|delete", 3, write | noscript, scripting, why::shared_functions),
    refuse("function|dump", 2, noscript, scripting, why::shared_functions),
    refuse("function|flush", -2, write | noscript, scripting, why::shared_functions),
    forward("function|help", 2, loading | stale, scripting),
    refuse("function|kill", 2, noscript | allow_busy, scripting, why::shared_functions),
    forward("function|list", -2, noscript, scripting),
    refuse("function|load", -3, write | denyoom | noscript, scripting, why::shared_functions),
    refuse("function|restore", -3, write | denyoom | noscript, scripting, why::shared_functions),
    refuse("function|stats", 2, noscript | allow_busy, scripting, why::others),
    container("script"),
    refuse("script|debug", 3, noscript, scripting, "it holds up the server for every tenant"),
    forward("script|exists", -3, noscript, scripting, request_rule::script_name),
    local("script|flush", -2, noscript, scripting),
    forward("script|help", 2, loading | stale, scripting),
    refuse("script|kill", 2, noscript | allow_busy, scripting, why::shared_scripts),
    forward("script|load", 3, noscript | stale, scripting, request_rule::script, reply_rule::interpreted),
    refuse("script|show", 3, noscript, scripting, why::shared_scripts),

    // Connections
    local("auth", -2, noscript | loading | stale | fast | no_auth | allow_busy, connection),
    container("client"),
    local("client|caching", 3, noscript | loading | stale, connection),
    local("client|capa", -3, noscript | loading | stale, connection),
    local("client|getname", 2, noscript | loading | stale, connection),
    local("client|getredir", 2, noscript | loading | stale, connection),
    forward("client|help", 2, loading | stale, connection),
    local("client|id", 2, noscript | loading | stale, connection),
    local("client|info", 2, noscript | loading | stale, connection),
    emulate("client|kill", -3, admin | noscript | loading | stale, connection),
    emulate("client|list", -2, admin | noscript | loading | stale, connection),
    local("client|no-evict", 3, admin | noscript | loading | stale, connection),
    local("client|no-touch", 3, noscript | loading | stale, connection),
    refuse("client|pause", -3, admin | noscript | loading | stale, connection,
           "it holds up the clients of every tenant"),
    local("client|reply", 3, noscript | loading | stale, connection),
    local("client|setinfo", 4, noscript | loading | stale, connection),
    local("client|setname", 3, noscript | loading | stale, connection),
    local("client|tracking", -3, noscript | loading | stale, connection),
    local("client|trackinginfo", 2, noscript | loading | stale, connection),
    emulate("client|unblock", -3, admin | noscript | loading | stale, connection),
    refuse("client|unpause", 2, admin | noscript | loading | stale, connection,
           "it holds up the clients of every tenant"),
    local("echo", 2, loading | stale | fast, connection),
    local("hello", -1, noscript | loading | stale | fast | no_auth | allow_busy, connection),
    local("ping", -1, fast, connection),
    local("quit", -1, noscript | loading | stale | fast | no_auth | allow_busy, connection),
    local("reset", 1, noscript | loading | stale | fast | no_auth | allow_busy, connection),
    local("select", 2, loading | stale | fast, connection),
    forward("wait", 3, blocking, connection),
    forward("waitaof", 4, blocking, connection),

    // What the server says of itself
    forward("command", -1, loading | stale, connection, has_subcommands, reply_rule::interpreted),
    local("command|count", 2, loading | stale, connection),
    forward("command|docs", -2, loading | stale, connection, reply_rule::interpreted),
    forward("command|getkeys", -3, loading | stale, connection),
    forward("command|getkeysandflags", -3, loading | stale, connection),
    forward("command|help", 2, loading | stale, connection),
    forward("command|info", -2, loading | stale, connection, reply_rule::interpreted),
    forward("command|list", -2, loading | stale, connection, reply_rule::interpreted),
    local("info", -1, loading | stale, dangerous),
    refuse("lastsave", 1, loading | stale | fast, administration | dangerous, why::persistence),
    forward("lolwut", -1, readonly | fast, none),
    local("role", 1, noscript | loading | stale | fast, administration | dangerous),
    forward("time", 1, loading | stale | fast, none),

    // Cluster: a server that is none, as the tenant's is, says so to each of them, to those that would change it as well
    local("asking", 1, fast, connection),
    container("cluster"),
    local("cluster|addslots", -3, admin | stale | no_async_loading, none),
    local("cluster|addslotsrange", -4, admin | stale | no_async_loading, none),
    local("cluster|bumpepoch", 2, admin | stale | no_async_loading, none),
    local("cluster|count-failure-reports", 3, admin | stale, none),
    local("cluster|countkeysinslot", 3, stale, none),
    local("cluster|delslots", -3, admin | stale | no_async_loading, none),
    local("cluster|delslotsrange", -4, admin | stale | no_async_loading, none),
    local("cluster|failover", -2, admin | stale | no_async_loading, none),
    local("cluster|flushslots", 2, admin | stale | no_async_loading, none),
    local("cluster|forget", 3, admin | stale | no_async_loading, none),
    local("cluster|getkeysinslot", 4, stale, none),
    local("cluster|help", 2, loading | stale, none),
    local("cluster|info", 2, loading | stale, none),
    local("cluster|keyslot", 3, stale, none),
    local("cluster|links", 2, stale, none),
    local("cluster|meet", -4, admin | stale | no_async_loading, none),
    local("cluster|myid", 2, loading | stale, none),
    local("cluster|myshardid", 2, loading | stale, none),
    local("cluster|nodes", 2, loading | stale, none),
    local("cluster|replicas", 3, admin | stale, none),
    local("cluster|replicate", 3, admin | stale | no_async_loading, none),
    local("cluster|reset", -2, admin | noscript | stale, none),
    local("cluster|saveconfig", 2, admin | stale | no_async_loading, none),
    local("cluster|set-config-epoch", 3, admin | stale | no_async_loading, none),
    local("cluster|setslot", -4, admin | stale | no_async_loading, none),
    local("cluster|shards", 2, loading | stale, none),
    local("cluster|slaves", 3, admin | stale, none),
    local("cluster|slot-stats", -4, loading | stale, none),
    local("cluster|slots", 2, loading | stale, none),
    local("readonly", 1, loading | stale | fast, connection),
    local("readwrite", 1, loading | stale | fast, connection),

    // Users, settings, diagnosis
    container("acl"),
    forward("acl|cat", -2, noscript | loading | stale, none),
    refuse("acl|deluser", -3, admin | noscript | loading | stale, none, why::users),
    refuse("acl|dryrun", -4, admin | noscript | loading | stale, none, why::users),
    forward("acl|genpass", -2, noscript | loading | stale, none),
    refuse("acl|getuser", 3, admin | noscript | loading | stale, none, why::users),
    forward("acl|help", 2, loading | stale, none),
    refuse("acl|list", 2, admin | noscript | loading | stale, none, why::users),
    refuse("acl|load", 2, admin | noscript | loading | stale, none, why::users),
    refuse("acl|log", -2, admin | noscript | loading | stale, none, why::others),
    refuse("acl|save", 2, admin | noscript | loading | stale, none, why::users),
    refuse("acl|setuser", -3, admin | noscript | loading | stale, none, why::users),
    refuse("acl|users", 2, admin | noscript | loading | stale, none, why::users),
    local("acl|whoami", 2, noscript | loading | stale, none),
    container("config"),
    local("config|get", -3, admin | noscript | loading | stale, none),
    forward("config|help", 2, loading | stale, none),
    refuse("config|resetstat", 2, admin | noscript | loading | stale, none, why::statistics),
    refuse("config|rewrite", 2, admin | noscript | loading | stale, none, why::server),
    refuse("config|set", -4, admin | noscript | loading | stale, none, why::server),
    refuse("debug", -2, admin | noscript | loading | stale, none,
           "it reaches into the server and the keys of every tenant"),
    container("latency"),
    refuse("latency|doctor", 2, admin | noscript | loading | stale, none, why::others),
    refuse("latency|graph", 3, admin | noscript | loading | stale, none, why::others),
    forward("latency|help", 2, loading | stale, none),
    refuse("latency|histogram", -2, admin | noscript | loading | stale, none, why::others),
    refuse("latency|history", 3, admin | noscript | loading | stale, none, why::others),
    refuse("latency|latest", 2, admin | noscript | loading | stale, none, why::others),
    refuse("latency|reset", -2, admin | noscript | loading | stale, none, why::statistics),
    container("module"),
    forward("module|help", 2, loading | stale, none),
    refuse("module|list", 2, admin | noscript, none, "it shows what the server has loaded"),
    refuse("module|load", -3, admin | noscript | no_async_loading, none, why::server),
    refuse("module|loadex", -3, admin | noscript | no_async_loading, none, why::server),
    refuse("module|unload", 3, admin | noscript | no_async_loading, none, why::server),
    refuse("monitor", 1, admin | noscript | loading | stale, none, why::others),
    container("slowlog"),
    refuse("slowlog|get", -2, admin | loading | stale, none, why::others),
    forward("slowlog|help", 2, loading | stale, none),
    refuse("slowlog|len", 2, admin | loading | stale, none, why::others),
    refuse("slowlog|reset", 2, admin | loading | stale, none, why::statistics),

    // Persistence and replication
    refuse("bgrewriteaof", 1, admin | noscript | no_async_loading, none, why::persistence),
    refuse("bgsave", -1, admin | noscript | no_async_loading, none, why::persistence),
    refuse("failover", -1, admin | noscript | stale, none, why::replication),
    refuse("psync", -3, admin | noscript | no_async_loading | no_multi, none, why::replication),
    refuse("replconf", -1, admin | noscript | loading | stale | allow_busy, none, why::replication),
    refuse("replicaof", 3, admin | noscript | stale | no_async_loading, none, why::replication),
    refuse("save", 1, admin | noscript | no_async_loading | no_multi, none, why::persistence),
    refuse("shutdown", -1, admin | noscript | loading | stale | no_multi | allow_busy, none,
           "it stops the server for every tenant"),
    refuse("slaveof", 3, admin | noscript | stale | no_async_loading, none, why::replication),
    refuse("sync", 1, admin | noscript | no_async_loading | no_multi, none, why::replication),

    // weir's own
    container("weir"),
    local("weir|breaker", -2, noscript | loading | stale | fast, connection),
    local("weir|help", 2, noscript | loading | stale | fast, connection),
    local("weir|limits", 2, noscript | loading | stale | fast, connection),
    local("weir|status", 2, noscript | loading | stale | fast, connection),
    local("weir|tenant", 2, noscript | loading | stale | fast, connection),
});

constexpr auto rows = [] {
    auto numbered = unnumbered_rows;
    for (std::size_t i = 0; i < numbered.size(); ++i) numbered[i].number = static_cast<std::uint16_t>(i);
    return numbered;
}();

}  // namespace

std::span<const command_spec> command_rows() {
    return rows;
}

}  // namespace weir
