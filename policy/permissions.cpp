#include "policy/permissions.hpp"

#include <algorithm>
#include <optional>

#include "policy/digest.hpp"
#include "protocol/ascii.hpp"
#include "protocol/command_keys.hpp"
#include "protocol/glob.hpp"

namespace weir {

namespace {

// ---- words

std::string lower(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), to_lower);
    return result;
}

bool has_sign(std::string_view word) {
    return word.starts_with('+') || word.starts_with('-');
}

std::string_view without_sign(std::string_view word) {
    return word.substr(has_sign(word) ? 1 : 0);
}

/// A list that begins by taking away begins with everything; so does none.
std::vector<std::string> whole_list(const std::vector<std::string>& allow) {
    std::vector<std::string> words;
    if (allow.empty() || allow.front().starts_with('-')) words.emplace_back("*");
    words.insert(words.end(), allow.begin(), allow.end());
    return words;
}

/// Words that are a set, whatever sign they have.
std::vector<std::string> as_set(const std::vector<std::string>& words) {
    std::vector<std::string> plain;
    for (const std::string& word : words) plain.emplace_back(without_sign(word));
    return plain;
}

/// What no words take away: without AUTH, HELLO, QUIT and RESET (the server's flag no_auth) a client could
/// not even say who it is. A module's commands may call themselves what they like.
bool is_free(const command_spec& command) {
    return !command.learned && (command.has(command_flag::no_auth) || command.name.starts_with("weir|"));
}

std::string_view container_of(std::string_view name) {
    return name.substr(0, name.find('|'));
}

// ---- patterns

constexpr std::string_view everything = "*";
/// Of a word that is none: it restricts, and permits nothing.
const key_pattern no_pattern{"", false, false};

std::optional<key_pattern> parse_pattern(std::string_view word) {
    if (equals_ignoring_case(word, "allkeys")) return key_pattern{std::string(everything)};
    if (word.starts_with('~')) return key_pattern{std::string(word.substr(1))};
    if (!word.starts_with('%')) return key_pattern{std::string(word)};
    const std::size_t tilde = word.find('~');
    if (tilde == std::string_view::npos) return std::nullopt;
    const std::string rights = lower(word.substr(1, tilde - 1));
    const bool known = rights == "r" || rights == "w" || rights == "rw" || rights == "wr";
    if (!known) return std::nullopt;
    const auto has = [&](char right) { return rights.find(right) != std::string::npos; };
    return key_pattern{std::string(word.substr(tilde + 1)), has('r'), has('w')};
}

/// What isspace(3) says in the C locale, and NUL: ACL SETUSER takes no such pattern.
bool is_space_or_nul(char c) {
    return c == ' ' || c == '\0' || (c >= '\t' && c <= '\r');
}

// ---- what a command does to its keys

/// acl.c, ACLSelectorCheckKey
constexpr std::uint16_t reading = key_spec::access;
constexpr std::uint16_t writing = key_spec::insert | key_spec::update | key_spec::delete_;

/// SET key value [option …]: without GET it reads nothing (db.c, setGetKeys).
bool sets_without_reading(const arguments& request) {
    for (std::size_t i = 3; i < request.size(); ++i) {
        if (is_option(request[i], "get")) return false;
    }
    return true;
}

/// BITFIELD key [GET type offset] [OVERFLOW how] … : with these alone it writes nothing (db.c,
/// bitfieldGetKeys).
bool only_gets_bits(const arguments& request) {
    for (std::size_t i = 2; i < request.size(); ++i) {
        const std::size_t behind = request.size() - i - 1;
        if (is_option(request[i], "get") && behind >= 2) {
            i += 2;
        } else if (is_option(request[i], "overflow") && behind >= 1) {
            i += 1;
        } else {
            return false;
        }
    }
    return true;
}

/// Whether the first arguments hold all keys: one key at a fixed place each.
bool holds_all_keys(const arguments& request, const command_spec& command) {
    const auto is_here = [&](const key_spec& spec) {
        if (spec.flags & key_spec::not_key) return true;
        return spec.begin == key_spec::begin_kind::index && spec.find == key_spec::find_kind::range &&
               spec.last_key == 0 && static_cast<std::size_t>(spec.index) < request.size();
    };
    return command.request == request_rule::keys && std::ranges::all_of(command.keys(), is_here);
}

}  // namespace

std::string key_pattern_fault(std::string_view word) {
    const auto pattern = parse_pattern(word);
    if (!pattern)
        return "is no key pattern; valid: cart:*, ~cart:*, %R~cart:* (read), %W~cart:* (write), %RW~cart:*";
    if (pattern->glob.empty()) return "holds no pattern, and would match no key but the empty one";
    if (std::ranges::any_of(pattern->glob, is_space_or_nul))
        return "holds a space or NUL, which no ACL pattern may; ? matches it";
    return {};
}

permissions::permissions(const permission_options& options) : read_only_(options.read_only) {
    for (const std::string& word : options.keys) add_pattern(parse_pattern(word).value_or(no_pattern));
    const auto is_everything = [](const key_pattern& one) {
        return one.glob == everything && one.read && one.write;
    };
    if (std::ranges::any_of(patterns_, is_everything)) patterns_.clear();

    allow_ = command_set(whole_list(options.allow));
    deny_ = command_set(as_set(options.deny));
    protect_ = command_set(as_set(options.protect));
    for (const std::string& word : options.allow) {
        if (!word.starts_with('-')) asked_for_.push_back(lower(without_sign(word)));
    }
    for (const std::string& word : options.protect) protected_words_.push_back(lower(without_sign(word)));
    all_commands_ = options.allow.empty() && options.deny.empty() && options.protect.empty() && !read_only_;
    compile();
}

void permissions::compile() {
    std::string effect;
    for (const command_spec* row : command_table::built_in()->rows()) {
        if (all_commands_) break;
        const bool permitted = follows_words(*row);
        if (row->number < compiled_rows) by_number_[row->number] = permitted;
        if (!permitted) effect.append("-").append(row->name) += '\n';
    }
    for (const key_pattern& one : patterns_) {
        effect.append("%")
            .append(one.read ? "R" : "")
            .append(one.write ? "W" : "")
            .append("~")
            .append(one.glob) += '\n';
    }
    if (!effect.empty()) fingerprint_ = to_hex(sha256(effect));
}

/// As ACL SETUSER does: what is said twice of one pattern adds up.
void permissions::add_pattern(key_pattern added) {
    const auto same = std::ranges::find(patterns_, added.glob, &key_pattern::glob);
    if (same == patterns_.end()) {
        patterns_.push_back(std::move(added));
    } else {
        same->read = same->read || added.read;
        same->write = same->write || added.write;
    }
}

bool permissions::follows_words(const command_spec& command) const {
    if (is_free(command)) return true;
    if (read_only_ && command.has(command_flag::write)) return false;
    if (!allow_.contains(command) || deny_.contains(command)) return false;
    return !protect_.contains(command) || is_asked_for(command);
}

/// Whether `allow` names this very command, or the container that `protect` names as well.
bool permissions::is_asked_for(const command_spec& command) const {
    const auto asked = [&](std::string_view name) {
        return std::ranges::find(asked_for_, name) != asked_for_.end();
    };
    if (asked(command.name)) return true;
    const std::string_view container = container_of(command.name);
    const auto is_protected = [&](std::string_view name) {
        return std::ranges::find(protected_words_, name) != protected_words_.end();
    };
    return asked(container) && is_protected(container) && !is_protected(command.name);
}

bool permissions::names(const command_spec& command) const {
    return !deny_.contains(command) && std::ranges::find(asked_for_, command.name) != asked_for_.end();
}

bool permissions::may_touch(std::string_view key, key_need need) const {
    return std::ranges::any_of(patterns_, [&](const key_pattern& one) {
        return (one.read || !need.read) && (one.write || !need.write) && glob_match(one.glob, key);
    });
}

bool permissions::may_read_everything() const {
    return std::ranges::any_of(patterns_,
                               [](const key_pattern& one) { return one.read && one.glob == everything; });
}

/// `knows_options`: whether all arguments that say more than the flags are there.
permissions::key_need permissions::need_of(const key_spec& spec, const arguments& request,
                                           const command_spec& command, bool knows_options) {
    key_need need{(spec.flags & reading) != 0, (spec.flags & writing) != 0};
    if (!(spec.flags & key_spec::variable_flags)) return need;
    if (!knows_options) return {true, true};
    if (command.name == "set") need.read = !sets_without_reading(request);
    if (command.name == "bitfield") need.write = !only_gets_bits(request);
    return need;
}

key_verdict permissions::judge_keys(const arguments& request, const command_spec& command,
                                    std::size_t count) const {
    if (!restricts_keys() || command.key_spec_count == 0) return key_verdict::allowed;
    const bool whole = request.size() == count;
    if (!whole && !holds_all_keys(request, command)) return key_verdict::undecided;
    // SET has options behind its value alone.
    const bool knows_options = whole || (command.name == "set" && count <= 3);
    for (const key_spec& spec : command.keys()) {
        const key_need need = need_of(spec, request, command, knows_options);
        const bool may_change = !knows_options && spec.flags & key_spec::variable_flags;
        const key_range keys = find_keys(request, spec);
        for (std::size_t i = keys.first; i < keys.end; i += keys.step) {
            if (!may_touch(request[i], need))
                return may_change ? key_verdict::undecided : key_verdict::refused;
        }
    }
    if (command.request == request_rule::sort) return judge_sort(request);
    bool stores = true;
    if (command.request == request_rule::georadius) {
        visit_georadius_stores(request, command, [&](std::size_t at) {
            stores = stores && may_touch(request[at], {false, true});
        });
    }
    return stores ? key_verdict::allowed : key_verdict::refused;
}

key_verdict permissions::judge_sort(const arguments& request) const {
    key_verdict names = key_verdict::allowed;
    key_verdict patterns = key_verdict::allowed;
    const auto take = [](key_verdict& verdict, key_verdict found) {
        if (verdict == key_verdict::allowed) verdict = found;
    };
    visit_sort_names(request, [&](sort_name kind, std::size_t at) {
        const std::string_view name = request[at];
        if (kind == sort_name::store) {
            if (!may_touch(name, {false, true})) take(names, key_verdict::refused);
        } else if (!may_read_everything()) {
            if (kind == sort_name::get) take(patterns, key_verdict::refused_sort_get);
            if (kind == sort_name::by && name.find('*') != std::string_view::npos)
                take(patterns, key_verdict::refused_sort_by);
        }
    });
    return names == key_verdict::allowed ? patterns : names;
}

}  // namespace weir
