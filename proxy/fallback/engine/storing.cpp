#include "proxy/fallback/engine/storing.hpp"

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "protocol/errors.hpp"
#include "proxy/fallback/engine/numbers.hpp"

namespace weir::engine {

namespace {

/// One operation has about so many words, or bytes, at most: Redis does nothing else while it does one.
constexpr std::size_t most_words = 1'000;
constexpr std::size_t most_bytes = 64 << 10;

bool is_empty(const any_value& held) {
    return std::visit([](const auto& each) { return each.size() == 0; }, held) && !std::holds_alternative<string_value>(held);
}

/// Calls take(words) for each item, with the words by which it is added.
template <typename Take>
void for_each_item(const list_value& list, Take take) {
    for (std::size_t place = 0; place < list.size(); ++place) take({list[place]});
}
template <typename Take>
void for_each_item(const set_value& set, Take take) {
    for (std::size_t place = 0; place < set.size(); ++place) take({set.member(place)});
}
template <typename Take>
void for_each_item(const sorted_set_value& set, Take take) {
    for (std::size_t place = 0; place < set.size(); ++place) take({format_double(set[place].mapped), set[place].key});
}
template <typename Take>
void for_each_item(const hash_value& hash, Take take) {
    for (std::size_t place = 0; place < hash.size(); ++place) take({hash.field(place), hash.value_at(place)});
}

std::string_view adding(const list_value&) { return "RPUSH"; }
std::string_view adding(const set_value&) { return "SADD"; }
std::string_view adding(const sorted_set_value&) { return "ZADD"; }
std::string_view adding(const hash_value&) { return "HSET"; }

using item = std::initializer_list<std::string_view>;

template <typename Collection>
std::size_t cost(const Collection& all) {
    std::size_t bytes = 0;
    std::size_t words = 0;
    for_each_item(all, [&](item each) {
        for (const auto word : each) bytes += word.size();
        words += each.size();
    });
    return effects::cost(bytes, words);
}
std::size_t cost(const string_value& text) { return effects::cost(text.size(), 1); }

/// Of a value that costs so much, DEL and PEXPIREAT among them: the key is in each.
std::size_t most_operations(std::size_t bytes) { return 3 + bytes / effects::cost(0, most_words); }

template <typename Collection>
void journal(const call& c, const keyspace& where, std::string_view key, const Collection& all, std::int64_t expires_at) {
    c.did_in(where, {"DEL", key});
    std::vector<std::string> words;
    std::size_t bytes = 0;
    const auto send = [&] {
        if (words.empty()) return;
        c.did_in(where, std::vector<std::string_view>(words.begin(), words.end()));
        words.clear();
        bytes = 0;
    };
    for_each_item(all, [&](item each) {
        if (words.empty()) words = {std::string(adding(all)), std::string(key)};
        for (const auto word : each) bytes += words.emplace_back(word).size();
        if (words.size() > most_words || bytes > most_bytes) send();
    });
    send();
    if (expires_at != never) c.did_in(where, {"PEXPIREAT", key, std::to_string(expires_at)});
}

void journal(const call& c, const keyspace& where, std::string_view key, const string_value& text, std::int64_t expires_at) {
    if (expires_at == never) return c.did_in(where, {"SET", key, text});
    c.did_in(where, {"SET", key, text, "PXAT", std::to_string(expires_at)});
}

}  // namespace

bool store(const call& c, keyspace& where, std::string_view key, entry what) {
    if (is_empty(what.held)) {
        if (where.find(key, c.now()) != nullptr) where.remove(key);
        c.did_in(where, {"DEL", key});  // Redis may hold what is not known here
        return true;
    }
    if (c.is_journaled()) {
        if (what.expires_at == unknown_expiry) {
            c.cannot(texts::expiry_unknown);
            return false;
        }
        const std::size_t items = std::visit([](const auto& held) { return cost(held); }, what.held);
        if (!c.has_room(items + most_operations(items) * effects::cost(key.size(), 2))) {
            c.cannot(errors::journal_full);
            return false;
        }
        std::visit([&](const auto& held) { journal(c, where, key, held, what.expires_at); }, what.held);
    }
    where.put(key, std::move(what));
    return true;
}

}  // namespace weir::engine
