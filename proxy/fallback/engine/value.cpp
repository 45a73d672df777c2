#include "proxy/fallback/engine/value.hpp"

#include <array>

#include "protocol/ascii.hpp"

namespace weir::engine {

namespace {

constexpr std::size_t longest_embedded_string = 44;  // object.c, OBJ_ENCODING_EMBSTR_SIZE_LIMIT
constexpr std::size_t longest_integer = 20;

// What one element takes beside its bytes: the string objects and the places in the tables that find it.
constexpr std::size_t hash_field_bytes = 2 * sizeof(std::string) + 16;
constexpr std::size_t set_member_bytes = sizeof(std::string) + 16;
constexpr std::size_t sorted_member_bytes = 2 * (sizeof(std::string) + sizeof(double)) + 16;

std::string_view encoding_of(const string_value& text) {
    if (text.size() <= longest_integer && parse_integer(text)) return "int";
    return text.size() <= longest_embedded_string ? "embstr" : "raw";
}
std::string_view encoding_of(const list_value&) { return "quicklist"; }
std::string_view encoding_of(const set_value& set) { return set.is_integers() ? "intset" : "hashtable"; }
std::string_view encoding_of(const sorted_set_value& set) { return set.is_small() ? "listpack" : "skiplist"; }
std::string_view encoding_of(const hash_value& hash) { return hash.is_small() ? "listpack" : "hashtable"; }

std::size_t bytes_of(const string_value& text) { return text.size(); }
std::size_t bytes_of(const list_value& list) { return list.payload_bytes() + list.size() * sizeof(std::string); }
std::size_t bytes_of(const set_value& set) { return set.payload_bytes() + set.size() * set_member_bytes; }
std::size_t bytes_of(const sorted_set_value& set) {
    return 2 * set.payload_bytes() + set.size() * sorted_member_bytes;
}
std::size_t bytes_of(const hash_value& hash) { return hash.payload_bytes() + hash.size() * hash_field_bytes; }

}  // namespace

std::string_view type_name(const any_value& held) {
    static constexpr std::array<std::string_view, 5> names{"string", "list", "set", "zset", "hash"};
    return names[held.index()];
}

std::string_view encoding_name(const any_value& held) {
    return std::visit([](const auto& each) { return encoding_of(each); }, held);
}

std::size_t memory_bytes(const any_value& held) {
    return sizeof(any_value) + std::visit([](const auto& each) { return bytes_of(each); }, held);
}

}  // namespace weir::engine
