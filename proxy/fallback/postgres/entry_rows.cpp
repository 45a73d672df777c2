#include "proxy/fallback/postgres/entry_rows.hpp"

#include <cmath>
#include <utility>

namespace weir::pg {

using engine::any_value;
using engine::hash_value;
using engine::list_end;
using engine::list_value;
using engine::set_value;
using engine::sorted_set_value;
using engine::string_value;

namespace {

// ---- to a row ------------------------------------------------------------------------------------------------------

bool has_grown(const string_value&) { return false; }
bool has_grown(const list_value&) { return false; }
bool has_grown(const set_value& set) { return !set.is_integers(); }
bool has_grown(const sorted_set_value& set) { return !set.is_small(); }
bool has_grown(const hash_value& hash) { return !hash.is_small(); }

void append_value(const string_value& text, parameters& to) { to.bytes(text).null().null(); }

void append_value(const list_value& list, parameters& to) {
    std::string elements;
    array_writer writer(elements, oid::bytea, list.size());
    for (std::size_t i = 0; i < list.size(); ++i) writer.add(list[i]);
    to.null().owned(std::move(elements)).null();
}

void append_value(const set_value& set, parameters& to) {
    std::string elements;
    array_writer writer(elements, oid::bytea, set.size());
    for (std::size_t i = 0; i < set.size(); ++i) writer.add(set.member(i));
    to.null().owned(std::move(elements)).null();
}

void append_value(const hash_value& hash, parameters& to) {
    std::string elements;
    array_writer writer(elements, oid::bytea, 2 * hash.size());
    for (std::size_t i = 0; i < hash.size(); ++i) {
        writer.add(hash.field(i));
        writer.add(hash.value_at(i));
    }
    to.null().owned(std::move(elements)).null();
}

void append_value(const sorted_set_value& set, parameters& to) {
    std::string elements;
    std::string scores;
    array_writer members(elements, oid::bytea, set.size());
    array_writer numbers(scores, oid::float8, set.size());
    for (std::size_t i = 0; i < set.size(); ++i) {
        members.add(set[i].key);
        numbers.add(set[i].mapped);
    }
    to.null().owned(std::move(elements)).owned(std::move(scores));
}

// ---- from a row ----------------------------------------------------------------------------------------------------

std::optional<any_value> read_list(array_reader elements) {
    list_value list;
    while (const auto element = elements.next()) list.push(list_end::right, *element);
    if (!elements.is_complete()) return std::nullopt;
    return list;
}

std::optional<any_value> read_set(array_reader elements, bool grown) {
    set_value set;
    if (grown) set.outgrow();
    while (const auto member = elements.next()) set.add(*member);
    if (!elements.is_complete()) return std::nullopt;
    return set;
}

std::optional<any_value> read_hash(array_reader elements, bool grown) {
    hash_value hash;
    if (grown) hash.outgrow();
    while (const auto field = elements.next()) {
        const auto value = elements.next();
        if (!value) return std::nullopt;
        hash.set(*field, *value);
    }
    if (!elements.is_complete()) return std::nullopt;
    return hash;
}

std::optional<any_value> read_sorted_set(array_reader elements, array_reader scores, bool grown) {
    sorted_set_value set;
    if (grown) set.outgrow();
    while (const auto member = elements.next()) {
        const auto bytes = scores.next();
        const auto score = bytes ? read_float8(*bytes) : std::nullopt;
        if (!score || std::isnan(*score)) return std::nullopt;
        set.set(*member, *score);
    }
    if (!elements.is_complete() || !scores.is_complete()) return std::nullopt;
    return set;
}

std::optional<any_value> read_value(const result& from, std::size_t row, int first) {
    const auto type = from.bytes(row, first);
    const bool grown = from.is_true(row, first + 1);
    if (type == "string") {
        const auto text = from.bytes(row, first + 3);
        return text ? std::optional<any_value>(string_value(*text)) : std::nullopt;
    }
    const auto elements = from.bytes(row, first + 4);
    if (!elements) return std::nullopt;
    const array_reader words(*elements, oid::bytea);
    if (words.size() == 0) return std::nullopt;
    if (type == "list") return read_list(words);
    if (type == "set") return read_set(words, grown);
    if (type == "hash") return read_hash(words, grown);
    if (type != "zset") return std::nullopt;
    const auto scores = from.bytes(row, first + 5);
    return scores ? read_sorted_set(words, array_reader(*scores, oid::float8), grown) : std::nullopt;
}

}  // namespace

void append_entry(const engine::entry& what, parameters& to) {
    to.bytes(engine::type_name(what.held));
    to.boolean(std::visit([](const auto& held) { return has_grown(held); }, what.held));
    if (what.expires_at == engine::never) {
        to.null();
    } else {
        to.int8(what.expires_at);
    }
    std::visit([&to](const auto& held) { append_value(held, to); }, what.held);
}

std::optional<engine::entry> read_entry(const result& from, std::size_t row, int first) {
    auto value = read_value(from, row, first);
    if (!value) return std::nullopt;
    return engine::entry{std::move(*value), from.int8(row, first + 2).value_or(engine::never)};
}

std::optional<any_value> empty_value(std::string_view type) {
    if (type == "string") return string_value();
    if (type == "list") return list_value();
    if (type == "set") return set_value();
    if (type == "zset") return sorted_set_value();
    if (type == "hash") return hash_value();
    return std::nullopt;
}

}  // namespace weir::pg
