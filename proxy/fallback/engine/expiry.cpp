#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string>

#include "proxy/fallback/engine/commands.hpp"

namespace weir::engine {

namespace {

constexpr std::int64_t longest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t no_key = -2;
constexpr std::int64_t no_expiry = -1;

/// `milliseconds` may be the end of time, and is not negative.
std::int64_t rounded_seconds(std::int64_t milliseconds) {
    return static_cast<std::int64_t>((static_cast<std::uint64_t>(milliseconds) + 500) / 1000);
}

/// As Redis prints it: up to a NUL, without line ends behind it.
std::string c_text(std::string_view word) {
    word = word.substr(0, word.find('\0'));
    return std::string(word.substr(0, word.find_last_not_of("\r\n") + 1));
}

/// NX, XX, GT and LT of EXPIRE and its kin.
struct conditions {
    bool only_without = false;  ///< NX
    bool only_with = false;     ///< XX
    bool only_later = false;    ///< GT
    bool only_earlier = false;  ///< LT

    [[nodiscard]] bool any() const { return only_without || only_with || only_later || only_earlier; }
    /// A key without expiry lives longer than any other.
    [[nodiscard]] bool allow(std::int64_t before, std::int64_t after) const {
        if (only_without && before != never) return false;
        if (only_with && before == never) return false;
        if (only_later && (before == never || after <= before)) return false;
        return !(only_earlier && before != never && after >= before);
    }
};

std::optional<conditions> read_conditions(const call& c) {
    struct word {
        std::string_view text;
        bool conditions::* member;
    };
    static constexpr std::array words{word{"nx", &conditions::only_without}, word{"xx", &conditions::only_with},
                                      word{"gt", &conditions::only_later}, word{"lt", &conditions::only_earlier}};
    conditions told;
    for (std::size_t i = 3; i < c.size(); ++i) {
        const auto* const known = std::ranges::find_if(words, [&](const word& each) { return c.is(i, each.text); });
        if (known == words.end()) {
            c.fail("ERR Unsupported option " + c_text(c[i]));
            return std::nullopt;
        }
        told.*(known->member) = true;
    }
    if (told.only_without && (told.only_with || told.only_later || told.only_earlier)) {
        c.fail(texts::nx_with_others);
        return std::nullopt;
    }
    if (told.only_later && told.only_earlier) {
        c.fail(texts::gt_with_lt);
        return std::nullopt;
    }
    return told;
}

/// As milliseconds since 1970, which may lie before 1970.
std::optional<std::int64_t> read_time(const call& c, std::int64_t base, bool seconds) {
    const auto told = c.integer(2);
    if (!told) return std::nullopt;
    std::int64_t milliseconds = *told;
    const bool too_large = (seconds && __builtin_mul_overflow(milliseconds, std::int64_t{1000}, &milliseconds)) ||
                           milliseconds > longest - base;
    if (too_large) {
        c.fail_expiry();
        return std::nullopt;
    }
    return milliseconds + base;
}

void expire_generic(call& c, std::int64_t base, bool seconds) {
    const auto allowed = read_conditions(c);
    if (!allowed) return;
    const auto when = read_time(c, base, seconds);
    if (!when) return;
    entry* const place = c.find(c[1]);
    if (place != nullptr && allowed->any() && place->expires_at == unknown_expiry) return c.cannot(texts::expiry_unknown);
    if (place == nullptr || !allowed->allow(place->expires_at, *when)) return c.reply().integer(0);
    if (*when <= c.now()) {
        c.keys().remove(c[1]);
        c.did({"DEL", c[1]});
    } else {
        place->expires_at = *when;
        c.keys().altered(c[1], *place);
        if (c.is_journaled()) c.did({"PEXPIREAT", c[1], std::to_string(*when)});
    }
    c.reply().integer(1);
}

void expire(call& c) { expire_generic(c, c.now(), true); }
void pexpire(call& c) { expire_generic(c, c.now(), false); }
void expireat(call& c) { expire_generic(c, 0, true); }
void pexpireat(call& c) { expire_generic(c, 0, false); }

void persist(call& c) {
    entry* const place = c.find(c[1]);
    if (place == nullptr || place->expires_at == never) return c.reply().integer(0);
    if (place->expires_at == unknown_expiry) return c.cannot(texts::expiry_unknown);
    place->expires_at = never;
    c.keys().altered(c[1], *place);
    c.did_as_told();
    c.reply().integer(1);
}

/// What `of` makes of the expiry of a key that has one.
template <typename Function>
void write_expiry(const call& c, Function of) {
    const entry* const place = c.find(c[1]);
    if (place == nullptr) return c.reply().integer(no_key);
    if (place->expires_at == unknown_expiry) return c.cannot(texts::expiry_unknown);
    c.reply().integer(place->expires_at == never ? no_expiry : of(place->expires_at));
}

void ttl(call& c) {
    write_expiry(c, [&](std::int64_t at) { return rounded_seconds(at - c.now()); });
}
void pttl(call& c) {
    write_expiry(c, [&](std::int64_t at) { return at - c.now(); });
}
void expiretime(call& c) { write_expiry(c, rounded_seconds); }
void pexpiretime(call& c) {
    write_expiry(c, [](std::int64_t at) { return at; });
}

constexpr std::array rows{
    command_row{"expire", expire},           command_row{"expireat", expireat}, command_row{"expiretime", expiretime},
    command_row{"persist", persist},         command_row{"pexpire", pexpire},   command_row{"pexpireat", pexpireat},
    command_row{"pexpiretime", pexpiretime}, command_row{"pttl", pttl},         command_row{"ttl", ttl},
};

}  // namespace

std::span<const command_row> expiry_commands() { return rows; }

}  // namespace weir::engine
