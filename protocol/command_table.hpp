#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

/// Where keys stand in a request, as Redis itself describes it (https://redis.io/docs/reference/key-specs/).
/// Positions count from the command's name at 0.
struct key_spec {
    enum class begin_kind : std::uint8_t { index, keyword, unknown };
    enum class find_kind : std::uint8_t { range, keynum, unknown };
    enum flag : std::uint16_t {
        read_only = 1 << 0,   ///< RO
        read_write = 1 << 1,  ///< RW
        overwrite = 1 << 2,   ///< OW
        remove = 1 << 3,      ///< RM
        access = 1 << 4,
        update = 1 << 5,
        insert = 1 << 6,
        delete_ = 1 << 7,
        not_key = 1 << 8,     ///< a channel of sharded pub/sub
        incomplete = 1 << 9,  ///< the server says that there may be keys which this does not find
        variable_flags = 1 << 10,
    };

    begin_kind begin = begin_kind::unknown;
    find_kind find = find_kind::unknown;
    std::int16_t index = 0;         ///< begin index: the position; begin keyword: where the search starts (negative: from the end, backwards)
    std::string_view keyword = {};  ///< begin keyword: case-insensitive
    std::int16_t last_key = 0;      ///< find range: relative to the first key; negative: from the end (-1 the last argument)
    std::int16_t key_step = 1;      ///< both
    std::int16_t limit = 0;         ///< find range with last_key -1: only the first 1/limit of what remains (0 and 1: all)
    std::int16_t keynum_index = 0;  ///< find keynum: where the count stands, relative to begin
    std::int16_t first_key = 0;     ///< find keynum: where the keys begin, relative to begin
    std::uint16_t flags = 0;

    [[nodiscard]] bool locatable() const {
        return begin != begin_kind::unknown && find != find_kind::unknown && !(flags & incomplete);
    }
};

/// What the server reports in COMMAND's third element.
enum class command_flag : std::uint32_t {
    write = 1u << 0,
    readonly = 1u << 1,
    denyoom = 1u << 2,
    admin = 1u << 3,
    pubsub = 1u << 4,
    noscript = 1u << 5,
    blocking = 1u << 6,
    loading = 1u << 7,
    stale = 1u << 8,
    skip_monitor = 1u << 9,
    skip_slowlog = 1u << 10,
    asking = 1u << 11,
    fast = 1u << 12,
    no_auth = 1u << 13,
    may_replicate = 1u << 14,
    no_async_loading = 1u << 15,
    no_multi = 1u << 16,
    movablekeys = 1u << 17,
    no_mandatory_keys = 1u << 18,
    allow_busy = 1u << 19,
    module = 1u << 20,
};

/// ACL categories, for rules such as `@write`.
enum class command_category : std::uint32_t {
    keyspace = 1u << 0,
    read = 1u << 1,
    write = 1u << 2,
    set = 1u << 3,
    sortedset = 1u << 4,
    list = 1u << 5,
    hash = 1u << 6,
    string = 1u << 7,
    bitmap = 1u << 8,
    hyperloglog = 1u << 9,
    geo = 1u << 10,
    stream = 1u << 11,
    pubsub = 1u << 12,
    admin = 1u << 13,
    fast = 1u << 14,
    slow = 1u << 15,
    blocking = 1u << 16,
    dangerous = 1u << 17,
    connection = 1u << 18,
    transaction = 1u << 19,
    scripting = 1u << 20,
};

struct named_category {
    std::string_view name;  ///< lower case, without the `@`
    command_category bit;
};
/// Every category once.
[[nodiscard]] std::span<const named_category> command_categories();

/// Who answers a command.
enum class command_route : std::uint8_t {
    forward,  ///< the upstream, with its names rewritten
    local,    ///< weir itself: connection state, and what must not show other tenants
    emulate,  ///< weir, from several upstream commands: the server's own would mean everybody's keys
    refuse,   ///< nobody: it cannot be made safe for tenants; `reason` says why
};

/// How a forwarded request is rewritten.
enum class request_rule : std::uint8_t {
    keys,          ///< what the key specifications find is prefixed; none: nothing is
    sort,          ///< keys, and BY, GET and STORE of SORT and SORT_RO
    georadius,     ///< keys, and every STORE and STOREDIST
    scan,          ///< SCAN: MATCH confined to the tenant's part
    keys_pattern,  ///< KEYS: the pattern confined to the tenant's part
    channel,       ///< argument 1 is a channel, argument 2 what is published to it
    channel_list,     ///< arguments from 2 on are channels (PUBSUB NUMSUB)
    channel_pattern,  ///< argument 2 is a pattern, confined to the tenant's channels; so is none (PUBSUB CHANNELS)
    script,        ///< keys, and behind the command's name a script's text
    script_name,   ///< keys, and behind the command's name a script's SHA1 (SCRIPT EXISTS: one or more)
};

/// Where a forwarded command's reply carries names to strip.
enum class reply_rule : std::uint8_t {
    plain,     ///< nowhere
    keys,      ///< an array of keys (KEYS)
    scan,      ///< [cursor, array of keys]
    popped,    ///< nil, or [key, …] with the key first (LMPOP, ZMPOP, BLPOP, …)
    streams,   ///< nil, or XREAD's array of [key, entries] in RESP2, map of key to entries in RESP3
    pairs,     ///< a flat array of name, number, name, number (PUBSUB NUMSUB), a map of them in RESP3
    push_keys,    ///< an invalidation push: [`invalidate`, null or an array of keys]
    script,       ///< nowhere, but an error names a script
    interpreted,  ///< a reply_interpreter knows
};

/// Whether a reply passes as it is, if it is no error.
[[nodiscard]] constexpr bool is_without_names(reply_rule rule) {
    return rule == reply_rule::plain || rule == reply_rule::script;
}

/// All that weir knows of one command or subcommand. Rows of the built-in table live as long as the process.
struct command_spec {
    static constexpr std::uint16_t not_built_in = 0xffff;

    std::string_view name;  ///< lower case; a subcommand as `container|sub`
    std::int16_t arity = 0;  ///< as Redis: exact, or negative for at least
    std::uint32_t flags = 0;
    std::uint32_t categories = 0;
    std::array<key_spec, 3> key_specs{};
    std::uint8_t key_spec_count = 0;
    /// A built-in row's place among the built-in rows, so that what is decided for each of them can be an array.
    std::uint16_t number = not_built_in;
    bool learned = false;    ///< not a row of ours: known from what a server said of it
    bool container = false;  ///< has subcommands; the row itself answers only for arity
    command_route route = command_route::refuse;
    request_rule request = request_rule::keys;
    reply_rule reply = reply_rule::plain;
    std::string_view reason = {};  ///< route refuse: for the client and the documentation

    [[nodiscard]] bool has(command_flag f) const { return flags & static_cast<std::uint32_t>(f); }
    [[nodiscard]] bool is(command_category c) const { return categories & static_cast<std::uint32_t>(c); }
    /// EVAL and its kin: what it runs may name keys that its arguments do not.
    [[nodiscard]] bool runs_script() const {
        return is(command_category::scripting) && has(command_flag::movablekeys);
    }
    [[nodiscard]] std::span<const key_spec> keys() const { return {key_specs.data(), key_spec_count}; }
    [[nodiscard]] bool accepts_argument_count(std::size_t count) const {
        return arity >= 0 ? count == static_cast<std::size_t>(arity) : count >= static_cast<std::size_t>(-arity);
    }
};

/// A command as an upstream reported it (one element of COMMAND's reply), already in our vocabulary.
struct command_facts {
    std::string name;  ///< as reported: lower case, `container|sub` for a subcommand
    int arity = 0;
    std::vector<std::string> flags;       ///< `write`, `readonly`, …
    std::vector<std::string> categories;  ///< without the `@`
    struct spec {
        key_spec value;       ///< keyword empty; it is in `keyword`
        std::string keyword;
        std::vector<std::string> flags;  ///< `RO`, `RW`, `incomplete`, `not_key`, …
    };
    std::vector<spec> specs;
    std::vector<command_facts> subcommands;
};

/// The facts of commands by name. Immutable once built: workers share one and are handed a new one when the
/// upstream turned out to know more.
class command_table {
public:
    /// The built-in rows: Redis 7.0.15 and Valkey 8.0.1. Their `number`s count from 0 without gaps.
    [[nodiscard]] static std::shared_ptr<const command_table> built_in();

    /// The built-in rows and what `reported` adds to them: a command the built-in table lacks is forwarded when it
    /// has complete key specifications or is a container of such, and it neither blocks, subscribes, scripts nor
    /// administers; else it gets a row that is refused with the reason. Built-in rows are never overridden. Complete
    /// does not mean true: modules known to tell too little are refused by name (command_table.cpp, `misdescribed`).
    [[nodiscard]] static std::shared_ptr<const command_table> learned(std::span<const command_facts> reported);

    /// By name in any case; nullptr when unknown. A container's row for `config`, say.
    [[nodiscard]] const command_spec* find(std::string_view name) const;
    /// The row `container|sub`, by the client's spelling; nullptr when unknown.
    [[nodiscard]] const command_spec* find_subcommand(const command_spec& container, std::string_view sub) const;
    /// By a row's whole name, `get` or `config|get`, in any case; nullptr when unknown.
    [[nodiscard]] const command_spec* find_row(std::string_view name) const;
    [[nodiscard]] std::span<const command_spec* const> rows() const;

    ~command_table();
    command_table(const command_table&) = delete;
    command_table& operator=(const command_table&) = delete;

private:
    command_table();
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace weir
