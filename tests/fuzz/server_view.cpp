#include "tests/fuzz/server_view.hpp"

#include <strings.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "protocol/ascii.hpp"

namespace weir::fuzz {

namespace {

using names = std::optional<std::vector<std::size_t>>;
using word_span = std::span<const std::string>;

bool is_option(const std::string& word, const char* option) {
    return ::strcasecmp(word.c_str(), option) == 0;
}

/// Whether the server could take this for a number: rather too often than too rarely.
bool maybe_number(const std::string& word) {
    return !word.empty() && word.find_first_not_of("0123456789-+.einfa") == std::string::npos;
}

names sort_names(word_span words, bool read_only) {
    std::vector<std::size_t> found{1};
    for (std::size_t i = 2; i < words.size(); ++i) {
        const std::size_t left = words.size() - i - 1;
        if (is_option(words[i], "asc") || is_option(words[i], "desc") || is_option(words[i], "alpha"))
            continue;
        if (is_option(words[i], "limit") && left >= 2) {
            if (!maybe_number(words[i + 1]) || !maybe_number(words[i + 2])) return std::nullopt;
            i += 2;
        } else if (!read_only && is_option(words[i], "store") && left >= 1) {
            found.push_back(++i);
        } else if (is_option(words[i], "by") && left >= 1) {
            if (std::strchr(words[++i].c_str(), '*') != nullptr) found.push_back(i);
        } else if (is_option(words[i], "get") && left >= 1) {
            if (std::strcmp(words[++i].c_str(), "#") != 0) found.push_back(i);
        } else {
            return std::nullopt;
        }
    }
    return found;
}

/// GEORADIUS and GEORADIUSBYMEMBER: the options begin behind the unit.
names radius_names(word_span words, std::size_t options_at) {
    std::vector<std::size_t> found{1};
    if (!maybe_number(words[options_at - 2])) return std::nullopt;
    for (std::size_t i = options_at; i < words.size(); ++i) {
        const bool value_follows = i + 1 < words.size();
        const bool flag =
            std::ranges::any_of(std::array{"withdist", "withhash", "withcoord", "any", "asc", "desc"},
                                [&](const char* option) { return is_option(words[i], option); });
        if (flag) continue;
        if (is_option(words[i], "count") && value_follows) {
            if (!maybe_number(words[++i])) return std::nullopt;
        } else if ((is_option(words[i], "store") || is_option(words[i], "storedist")) && value_follows) {
            found.push_back(++i);
        } else {
            return std::nullopt;
        }
    }
    return found;
}

names scan_names(word_span words) {
    std::vector<std::size_t> found;
    for (std::size_t i = 2; i + 1 < words.size(); i += 2) {
        if (is_option(words[i], "match")) {
            found.push_back(i + 1);
        } else if (is_option(words[i], "count")) {
            if (!maybe_number(words[i + 1])) return std::nullopt;
        } else if (!is_option(words[i], "type")) {
            return std::nullopt;
        }
    }
    return words.size() % 2 == 0 ? names(found) : std::nullopt;
}

names stream_names(word_span words, bool needs_group) {
    bool has_group = false;
    for (std::size_t i = 1; i < words.size(); ++i) {
        const std::size_t left = words.size() - i - 1;
        if ((is_option(words[i], "block") || is_option(words[i], "count")) && left >= 1) {
            if (!maybe_number(words[++i])) return std::nullopt;
        } else if (is_option(words[i], "streams") && left >= 1) {
            if (left % 2 != 0 || has_group != needs_group) return std::nullopt;
            std::vector<std::size_t> found;
            for (std::size_t key = i + 1; key <= i + left / 2; ++key) found.push_back(key);
            return found;
        } else if (is_option(words[i], "group") && left >= 2) {
            has_group = true;
            i += 2;
        } else if (!is_option(words[i], "noack")) {
            return std::nullopt;
        }
    }
    return std::nullopt;
}

/// As getKeysUsingKeySpecs (db.c), for specifications that begin at an index.
names specified_names(const command_spec& command, word_span words) {
    std::vector<std::size_t> found;
    const auto count = static_cast<long long>(words.size());
    for (const key_spec& spec : command.keys()) {
        if (spec.flags & key_spec::not_key || spec.begin != key_spec::begin_kind::index) continue;
        long long first = spec.index;
        long long last = spec.last_key >= 0 ? first + spec.last_key : count + spec.last_key;
        long long step = spec.key_step;
        if (spec.find == key_spec::find_kind::keynum) {
            const std::string& number = words[static_cast<std::size_t>(first + spec.keynum_index)];
            const auto keys = parse_integer(number);
            if (!keys || *keys < 0) return std::nullopt;
            first += spec.first_key;
            if (*keys > count - first) return std::nullopt;
            last = first + *keys - 1;
            step = 1;
        }
        for (long long i = first; i <= last && i < count; i += step)
            found.push_back(static_cast<std::size_t>(i));
    }
    std::ranges::sort(found);
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
}

}  // namespace

names server_names(const command_spec& command, word_span words) {
    if (command.name == "sort") return sort_names(words, false);
    if (command.name == "sort_ro") return sort_names(words, true);
    if (command.name == "georadius") return radius_names(words, 6);
    if (command.name == "georadiusbymember") return radius_names(words, 5);
    if (command.name == "scan") return scan_names(words);
    if (command.name == "xread") return stream_names(words, false);
    if (command.name == "xreadgroup") return stream_names(words, true);
    if (command.name == "keys" || command.name == "publish" || command.name == "spublish")
        return std::vector<std::size_t>{1};
    return specified_names(command, words);
}

}  // namespace weir::fuzz
