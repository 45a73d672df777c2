#include "config/limit_schema.hpp"

#include <map>

#include "config/units.hpp"
#include "config/word_rows.hpp"
#include "policy/tenant_rules.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t most_units = 1'000'000'000;
constexpr std::size_t highest_cost = 1'000'000;

option_row<limit_options> commands_row() {
    static constexpr word_list kind{
        &command_word_fault, "\"*\" or an ACL word such as \"@write\", \"-get\" or \"config|get\"", false};
    auto row = words("commands", &limit_options::commands, kind, "what it counts");
    row.read = [read = row.read](const field& from, limit_options& into) {
        read(from, into);
        if (into.commands.front().starts_with('-'))
            return from.file->fail(from.path + "[0]",
                                   "takes away, and nothing stands before it; valid: \"*\" or another "
                                   "word that adds in front");
        require_a_command(from, into.commands);
    };
    return row;
}

option_row<limit_options> cost_row() {
    const auto read = [kind = count(1, highest_cost)](const field& from, limit_options& into) {
        std::map<std::string, std::size_t> costs;
        read_by_word(from, kind, costs);
        for (const auto& [word, units] : costs) into.cost.emplace(word, static_cast<std::uint32_t>(units));
    };
    const auto describe = [](const std::string& path, std::vector<option_summary>& into) {
        into.push_back({path,
                        std::string(by_word_valid) + " and " + count(1, highest_cost).valid + " behind it",
                        "{}", "what a call of these commands counts, instead of 1"});
    };
    return {"cost", read, describe};
}

section<limit_options> limit_rows() {
    using o = limit_options;
    using algorithm = limit_algorithm;
    using scope = limit_scope;
    using store_down = limit_on_store_down;
    using action = limit_action;
    return {
        required(leaf("name", &o::name, limit_name(), "what errors, metrics and WEIR LIMITS call it")),
        commands_row(),
        cost_row(),
        required(leaf("rate", &o::rate, call_rate(), "how many calls may pass in which time")),
        leaf("burst", &o::burst, count(1, most_units), "with gcra: how many may come at once"),
        leaf("algorithm", &o::algorithm,
             one_of<algorithm>({{"gcra", algorithm::gcra},
                                {"sliding_window", algorithm::sliding_window},
                                {"fixed_window", algorithm::fixed_window}}),
             "how calls are counted"),
        leaf("scope", &o::scope, one_of<scope>({{"local", scope::local}, {"global", scope::global}}),
             "whether each weir counts for itself, or all weirs of the upstream together"),
        leaf("on_store_down", &o::on_store_down,
             one_of<store_down>({{"open", store_down::open}, {"closed", store_down::closed}}),
             "with scope global: whether each weir counts for itself or refuses while the upstream is away"),
        leaf("action", &o::action, one_of<action>({{"refuse", action::refuse}, {"delay", action::delay}}),
             "whether what is too much is refused or waits"),
        leaf("max_delay", &o::max_delay, duration(1ms, 1h),
             "with action delay: what would wait longer is refused"),
    };
}

/// One limit where it stands, and what may be wrong between its options.
class limit_check {
public:
    limit_check(const field& from, const limit_options& limit) : from_(from), limit_(limit) {}

    void run() const {
        needs("burst", limit_.algorithm == limit_algorithm::gcra,
              "algorithm: gcra, as a window's calls may all come at once");
        needs("on_store_down", limit_.scope == limit_scope::global,
              "scope: global, as a local limit needs no upstream");
        needs("max_delay", limit_.action == limit_action::delay, "action: delay, as nothing waits otherwise");
        if (limit_.rate.count == 0) return;  // it has had its error
        check_cost();
        check_burst();
    }

private:
    void fail(std::string_view option, const std::string& message) const {
        from_.file->fail(from_.path + "/" + std::string(option), message);
    }

    void needs(std::string_view option, bool is_used, std::string_view valid) const {
        if (!is_used && from_.file->has(from_.path + "/" + std::string(option)))
            fail(option, "would have no effect; valid: with " + std::string(valid));
    }

    /// Units that may pass at once.
    [[nodiscard]] std::uint64_t room() const {
        return limit_.algorithm == limit_algorithm::gcra ? limit_.burst.value_or(limit_.rate.count)
                                                         : limit_.rate.count;
    }

    void check_cost() const {
        const bool has_burst = limit_.algorithm == limit_algorithm::gcra && limit_.burst;
        for (const auto& [word, units] : limit_.cost) {
            if (!overlap(limit_.commands, word))
                fail("cost/" + word,
                     "would have no effect, as `commands` counts none of these; valid: words of what it "
                     "counts");
            else if (units > room())
                fail("cost/" + word, std::to_string(units) + " is above the " +
                                         (has_burst ? "burst" : "rate") + " of " + std::to_string(room()) +
                                         ", so these calls could never pass; valid: 1 to that");
        }
    }

    void check_burst() const {
        constexpr std::chrono::milliseconds longest = 365 * 24h;
        const auto each = std::chrono::duration<double, std::milli>(limit_.rate.period) /
                          static_cast<double>(limit_.rate.count);
        if (each * static_cast<double>(room()) > longest)
            fail("burst", "at this rate it takes more than " + format_duration(longest) +
                              " until all of it may come again; valid: less, or a higher rate");
    }

    const field& from_;
    const limit_options& limit_;
};

void check_names(const std::vector<field>& items, const std::vector<limit_options>& limits) {
    std::map<std::string_view, std::size_t> first;
    for (std::size_t i = 0; i < limits.size(); ++i) {
        const auto& name = limits[i].name;
        if (name.empty()) continue;
        const auto [found, is_new] = first.emplace(name, i);
        if (!is_new)
            items[i].file->fail(items[i].path + "/name",
                                "'" + name + "' is the name of " + shown(items[found->second].path) +
                                    " too; valid: a name that no other limit here has");
    }
}

}  // namespace

option_row<tenant_terms> limits_row() {
    const auto read = [rows = limit_rows()](const field& from, tenant_terms& into) {
        const auto items = from.items("a list of limits, each with name and rate; [] for none");
        if (!items) return;
        if (items->size() > max_limits)
            return from.fail("the list holds " + std::to_string(items->size()) +
                             " limits; valid: " + std::to_string(max_limits) + " at most");
        into.limits.clear();
        for (const auto& item : *items) {
            auto& limit = into.limits.emplace_back();
            read_section(item, rows, limit);
            limit_check(item, limit).run();
        }
        check_names(*items, into.limits);
    };
    const auto describe = [](const std::string& path, std::vector<option_summary>& into) {
        into.push_back({path, "a list of limits", "[]", "how many calls may pass in which time"});
        describe_section(path + "[]", limit_rows(), into);
        for (auto& summary : into)
            if (summary.path == path + "[].name" || summary.path == path + "[].rate")
                summary.standard.clear();
    };
    return {"limits", read, describe};
}

}  // namespace weir
