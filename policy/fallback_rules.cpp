#include "policy/fallback_rules.hpp"

#include <algorithm>

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

fallback_rules::fallback_rules(const std::vector<fallback_rule_options>& rules) : rules_(rules) {}

bool fallback_rules::allow(const arguments& request, const command_spec& command) const {
    if (rules_.empty()) return true;
    const auto how = command.has(command_flag::write) ? access::writing : access::reading;
    if (means_the_keyspace(command)) return allow_everywhere(how);
    if (!shows_its_keys(command)) return false;
    for (const key_spec& spec : command.keys()) {
        if (!spec.locatable() || (spec.flags & key_spec::not_key) != 0) continue;
        const key_range keys = find_keys(request, spec);
        for (std::size_t i = keys.first; i < keys.end; i += keys.step) {
            if (!allows(request[i], how)) return false;
        }
    }
    if (command.request == request_rule::sort && !allow_sort_names(request)) return false;
    bool stores = true;
    if (command.request == request_rule::georadius) {
        visit_georadius_stores(request, command, [&](std::size_t at) { stores = stores && allows(request[at], how); });
    }
    return stores;
}

bool fallback_rules::allows(std::string_view key, access how) const {
    for (const fallback_rule_options& rule : rules_) {
        const bool counts = std::ranges::any_of(rule.keys, [&](const auto& pattern) { return matches(pattern, key); });
        if (counts) return how == access::writing ? rule.writes : rule.reads;
    }
    return true;
}

bool fallback_rules::allow_everywhere(access how) const {
    return std::ranges::all_of(rules_, how == access::writing ? &fallback_rule_options::writes : &fallback_rule_options::reads);
}

bool fallback_rules::allow_sort_names(const arguments& request) const {
    bool allowed = true;
    visit_sort_names(request, [&](sort_name kind, std::size_t at) {
        const std::string_view name = request[at];
        if (kind == sort_name::store) {
            allowed = allowed && allows(name, access::writing);
        } else if (name.find('*') != std::string_view::npos) {
            // Which keys it makes of the pattern only the elements show. Without a star it makes none.
            allowed = allowed && allow_everywhere(access::reading);
        }
    });
    return allowed;
}

}  // namespace weir
