#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "proxy/fallback/engine/commands.hpp"
#include "proxy/fallback/engine/numbers.hpp"
#include "proxy/fallback/engine/sampling.hpp"
#include "proxy/fallback/engine/scanning.hpp"

namespace weir::engine {

namespace {

using held_hash = holding<hash_value>;

void write_or_null(const call& c, const std::string* text) {
    if (text != nullptr) return c.reply().bulk(*text);
    c.reply().null();
}

void write_count(const call& c, std::size_t count) { c.reply().integer(static_cast<std::int64_t>(count)); }

// Writing.

/// nullopt: an error is written. Else how many fields are new.
std::optional<std::size_t> set_fields(const call& c) {
    if (c.size() % 2 != 0) {
        c.fail_arity();
        return std::nullopt;
    }
    const held_hash hash = c.find_or_put<hash_value>(c[1]);
    if (hash.refused) return std::nullopt;
    std::size_t created = 0;
    for (std::size_t i = 2; i < c.size(); i += 2) created += hash->set(c[i], c[i + 1]);
    c.changed(c[1], hash);
    c.did_as_told();
    return created;
}

void hset(call& c) {
    if (const auto created = set_fields(c)) write_count(c, *created);
}

void hmset(call& c) {
    if (set_fields(c)) c.reply().simple("OK");
}

void hsetnx(call& c) {
    const held_hash hash = c.find_or_put<hash_value>(c[1]);
    if (hash.refused) return;
    if (hash->find(c[2]) != nullptr) return c.reply().integer(0);
    hash->set(c[2], c[3]);
    c.changed(c[1], hash);
    c.did({"HSET", c[1], c[2], c[3]});
    c.reply().integer(1);
}

void hdel(call& c) {
    const held_hash hash = c.find<hash_value>(c[1]);
    if (hash.refused) return;
    std::size_t erased = 0;
    for (std::size_t i = 2; hash && i < c.size(); ++i) erased += hash->erase(c[i]);
    if (erased > 0) {
        c.changed(c[1], hash);
        c.did_as_told();
    }
    write_count(c, erased);
}

void hincrby(call& c) {
    const auto summand = c.integer(3);
    if (!summand) return;
    held_hash hash = c.find<hash_value>(c[1]);
    if (hash.refused) return;
    const std::string* const text = hash ? hash->find(c[2]) : nullptr;
    const auto before = text != nullptr ? parse_integer(*text) : std::optional<std::int64_t>(0);
    if (!before) return c.fail(texts::hash_value_no_integer);
    std::int64_t sum = 0;
    if (__builtin_add_overflow(*before, *summand, &sum)) return c.fail(texts::would_overflow);
    if (!hash) hash = c.find_or_put<hash_value>(c[1]);
    hash->set(c[2], std::to_string(sum));
    c.changed(c[1], hash);
    c.did_as_told();
    c.reply().integer(sum);
}

void hincrbyfloat(call& c) {
    const auto summand = c.long_number(3);
    if (!summand) return;
    if (!std::isfinite(*summand)) return c.fail(texts::no_number);
    held_hash hash = c.find<hash_value>(c[1]);
    if (hash.refused) return;
    const std::string* const text = hash ? hash->find(c[2]) : nullptr;
    const auto before = text != nullptr ? parse_long_double(*text) : std::optional(0.0L);
    if (!before) return c.fail(texts::hash_value_no_float);
    const long double sum = *before + *summand;
    if (!std::isfinite(sum)) return c.fail(texts::would_be_no_number);
    if (!hash) hash = c.find_or_put<hash_value>(c[1]);
    const std::string written = format_human(sum);
    hash->set(c[2], written);
    c.changed(c[1], hash);
    c.did({"HSET", c[1], c[2], written});
    c.reply().bulk(written);
}

// Reading.

void hget(call& c) {
    const held_hash hash = c.find<hash_value>(c[1]);
    if (!hash.refused) write_or_null(c, hash ? hash->find(c[2]) : nullptr);
}

void hmget(call& c) {
    const held_hash hash = c.find<hash_value>(c[1]);
    if (hash.refused) return;
    c.reply().array(c.size() - 2);
    for (std::size_t i = 2; i < c.size(); ++i) write_or_null(c, hash ? hash->find(c[i]) : nullptr);
}

void hlen(call& c) {
    const held_hash hash = c.find<hash_value>(c[1]);
    if (!hash.refused) write_count(c, hash ? hash->size() : 0);
}

void hstrlen(call& c) {
    const held_hash hash = c.find<hash_value>(c[1]);
    if (hash.refused) return;
    const std::string* const text = hash ? hash->find(c[2]) : nullptr;
    write_count(c, text != nullptr ? text->size() : 0);
}

void hexists(call& c) {
    const held_hash hash = c.find<hash_value>(c[1]);
    if (!hash.refused) c.reply().integer(hash && hash->find(c[2]) != nullptr ? 1 : 0);
}

void write_all(const call& c, bool fields, bool values) {
    const held_hash hash = c.find<hash_value>(c[1]);
    if (hash.refused) return;
    const std::size_t size = hash ? hash->size() : 0;
    if (fields && values) {
        c.reply().map(size);
    } else {
        c.reply().array(size);
    }
    for (std::size_t place = 0; place < size; ++place) {
        if (fields) c.reply().bulk(hash->field(place));
        if (values) c.reply().bulk(hash->value_at(place));
    }
}

void hgetall(call& c) { write_all(c, true, true); }
void hkeys(call& c) { write_all(c, true, false); }
void hvals(call& c) { write_all(c, false, true); }

void hscan(call& c) {
    const auto cursor = read_cursor(c, 2);
    if (!cursor) return;
    const held_hash hash = c.find<hash_value>(c[1]);
    if (hash.refused) return;
    if (!hash) return write_page(c, 0, {});
    const auto options = read_scan_options(c, 3, false);
    if (!options) return;
    const place_page page = page_of(hash->size(), hash->is_small(), *cursor, options->count);
    std::vector<std::string> found;
    for (std::size_t place = page.begin; place < page.end; ++place) {
        if (!options->matches(hash->field(place))) continue;
        found.emplace_back(hash->field(place));
        found.push_back(hash->value_at(place));
    }
    write_page(c, page.next, found);
}

// Random fields.

void write_one_random(const call& c) {
    const held_hash hash = c.find<hash_value>(c[1]);
    if (hash.refused) return;
    if (!hash) return c.reply().null();
    c.reply().bulk(hash->field(c.random_below(hash->size())));
}

void write_random(const call& c, const hash_value& hash, sample_size wanted, bool with_values) {
    const auto places = random_places(c, hash.size(), wanted);
    const bool nested = with_values && c.speaks_resp3();
    c.reply().array(places.size() * (with_values && !nested ? 2 : 1));
    for (const auto place : places) {
        if (nested) c.reply().array(2);
        c.reply().bulk(hash.field(place));
        if (with_values) c.reply().bulk(hash.value_at(place));
    }
}

void hrandfield(call& c) {
    if (c.size() == 2) return write_one_random(c);
    const auto wanted = read_sample_size(c);
    if (!wanted) return;
    const bool with_values = c.size() == 4 && c.is(3, "withvalues");
    if (c.size() > 4 || (c.size() == 4 && !with_values)) return c.fail_syntax();
    if (with_values && wanted->count > std::numeric_limits<std::int64_t>::max() / 2) {
        return c.fail(texts::out_of_range);
    }
    const held_hash hash = c.find<hash_value>(c[1]);
    if (hash.refused) return;
    if (!hash || wanted->count == 0) return c.reply().array(0);
    if (is_too_large(c, *wanted)) return c.fail(texts::reply_too_long);
    write_random(c, *hash, *wanted, with_values);
}

constexpr std::array rows{
    command_row{"hdel", hdel},       command_row{"hexists", hexists}, command_row{"hget", hget},
    command_row{"hgetall", hgetall}, command_row{"hincrby", hincrby}, command_row{"hincrbyfloat", hincrbyfloat},
    command_row{"hkeys", hkeys},     command_row{"hlen", hlen},       command_row{"hmget", hmget},
    command_row{"hmset", hmset},     command_row{"hrandfield", hrandfield}, command_row{"hscan", hscan},
    command_row{"hset", hset},       command_row{"hsetnx", hsetnx},   command_row{"hstrlen", hstrlen},
    command_row{"hvals", hvals},
};

}  // namespace

std::span<const command_row> hash_commands() { return rows; }

}  // namespace weir::engine
