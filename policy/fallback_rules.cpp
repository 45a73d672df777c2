#include "policy/fallback_rules.hpp"

#include <algorithm>
#include <optional>

#include "protocol/command_keys.hpp"
#include "protocol/glob.hpp"

namespace weir {

namespace {

bool matches(const std::string& pattern, std::string_view key) {
    // Also the empty key, which glob_match's `*` does not match, as Redis' does not.
    return pattern == "*" || glob_match(pattern, key);
}

/// KEYS, SCAN, DBSIZE, RANDOMKEY, FLUSHDB, FLUSHALL: the only ones that touch keys without having any.
bool means_the_keyspace(const command_spec& command) {
    return command.key_spec_count == 0 && command.is(command_category::keyspace) &&
           (command.has(command_flag::readonly) || command.has(command_flag::write));
}

/// SORT's are found by reading its options.
bool shows_its_keys(const command_spec& command) {
    if (command.runs_script()) return false;
    if (command.request == request_rule::sort) return true;
    if (command.key_spec_count == 0) return !command.has(command_flag::movablekeys);
    return std::ranges::all_of(command.keys(), &key_spec::locatable);
}

}  // namespace

/// Where all of a command's keys are.
class fallback_rules::common_place {
public:
    void add(fallback_place place) { found_ = !found_ || *found_ == place ? place : fallback_place::nowhere; }
    /// Without any key: wherever it is asked.
    [[nodiscard]] fallback_place get() const { return found_.value_or(fallback_place::stores); }

private:
    std::optional<fallback_place> found_;
};

fallback_rules::fallback_rules(const std::vector<fallback_rule_options>& rules) : rules_(rules) {}

fallback_place fallback_rules::place_of(const arguments& request, const command_spec& command) const {
    if (rules_.empty()) return fallback_place::stores;
    const auto how = command.has(command_flag::write) ? access::writing : access::reading;
    if (means_the_keyspace(command)) return place_of_all(how);
    if (!shows_its_keys(command)) return fallback_place::nowhere;
    common_place place;
    for (const key_spec& spec : command.keys()) {
        if (!spec.locatable() || (spec.flags & key_spec::not_key) != 0) continue;
        const key_range keys = find_keys(request, spec);
        for (std::size_t i = keys.first; i < keys.end; i += keys.step) place.add(place_of(request[i], how));
    }
    if (command.request == request_rule::sort) {
        visit_sort_names(request, [&](sort_name kind, std::size_t at) {
            const std::string_view name = request[at];
            if (kind == sort_name::store) {
                place.add(place_of(name, access::writing));
            } else if (name.find('*') != std::string_view::npos) {
                // Which keys it makes of the pattern only the elements show. Without a star it makes none.
                place.add(place_of_all(access::reading));
            }
        });
    }
    if (command.request == request_rule::georadius) {
        visit_georadius_stores(request, command, [&](std::size_t at) { place.add(place_of(request[at], how)); });
    }
    return place.get();
}

fallback_place fallback_rules::place_by(const fallback_rule_options& rule, access how) {
    const bool refused = how == access::writing ? rule.writes == fallback_writes::refuse : !rule.reads;
    if (refused) return fallback_place::nowhere;
    return rule.writes == fallback_writes::memory ? fallback_place::memory : fallback_place::stores;
}

fallback_place fallback_rules::place_of(std::string_view key, access how) const {
    for (const fallback_rule_options& rule : rules_) {
        const bool counts = std::ranges::any_of(rule.keys, [&](const auto& pattern) { return matches(pattern, key); });
        if (counts) return place_by(rule, how);
    }
    return fallback_place::stores;
}

fallback_place fallback_rules::place_of_all(access how) const {
    common_place place;
    for (const fallback_rule_options& rule : rules_) place.add(place_by(rule, how));
    const bool are_all = std::ranges::find(rules_.back().keys, "*") != rules_.back().keys.end();
    if (!are_all) place.add(fallback_place::stores);
    return place.get();
}

}  // namespace weir
