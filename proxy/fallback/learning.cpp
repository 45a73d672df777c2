#include "proxy/fallback/learning.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "protocol/ascii.hpp"
#include "proxy/fallback/engine/numbers.hpp"
#include "proxy/fallback/reply_reader.hpp"

namespace weir {

namespace {

using engine::any_value;
using lessons = std::vector<lesson>;
using words = std::vector<std::string>;

lesson absent(std::string_view key) { return {.key = key}; }

lesson shown(std::string_view key, any_value value) {
    return {.key = key, .value = std::move(value), .expiry = expiry_knowledge::unknown};
}

lesson written(std::string_view key, std::string_view text, std::int64_t expires_at = engine::never,
               expiry_knowledge expiry = expiry_knowledge::exact) {
    return {.key = key, .value = engine::string_value(text), .expires_at = expires_at, .expiry = expiry};
}

// Replies as values. nullopt: it is none of that kind.

std::optional<std::string_view> read_text(reply_reader& reply) {
    const auto read = reply.next();
    if (!read || read->type != '$' || read->is_null) return std::nullopt;
    return read->text;
}

std::optional<any_value> read_hash(reply_reader& reply, const reply_reader::element& head) {
    if ((head.type != '*' && head.type != '%') || head.elements % 2 != 0) return std::nullopt;
    engine::hash_value made;
    for (std::size_t i = 0; i < head.elements; i += 2) {
        const auto field = read_text(reply);
        const auto value = field ? read_text(reply) : std::nullopt;
        if (!value) return std::nullopt;
        made.set(*field, *value);
    }
    return made;
}

std::optional<any_value> read_set(reply_reader& reply, const reply_reader::element& head) {
    if (head.type != '*' && head.type != '~') return std::nullopt;
    engine::set_value made;
    for (std::size_t i = 0; i < head.elements; ++i) {
        const auto member = read_text(reply);
        if (!member) return std::nullopt;
        made.add(*member);
    }
    return made;
}

std::optional<any_value> read_list(reply_reader& reply, const reply_reader::element& head) {
    if (head.type != '*') return std::nullopt;
    engine::list_value made;
    for (std::size_t i = 0; i < head.elements; ++i) {
        const auto element = read_text(reply);
        if (!element) return std::nullopt;
        made.push(engine::list_end::right, *element);
    }
    return made;
}

std::optional<double> read_score(reply_reader& reply) {
    const auto read = reply.next();
    if (!read || (read->type != '$' && read->type != ',') || read->is_null) return std::nullopt;
    const auto score = engine::parse_double(read->text);
    return score && !std::isnan(*score) ? score : std::nullopt;
}

/// Members and scores one after the other in RESP2, pairs in RESP3.
std::optional<any_value> read_sorted_set(reply_reader& reply, const reply_reader::element& head, resp_version version) {
    const bool in_pairs = version == resp_version::resp3;
    if (head.type != '*' || (!in_pairs && head.elements % 2 != 0)) return std::nullopt;
    engine::sorted_set_value made;
    for (std::size_t i = 0; i < head.elements; i += in_pairs ? 1 : 2) {
        if (in_pairs) {
            const auto pair = reply.next();
            if (!pair || pair->type != '*' || pair->elements != 2) return std::nullopt;
        }
        const auto member = read_text(reply);
        const auto score = member ? read_score(reply) : std::nullopt;
        if (!score) return std::nullopt;
        made.set(*member, *score);
    }
    return made;
}

// Reads.

lessons learn_get(const observation& seen, reply_reader& reply) {
    const auto read = reply.next();
    if (!read || read->type == '-') return {};
    if (read->is_null) return {absent(seen.words[1])};
    if (read->type != '$') return {};
    return {shown(seen.words[1], engine::string_value(read->text))};
}

lessons learn_mget(const observation& seen, reply_reader& reply) {
    const auto head = reply.next();
    if (!head || head->type != '*' || head->elements != seen.words.size() - 1) return {};
    lessons all;
    for (std::size_t i = 1; i < seen.words.size(); ++i) {
        const auto read = reply.next();
        if (!read || (read->type != '$' && !read->is_null)) return {};
        // Also of another type.
        all.push_back(read->is_null ? absent(seen.words[i]) : shown(seen.words[i], engine::string_value(read->text)));
    }
    return all;
}

template <class Read>
lessons learn_all_of(const observation& seen, reply_reader& reply, Read read_value) {
    const auto head = reply.next();
    if (!head || head->type == '-' || head->is_null) return {};
    auto value = read_value(*head);
    if (!value) return {};
    if (head->elements == 0) return {absent(seen.words[1])};
    return {shown(seen.words[1], std::move(*value))};
}

lessons learn_hgetall(const observation& seen, reply_reader& reply) {
    return learn_all_of(seen, reply, [&](const auto& head) { return read_hash(reply, head); });
}

lessons learn_smembers(const observation& seen, reply_reader& reply) {
    return learn_all_of(seen, reply, [&](const auto& head) { return read_set(reply, head); });
}

bool shows_all(const words& request) { return request[2] == "0" && request[3] == "-1"; }

lessons learn_lrange(const observation& seen, reply_reader& reply) {
    if (!shows_all(seen.words)) return {};
    return learn_all_of(seen, reply, [&](const auto& head) { return read_list(reply, head); });
}

lessons learn_zrange(const observation& seen, reply_reader& reply) {
    if (!shows_all(seen.words) || !is_option(seen.words[4], "withscores")) return {};
    return learn_all_of(seen, reply, [&](const auto& head) { return read_sorted_set(reply, head, seen.version); });
}

// Writes.

/// nullopt: no such time, or it is beyond all times.
std::optional<std::int64_t> expiry_at(std::string_view number, std::int64_t unit, std::int64_t since) {
    const auto count = parse_integer(number);
    std::int64_t at = 0;
    if (!count || __builtin_mul_overflow(*count, unit, &at) || __builtin_add_overflow(at, since, &at)) return std::nullopt;
    return at;
}

struct set_terms {
    bool only_new = false;
    bool only_existing = false;
    bool shows_old = false;
    std::int64_t expires_at = engine::never;
    expiry_knowledge expiry = expiry_knowledge::exact;
};

/// nullopt: there is something that is not known here.
std::optional<set_terms> read_set_terms(const words& request, std::int64_t at) {
    struct unit {
        std::string_view name;
        std::int64_t milliseconds;
        bool relative;
    };
    static constexpr std::array<unit, 4> units{
        {{"ex", 1000, true}, {"px", 1, true}, {"exat", 1000, false}, {"pxat", 1, false}}};
    set_terms terms;
    for (std::size_t i = 3; i < request.size(); ++i) {
        const auto is = [&](std::string_view name) { return is_option(request[i], name); };
        const auto* const timed = std::ranges::find_if(units, is, &unit::name);
        if (is("nx")) {
            terms.only_new = true;
        } else if (is("xx")) {
            terms.only_existing = true;
        } else if (is("get")) {
            terms.shows_old = true;
        } else if (is("keepttl")) {
            terms.expiry = expiry_knowledge::kept;
        } else if (timed != units.end() && i + 1 < request.size()) {
            const auto expires_at = expiry_at(request[++i], timed->milliseconds, timed->relative ? at : 0);
            if (!expires_at) return std::nullopt;
            terms.expires_at = *expires_at;
        } else {
            return std::nullopt;
        }
    }
    return terms;
}

lessons learn_set(const observation& seen, reply_reader& reply) {
    const auto read = reply.next();
    if (!read || read->type == '-') return {};
    const auto terms = read_set_terms(seen.words, seen.at);
    if (!terms) return {absent(seen.words[1])};
    const lesson done = written(seen.words[1], seen.words[2], terms->expires_at, terms->expiry);
    if (!terms->shows_old) {
        if (!read->is_null) return read->type == '+' ? lessons{done} : lessons{};
        return terms->only_existing ? lessons{absent(seen.words[1])} : lessons{};
    }
    // With GET the reply is what was there.
    if (!read->is_null && read->type != '$') return {};
    if (terms->only_new && !read->is_null) return {shown(seen.words[1], engine::string_value(read->text))};
    if (terms->only_existing && read->is_null) return {absent(seen.words[1])};
    return {done};
}

lessons learn_set_for(const observation& seen, reply_reader& reply, std::int64_t unit) {
    const auto read = reply.next();
    if (!read || read->type != '+') return {};
    const auto expires_at = expiry_at(seen.words[2], unit, seen.at);
    if (!expires_at) return {absent(seen.words[1])};
    return {written(seen.words[1], seen.words[3], *expires_at)};
}

lessons learn_setex(const observation& seen, reply_reader& reply) { return learn_set_for(seen, reply, 1000); }
lessons learn_psetex(const observation& seen, reply_reader& reply) { return learn_set_for(seen, reply, 1); }

lessons learn_getset(const observation& seen, reply_reader& reply) {
    const auto read = reply.next();
    if (!read || (read->type != '$' && !read->is_null)) return {};
    return {written(seen.words[1], seen.words[2])};
}

/// SETNX, MSET and MSETNX.
lessons learn_pairs(const observation& seen, reply_reader& reply) {
    const auto read = reply.next();
    if (!read || seen.words.size() % 2 == 0) return {};
    if (read->type != '+' && !(read->type == ':' && read->text == "1")) return {};
    lessons all;
    for (std::size_t i = 1; i < seen.words.size(); i += 2) all.push_back(written(seen.words[i], seen.words[i + 1]));
    return all;
}

struct teacher {
    std::string_view name;
    bool writes;
    lessons (*learn)(const observation&, reply_reader&);
};

constexpr std::array<teacher, 13> teachers{{
    {"get", false, learn_get},
    {"getset", true, learn_getset},
    {"hgetall", false, learn_hgetall},
    {"lrange", false, learn_lrange},
    {"mget", false, learn_mget},
    {"mset", true, learn_pairs},
    {"msetnx", true, learn_pairs},
    {"psetex", true, learn_psetex},
    {"set", true, learn_set},
    {"setex", true, learn_setex},
    {"setnx", true, learn_pairs},
    {"smembers", false, learn_smembers},
    {"zrange", false, learn_zrange},
}};

const teacher* find_teacher(std::string_view name) {
    const auto* const found = std::ranges::lower_bound(teachers, name, {}, &teacher::name);
    return found != teachers.end() && found->name == name ? found : nullptr;
}

}  // namespace

bool writes_what_it_teaches(std::string_view name) {
    const teacher* const found = find_teacher(name);
    return found != nullptr && found->writes;
}

std::vector<lesson> learn(const observation& seen) {
    const teacher* const found = find_teacher(seen.name);
    if (found == nullptr || !teaches(seen.name, seen.words.size())) return {};
    reply_reader reply(seen.reply);
    auto all = found->learn(seen, reply);
    // What stands behind the reply is somebody else's.
    if (!reply.at_end()) return {};
    for (std::size_t i = 0; i < all.size(); ++i) all[i].place = i;
    return all;
}

}  // namespace weir
