#include "config/fallback_schema.hpp"

#include <algorithm>
#include <set>

#include "config/dsn.hpp"
#include "config/secrets.hpp"
#include "config/word_rows.hpp"
#include "policy/fallback_rules.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kib = 1 << 10;
constexpr std::size_t mib = 1 << 20;
constexpr std::size_t tib = std::size_t{1} << 40;

std::string glob_fault(std::string_view pattern) {
    return pattern.empty() ? "is empty; valid: a pattern as of KEYS, such as session:* or *" : "";
}

constexpr word_list patterns{&glob_fault, "a pattern of keys such as \"session:*\"", false};

option_row<fallback_options> order_row() {
    constexpr auto valid = "a list of stores, each of it postgres or memory; [] for none";
    const auto read = [kind = one_of<fallback_store>({{"postgres", fallback_store::postgres}, {"memory", fallback_store::memory}})](
                          const field& from, fallback_options& into) {
        const auto items = from.items(valid);
        if (!items) return;
        for (const auto& item : *items) {
            read_value(item, kind, [&](fallback_store store) {
                if (std::ranges::find(into.order, store) != into.order.end())
                    return item.fail("'" + kind.show(store) +
                                     "' stands before this too; valid: each store once");
                into.order.push_back(store);
            });
        }
    };
    const auto describe = [](const std::string& path, std::vector<option_summary>& into) {
        into.push_back({path, valid, "[]", "the stores that answer while the breaker is not closed"});
    };
    return {"order", read, describe};
}

/// Where the DSN is, or itself if it holds no password: `fetch` gets it.
option_row<postgres_options> dsn_row(std::string_view name, std::string_view what, std::string_view help,
                                     parsed<std::string> (*fetch)(const std::string&)) {
    auto row = leaf(name, &postgres_options::dsn, text(what), help);
    row.read = [fetch, kind = text(what)](const field& from, postgres_options& into) {
        if (into.dsn) return from.fail("there is a DSN already; keep one of dsn, dsn_file and dsn_env");
        read_value(from, kind, [&](const std::string& source) {
            const auto dsn = fetch(source);
            if (!dsn) return from.refuse(source, dsn.why(), kind.valid);
            if (const auto fault = dsn_fault(*dsn); !fault.empty()) return from.fail("the DSN " + fault);
            into.dsn = *dsn;
        });
    };
    return row;
}

parsed<std::string> plain_dsn(const std::string& dsn) {
    if (dsn_fault(dsn).empty() && holds_password(dsn)) return fault{"holds a password; put it into dsn_file or dsn_env"};
    return dsn;
}

std::string schema_fault(std::string_view name) {
    const auto is_of = [](std::string_view letters) {
        return [letters](char c) { return letters.find(c) != std::string_view::npos; };
    };
    const bool is_name = !name.empty() && name.size() < 64 && !name.starts_with("pg_") && !is_of("0123456789")(name[0]) &&
                         std::ranges::all_of(name, is_of("abcdefghijklmnopqrstuvwxyz0123456789_"));
    return is_name ? "" : "is no name of a schema here";
}

value_kind<std::string> schema_name() {
    auto kind = text("1 to 63 of a-z, 0-9 and _, no digit first, not pg_...");
    kind.parse = [](std::string_view written) -> parsed<std::string> {
        if (auto why = schema_fault(written); !why.empty()) return fault{std::move(why)};
        return std::string(written);
    };
    return kind;
}

section<postgres_pool_options> postgres_pool_rows() {
    using o = postgres_pool_options;
    return {
        leaf("min", &o::min, count(0, 1'000), "connections that are kept open"),
        leaf("max", &o::max, count(1, 1'000), "connections at most"),
        leaf("acquire_timeout", &o::acquire_timeout, duration(1ms, 24h), "a command waits this long for one"),
        leaf("connect_timeout", &o::connect_timeout, duration(1ms, 24h), "a connection takes this long at most"),
        leaf("idle_timeout", &o::idle_timeout, duration_or_zero("never", 1ms, 24h),
             "an unused one above `min` is closed after this"),
    };
}

section<postgres_options> postgres_rows() {
    using o = postgres_options;
    return {
        dsn_row("dsn_file", "the path of a file with the DSN in it", "the DSN is this file's content", &read_password_file),
        dsn_row("dsn_env", "the name of an environment variable with the DSN in it", "the DSN is this variable's value",
                &read_password_env),
        dsn_row("dsn", "postgres://user@host/database, or host=... dbname=...", "where Postgres is; without a password",
                &plain_dsn),
        leaf("schema", &o::schema, schema_name(), "the schema with weir's tables; made when it is not there"),
        leaf("statement_timeout", &o::statement_timeout, duration(1ms, 24h), "what is asked of it takes this long at most"),
        leaf("start_timeout", &o::start_timeout, duration(1ms, 24h),
             "how long weir waits at its start for word of the journal"),
        leaf("max_journal", &o::max_journal_bytes, size(kib, tib), "what the journal takes at most; then writes are refused"),
        group("pool", &o::pool, postgres_pool_rows()),
    };
}

section<memory_options> memory_rows() {
    using o = memory_options;
    return {
        leaf("max_bytes", &o::max_bytes, size(kib, tib), "what is held in memory at most"),
        leaf("replay", &o::replay, yes_or_no(),
             "whether writes accepted meanwhile go to Redis when it is back"),
        leaf("max_journal", &o::max_journal_bytes, size(kib, tib),
             "what such writes take at most; then writes are refused"),
    };
}

option_row<remember_options> what_row() {
    using reads_and_writes = std::pair<bool, bool>;
    const auto kind = one_of<reads_and_writes>({{"nothing", {false, false}},
                                                {"reads", {true, false}},
                                                {"writes", {false, true}},
                                                {"both", {true, true}}});
    const auto read = [kind](const field& from, remember_options& into) {
        read_value(from, kind, [&](const reads_and_writes& what) {
            into.reads = what.first;
            into.writes = what.second;
        });
    };
    const auto describe = [kind](const std::string& path, std::vector<option_summary>& into) {
        const remember_options standard;
        into.push_back({path, kind.valid, kind.show({standard.reads, standard.writes}),
                        "what is copied of the traffic while Redis is there"});
    };
    return {"what", read, describe};
}

section<remember_options> remember_rows() {
    using o = remember_options;
    return {
        what_row(),
        words("keys", &o::keys, patterns, "the keys of which copies are taken, by their clients' names"),
        leaf("max_age", &o::max_age, duration(1ms, 365 * 24h), "an older copy counts as absent"),
        leaf("max_value", &o::max_value_bytes, size(1, 512 * mib), "a value with more bytes is not copied"),
        leaf("rate", &o::rate, call_rate(), "copies taken at most, over all workers"),
    };
}

section<fallback_options> fallback_rows() {
    using o = fallback_options;
    using last = fallback_last_resort;
    return {
        order_row(),
        leaf("last_resort", &o::last_resort, one_of<last>({{"error", last::error}, {"empty", last::empty}}),
             "what a read gets that no store answers"),
        group("postgres", &o::postgres, postgres_rows()),
        group("memory", &o::memory, memory_rows()),
        group("remember", &o::remember, remember_rows()),
    };
}

section<fallback_rule_options> rule_rows() {
    using o = fallback_rule_options;
    using writes = fallback_writes;
    return {
        required(
            words("keys", &o::keys, patterns, "the keys that the rule is about, by their clients' names")),
        leaf("reads", &o::reads, yes_or_no(), "whether they may be read without Redis"),
        leaf("writes", &o::writes,
             one_of<writes>({{"journal", writes::journal},
                             {"refuse", writes::refuse},
                             {"memory", writes::memory},
                             {"yes", writes::journal},
                             {"no", writes::refuse}}),
             "what becomes of a write to them without Redis"),
    };
}

/// As the first rule counts, one that stands behind its own patterns never does.
void check_reachable(const std::vector<field>& items, const std::vector<fallback_rule_options>& rules) {
    std::set<std::string_view> before;
    for (std::size_t i = 0; i < rules.size(); ++i) {
        const auto& keys = rules[i].keys;
        if (before.contains("*")) {
            items[i].fail("never counts, as a rule before it is for \"*\"; valid: that one last");
            return;
        }
        for (std::size_t k = 0; k < keys.size(); ++k)
            if (before.contains(keys[k]))
                items[i].file->fail(
                    items[i].path + "/keys[" + std::to_string(k) + "]",
                    "'" + keys[k] + "' stands in a rule before this one, which counts; remove one");
        before.insert(keys.begin(), keys.end());
    }
}

}  // namespace

option_row<options> fallback_row() {
    return group("fallback", &options::fallback, fallback_rows());
}

option_row<tenant_terms> fallback_rules_row() {
    const auto read = [rows = rule_rows()](const field& from, tenant_terms& into) {
        const auto items = from.items("a list of rules, each with keys; [] for none");
        if (!items) return;
        if (items->size() > max_fallback_rules)
            return from.fail("the list holds " + std::to_string(items->size()) +
                             " rules; valid: " + std::to_string(max_fallback_rules) + " at most");
        into.fallback.clear();
        for (const auto& item : *items) read_section(item, rows, into.fallback.emplace_back());
        check_reachable(*items, into.fallback);
    };
    const auto describe = [](const std::string& path, std::vector<option_summary>& into) {
        into.push_back({path, "a list of rules", "[]", "which keys may be answered without Redis"});
        describe_section(path + "[]", rule_rows(), into);
        for (auto& summary : into)
            if (summary.path == path + "[].keys") summary.standard.clear();
    };
    return {"fallback", read, describe};
}

}  // namespace weir
