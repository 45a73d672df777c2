#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "protocol/errors.hpp"
#include "proxy/fallback/engine/commands.hpp"
#include "proxy/fallback/engine/numbers.hpp"
#include "proxy/fallback/engine/set_options.hpp"

namespace weir::engine {

namespace {

constexpr std::int64_t shortest = std::numeric_limits<std::int64_t>::min();

/// Whatever the key held, its expiry included, is gone.
void replace(const call& c, std::string_view key, std::string_view text, std::int64_t expires_at = never) {
    c.keys().put(key, {string_value(text), expires_at});
}

// Reading.

/// The reply of GET; false: it was an error.
bool write_value(const call& c, std::string_view key) {
    const auto held = c.find<string_value>(key);
    if (held.refused) return false;
    if (held) {
        c.reply().bulk(*held);
    } else {
        c.reply().null();
    }
    return true;
}

void get(call& c) { write_value(c, c[1]); }

void mget(call& c) {
    c.reply().array(c.size() - 1);
    for (std::size_t i = 1; i < c.size(); ++i) {
        entry* const place = c.find(c[i]);
        const auto* text = place == nullptr ? nullptr : std::get_if<string_value>(&place->held);
        if (text != nullptr) {
            c.reply().bulk(*text);
        } else {
            c.reply().null();
        }
    }
}

void strlen(call& c) {
    const auto held = c.find<string_value>(c[1]);
    if (!held.refused) c.reply().integer(held ? static_cast<std::int64_t>(held->size()) : 0);
}

void getrange(call& c) {
    const auto first = c.integer(2);
    if (!first) return;
    const auto last = c.integer(3);
    if (!last) return;
    const auto held = c.find<string_value>(c[1]);
    if (held.refused) return;
    if (!held || held->empty() || (*first < 0 && *last < 0 && *first > *last)) return c.reply().bulk("");
    const auto size = static_cast<std::int64_t>(held->size());
    const std::int64_t begin = std::max<std::int64_t>(*first < 0 ? *first + size : *first, 0);
    const std::int64_t end = std::min(std::max<std::int64_t>(*last < 0 ? *last + size : *last, 0), size - 1);
    if (begin > end) return c.reply().bulk("");
    c.reply().bulk(std::string_view(*held).substr(static_cast<std::size_t>(begin),
                                                  static_cast<std::size_t>(end - begin + 1)));
}

// SET and its kin.

void journal_set(const call& c, std::string_view key, std::string_view text, std::int64_t expires_at) {
    if (!c.is_journaled()) return;
    if (expires_at == never) return c.did({"SET", key, text});
    if (expires_at == unknown_expiry) return c.did({"SET", key, text, "KEEPTTL"});
    c.did({"SET", key, text, "PXAT", std::to_string(expires_at)});
}

void set(call& c) {
    const auto options = read_string_options(c, 3, string_options::command::set);
    if (!options) return;
    std::int64_t expires_at = never;
    if (options->time != 0) {
        const auto told = read_expiry(c, options->time, options->what);
        if (!told) return;
        expires_at = *told;
    }
    if (options->get && !write_value(c, c[1])) return;
    const entry* const there = c.find(c[1]);
    if (options->only_new ? there != nullptr : options->only_existing && there == nullptr) {
        if (!options->get) c.reply().null();
        return;
    }
    const bool keeps = options->what == string_options::expiry::keep && there != nullptr;
    if (keeps) expires_at = there->expires_at;
    replace(c, c[1], c[2], expires_at);
    journal_set(c, c[1], c[2], expires_at);
    if (!options->get) c.reply().simple("OK");
}

void setnx(call& c) {
    const bool is_new = c.find(c[1]) == nullptr;
    if (is_new) {
        replace(c, c[1], c[2]);
        journal_set(c, c[1], c[2], never);
    }
    c.reply().integer(is_new ? 1 : 0);
}

void set_with_expiry(call& c, string_options::expiry unit) {
    const auto expires_at = read_expiry(c, 2, unit);
    if (!expires_at) return;
    replace(c, c[1], c[3], *expires_at);
    journal_set(c, c[1], c[3], *expires_at);
    c.reply().simple("OK");
}

void setex(call& c) { set_with_expiry(c, string_options::expiry::ex); }
void psetex(call& c) { set_with_expiry(c, string_options::expiry::px); }

void getset(call& c) {
    if (!write_value(c, c[1])) return;
    replace(c, c[1], c[2]);
    journal_set(c, c[1], c[2], never);
}

void getdel(call& c) {
    if (!write_value(c, c[1])) return;
    if (c.keys().remove(c[1])) c.did({"DEL", c[1]});
}

void expire_or_remove(const call& c, const holding<string_value>& held, std::int64_t expires_at) {
    if (expires_at <= c.now()) {
        c.keys().remove(c[1]);
        return c.did({"DEL", c[1]});
    }
    held.place->expires_at = expires_at;
    c.keys().altered(c[1], *held.place);
    if (c.is_journaled()) c.did({"PEXPIREAT", c[1], std::to_string(expires_at)});
}

void getex(call& c) {
    const auto options = read_string_options(c, 2, string_options::command::getex);
    if (!options) return;
    const auto held = c.find<string_value>(c[1]);
    if (held.refused) return;
    if (!held) return c.reply().null();
    std::optional<std::int64_t> expires_at;
    if (options->time != 0 && !(expires_at = read_expiry(c, options->time, options->what))) return;
    c.reply().bulk(*held);
    if (expires_at) return expire_or_remove(c, held, *expires_at);
    if (options->what == string_options::expiry::persist && held.place->expires_at != never) {
        held.place->expires_at = never;
        c.keys().altered(c[1], *held.place);
        c.did({"PERSIST", c[1]});
    }
}

void set_pairs(const call& c) {
    for (std::size_t i = 1; i < c.size(); i += 2) {
        replace(c, c[i], c[i + 1]);
        journal_set(c, c[i], c[i + 1], never);
    }
}

void mset(call& c) {
    if (c.size() % 2 == 0) return c.fail_arity();
    set_pairs(c);
    c.reply().simple("OK");
}

void msetnx(call& c) {
    if (c.size() % 2 == 0) return c.fail_arity();
    for (std::size_t i = 1; i < c.size(); i += 2) {
        if (c.find(c[i]) != nullptr) return c.reply().integer(0);
    }
    set_pairs(c);
    c.reply().integer(1);
}

// Changing in place.

bool fits(const call& c, std::int64_t before, std::size_t more) {
    const auto longest_string = c.limits().max_string_bytes;
    const auto added = static_cast<std::int64_t>(more);
    if (before <= longest_string && added <= longest_string - before) return true;
    c.fail(texts::string_too_long);
    return false;
}

void append(call& c) {
    const auto held = c.find<string_value>(c[1]);
    if (held.refused) return;
    if (!held) {
        replace(c, c[1], c[2]);
        c.did_as_told();
        return c.reply().integer(static_cast<std::int64_t>(c[2].size()));
    }
    if (!fits(c, static_cast<std::int64_t>(held->size()), c[2].size())) return;
    held->append(c[2]);
    c.changed(c[1], held);
    c.did_as_told();
    c.reply().integer(static_cast<std::int64_t>(held->size()));
}

void setrange(call& c) {
    const auto offset = c.integer(2);
    if (!offset) return;
    if (*offset < 0) return c.fail(texts::offset_out_of_range);
    auto held = c.find<string_value>(c[1]);
    if (held.refused) return;
    if (c[3].empty()) return c.reply().integer(held ? static_cast<std::int64_t>(held->size()) : 0);
    if (!fits(c, *offset, c[3].size())) return;
    if (!held) held = c.find_or_put<string_value>(c[1]);
    const auto begin = static_cast<std::size_t>(*offset);
    if (held->size() < begin + c[3].size()) held->resize(begin + c[3].size());
    held->replace(begin, c[3].size(), c[3]);
    c.changed(c[1], held);
    c.did_as_told();
    c.reply().integer(static_cast<std::int64_t>(held->size()));
}

void add(call& c, std::int64_t summand) {
    const auto held = c.find<string_value>(c[1]);
    if (held.refused) return;
    const auto before = held ? parse_integer(*held) : std::optional<std::int64_t>(0);
    if (!before) return c.fail(errors::not_an_integer);
    std::int64_t sum = 0;
    if (__builtin_add_overflow(*before, summand, &sum)) return c.fail(texts::would_overflow);
    if (held) {
        *held = std::to_string(sum);
        c.changed(c[1], held);
    } else {
        replace(c, c[1], std::to_string(sum));
    }
    c.did_as_told();
    c.reply().integer(sum);
}

void incr(call& c) { add(c, 1); }
void decr(call& c) { add(c, -1); }

void incrby(call& c) {
    if (const auto summand = c.integer(2)) add(c, *summand);
}

void decrby(call& c) {
    const auto subtrahend = c.integer(2);
    if (!subtrahend) return;
    if (*subtrahend == shortest) return c.fail(texts::decrement_would_overflow);
    add(c, -*subtrahend);
}

void incrbyfloat(call& c) {
    const auto held = c.find<string_value>(c[1]);
    if (held.refused) return;
    const auto before = held ? parse_long_double(*held) : std::optional(0.0L);
    if (!before) return c.fail(texts::not_a_float);
    const auto summand = c.long_number(2);
    if (!summand) return;
    const long double sum = *before + *summand;
    if (!std::isfinite(sum)) return c.fail(texts::would_be_no_number);
    const std::string text = format_human(sum);
    if (held) {
        *held = text;
        c.changed(c[1], held);
    } else {
        replace(c, c[1], text);
    }
    c.did({"SET", c[1], text, "KEEPTTL"});
    c.reply().bulk(text);
}

constexpr std::array rows{
    command_row{"append", append},   command_row{"decr", decr},         command_row{"decrby", decrby},
    command_row{"get", get},         command_row{"getdel", getdel},     command_row{"getex", getex},
    command_row{"getrange", getrange}, command_row{"getset", getset},   command_row{"incr", incr},
    command_row{"incrby", incrby},   command_row{"incrbyfloat", incrbyfloat}, command_row{"mget", mget},
    command_row{"mset", mset},       command_row{"msetnx", msetnx},     command_row{"psetex", psetex},
    command_row{"set", set},         command_row{"setex", setex},       command_row{"setnx", setnx},
    command_row{"setrange", setrange}, command_row{"strlen", strlen},   command_row{"substr", getrange},
};

}  // namespace

std::span<const command_row> string_commands() { return rows; }

}  // namespace weir::engine
