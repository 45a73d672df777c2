#include <array>
#include <string>
#include <vector>

#include "proxy/fallback/engine/commands.hpp"
#include "proxy/fallback/engine/scanning.hpp"

namespace weir::engine {

namespace {

constexpr std::uint64_t keys_at_once = 1000;

void visit_all(keyspace& all, std::int64_t now, const keyspace::key_visitor& visit) {
    std::uint64_t cursor = 0;
    do {
        cursor = all.scan(cursor, keys_at_once, now, visit);
    } while (cursor != 0);
}

void keys(call& c) {
    const bool all = c[1] == "*";
    std::vector<std::string> found;
    visit_all(c.keys(), c.now(), [&](std::string_view key, const entry&) {
        if (all || glob_match(c[1], key)) found.emplace_back(key);
    });
    c.reply().array(found.size());
    for (const auto& key : found) c.reply().bulk(key);
}

void scan(call& c) {
    const auto cursor = read_cursor(c, 1);
    if (!cursor) return;
    const auto options = read_scan_options(c, 2, true);
    if (!options) return;
    const auto has_type = [&](const entry& what) {
        return !options->type || is_option(*options->type, type_name(what.held));
    };
    std::vector<std::string> found;
    const auto next =
        c.keys().scan(*cursor, options->count, c.now(), [&](std::string_view key, const entry& what) {
            if (options->matches(key) && has_type(what)) found.emplace_back(key);
        });
    write_page(c, next, found);
}

void dbsize(call& c) { c.reply().integer(static_cast<std::int64_t>(c.keys().count(c.now()))); }

void randomkey(call& c) {
    const auto key = c.keys().random_key(c.random(), c.now());
    if (!key) return c.reply().null();
    c.reply().bulk(*key);
}

/// SYNC and ASYNC are the same here.
bool takes_flush_options(const call& c) {
    const bool right = c.size() == 1 || (c.size() == 2 && (c.is(1, "sync") || c.is(1, "async")));
    if (!right) c.fail_syntax();
    return right;
}

void flushdb(call& c) {
    if (!takes_flush_options(c)) return;
    c.keys().clear();
    c.did_as_told();
    c.reply().simple("OK");
}

void flushall(call& c) {
    if (!takes_flush_options(c)) return;
    c.keys().clear_all();
    c.did_as_told();
    c.reply().simple("OK");
}

constexpr std::array rows{
    command_row{"dbsize", dbsize}, command_row{"flushall", flushall},   command_row{"flushdb", flushdb},
    command_row{"keys", keys},     command_row{"randomkey", randomkey}, command_row{"scan", scan},
};

}  // namespace

/// A store may hold what counts as absent.
std::size_t keyspace::count(std::int64_t now) {
    std::size_t keys = 0;
    visit_all(*this, now, [&](std::string_view, const entry&) { ++keys; });
    return keys;
}

std::span<const command_row> keyspace_commands() { return rows; }

}  // namespace weir::engine
