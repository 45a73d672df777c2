#include "proxy/fallback/engine/set_options.hpp"

#include <array>
#include <limits>
#include <string_view>

namespace weir::engine {

namespace {

using expiry = string_options::expiry;

struct expiry_word {
    std::string_view word;
    expiry what;
    bool takes_time;
    bool in_set;
    bool in_getex;
};
constexpr std::array expiry_words{
    expiry_word{"keepttl", expiry::keep, false, true, false},
    expiry_word{"persist", expiry::persist, false, false, true},
    expiry_word{"ex", expiry::ex, true, true, true},
    expiry_word{"px", expiry::px, true, true, true},
    expiry_word{"exat", expiry::exat, true, true, true},
    expiry_word{"pxat", expiry::pxat, true, true, true},
};

bool take_condition(const call& c, std::size_t at, string_options& options) {
    if (c.is(at, "nx") && !options.only_existing) return options.only_new = true;
    if (c.is(at, "xx") && !options.only_new) return options.only_existing = true;
    if (c.is(at, "get")) return options.get = true;
    return false;
}

/// Said twice the same is no error, the last counts.
bool take_expiry(const call& c, std::size_t& at, string_options& options, string_options::command command) {
    for (const expiry_word& each : expiry_words) {
        const bool known = command == string_options::command::set ? each.in_set : each.in_getex;
        if (!known || !c.is(at, each.word)) continue;
        if (options.what != expiry::none && options.what != each.what) return false;
        if (each.takes_time && at + 1 == c.size()) return false;
        options.what = each.what;
        if (each.takes_time) options.time = ++at;
        return true;
    }
    return false;
}

}  // namespace

std::optional<string_options> read_string_options(const call& c, std::size_t first, string_options::command command) {
    string_options options;
    for (std::size_t at = first; at < c.size(); ++at) {
        if (command == string_options::command::set && take_condition(c, at, options)) continue;
        if (take_expiry(c, at, options, command)) continue;
        c.fail_syntax();
        return std::nullopt;
    }
    return options;
}

std::optional<std::int64_t> read_expiry(const call& c, std::size_t argument, expiry unit) {
    constexpr std::int64_t longest = std::numeric_limits<std::int64_t>::max();
    const auto told = c.integer(argument);
    if (!told) return std::nullopt;
    const bool seconds = unit == expiry::ex || unit == expiry::exat;
    const bool relative = unit == expiry::ex || unit == expiry::px;
    if (*told <= 0 || (seconds && *told > longest / 1000)) {
        c.fail_expiry();
        return std::nullopt;
    }
    const std::int64_t milliseconds = seconds ? *told * 1000 : *told;
    if (relative && milliseconds > longest - c.now()) {
        c.fail_expiry();
        return std::nullopt;
    }
    return relative ? milliseconds + c.now() : milliseconds;
}

}  // namespace weir::engine
