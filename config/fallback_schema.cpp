#include "config/fallback_schema.hpp"

#include <algorithm>
#include <set>

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
    constexpr auto valid = "a list of stores, each of it memory; [] for none";
    const auto read = [kind = one_of<fallback_store>({{"memory", fallback_store::memory}})](
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
        group("memory", &o::memory, memory_rows()),
        group("remember", &o::remember, remember_rows()),
    };
}

section<fallback_rule_options> rule_rows() {
    using o = fallback_rule_options;
    return {
        required(
            words("keys", &o::keys, patterns, "the keys that the rule is about, by their clients' names")),
        leaf("reads", &o::reads, yes_or_no(), "whether they may be read without Redis"),
        leaf("writes", &o::writes, yes_or_no(), "whether they may be written without Redis"),
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
