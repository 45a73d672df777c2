#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "protocol/errors.hpp"
#include "proxy/fallback/engine/commands.hpp"
#include "proxy/fallback/engine/numbers.hpp"
#include "proxy/fallback/engine/storing.hpp"

namespace weir::engine {

namespace {

using scores = dense_map<double>;

/// One input: a sorted set, a set whose members count 1 each, or nothing.
struct source {
    const sorted_set_value* sorted = nullptr;
    const set_value* plain = nullptr;
    double weight = 1;

    [[nodiscard]] std::size_t size() const {
        return sorted != nullptr ? sorted->size() : plain != nullptr ? plain->size() : 0;
    }
    [[nodiscard]] std::optional<double> score(std::string_view member) const {
        if (sorted != nullptr) return sorted->score(member);
        return plain != nullptr && plain->contains(member) ? std::optional(1.0) : std::nullopt;
    }
    /// Calls `take(member, score)` until it says false.
    template <typename Function>
    void for_each(Function take) const {
        for (std::size_t place = 0; place < size(); ++place) {
            const bool goes_on = sorted != nullptr
                                     ? take(std::string_view((*sorted)[place].key), (*sorted)[place].mapped)
                                     : take(std::string_view(plain->member(place)), 1.0);
            if (!goes_on) return;
        }
    }
};

enum class aggregate : std::uint8_t { sum, least, most };
enum class operation : std::uint8_t { unite, intersect, subtract };

/// What the command's name says already.
struct algebra_form {
    operation what;
    bool stores = false;
    bool counts = false;  ///< ZINTERCARD
};

struct algebra_request {
    std::vector<source> sources;
    aggregate how = aggregate::sum;
    bool with_scores = false;
    std::int64_t limit = 0;
};

// t_zset.c, zunionInterAggregate: comparisons with a NaN, which a weight may have made, are false.
double aggregated(double one, double other, aggregate how) {
    switch (how) {
        case aggregate::least: return other < one ? other : one;
        case aggregate::most: return other > one ? other : one;
        case aggregate::sum: break;
    }
    const double sum = one + other;
    return std::isnan(sum) ? 0 : sum;
}

double weighted(const source& from, double score) {
    const double product = from.weight * score;
    return std::isnan(product) ? 0 : product;
}

// Reading the request.

/// How many keys; nullopt: the error is written.
std::optional<std::size_t> read_key_count(const call& c, std::size_t argument) {
    const auto count = c.integer(argument);
    if (!count) return std::nullopt;
    if (*count < 1) {
        c.fail("ERR at least 1 input key is needed for '" + std::string(c.name()) + "' command");
        return std::nullopt;
    }
    if (*count > static_cast<std::int64_t>(c.size() - argument - 1)) {
        c.fail_syntax();
        return std::nullopt;
    }
    return static_cast<std::size_t>(*count);
}

std::optional<std::vector<source>> find_sources(const call& c, std::size_t first, std::size_t count) {
    std::vector<source> found(count);
    for (std::size_t i = 0; i < count; ++i) {
        const entry* const place = c.find(c[first + i]);
        if (place == nullptr) continue;
        found[i].sorted = std::get_if<sorted_set_value>(&place->held);
        found[i].plain = std::get_if<set_value>(&place->held);
        if (found[i].sorted != nullptr || found[i].plain != nullptr) continue;
        c.fail(texts::wrong_type);
        return std::nullopt;
    }
    return found;
}

/// All of these leave `at` behind what they took. False: an error is written.
bool take_weights(const call& c, std::size_t& at, algebra_request& request) {
    ++at;
    for (source& each : request.sources) {
        const auto weight = parse_double(c[at++]);
        if (!weight) {
            c.fail(texts::weight_no_float);
            return false;
        }
        each.weight = *weight;
    }
    return true;
}

bool take_aggregate(const call& c, std::size_t& at, algebra_request& request) {
    struct word {
        std::string_view text;
        aggregate how;
    };
    static constexpr std::array words{word{"sum", aggregate::sum}, word{"min", aggregate::least},
                                      word{"max", aggregate::most}};
    const auto* const known = std::ranges::find_if(words, [&](const word& each) { return c.is(at + 1, each.text); });
    if (known == words.end()) {
        c.fail_syntax();
        return false;
    }
    request.how = known->how;
    at += 2;
    return true;
}

bool take_limit(const call& c, std::size_t& at, algebra_request& request) {
    const auto limit = c.integer_from(at + 1, 0, texts::limit_negative);
    if (!limit) return false;
    request.limit = *limit;
    at += 2;
    return true;
}

bool take_option(const call& c, std::size_t& at, const algebra_form& form, algebra_request& request) {
    const std::size_t left = c.size() - at;
    const bool combines = form.what != operation::subtract && !form.counts;
    if (combines && left > request.sources.size() && c.is(at, "weights")) return take_weights(c, at, request);
    if (combines && left > 1 && c.is(at, "aggregate")) return take_aggregate(c, at, request);
    if (form.counts && left > 1 && c.is(at, "limit")) return take_limit(c, at, request);
    if (!form.stores && !form.counts && c.is(at, "withscores")) {
        ++at;
        return request.with_scores = true;
    }
    c.fail_syntax();
    return false;
}

std::optional<algebra_request> read_request(const call& c, const algebra_form& form) {
    const std::size_t count_at = form.stores ? 2 : 1;
    const auto count = read_key_count(c, count_at);
    if (!count) return std::nullopt;
    auto sources = find_sources(c, count_at + 1, *count);
    if (!sources) return std::nullopt;
    algebra_request request{std::move(*sources)};
    for (std::size_t at = count_at + 1 + *count; at < c.size();) {
        if (!take_option(c, at, form, request)) return std::nullopt;
    }
    std::size_t largest = 0;
    for (const source& each : request.sources) largest = std::max(largest, each.size());
    if (c.takes_too_long(request.sources.size(), largest)) return std::nullopt;
    // Sums of floating point numbers depend on their order, and Redis takes the smallest first.
    if (form.what != operation::subtract) std::ranges::stable_sort(request.sources, {}, &source::size);
    return request;
}

// Working it out.

scores united(const algebra_request& request) {
    scores all;
    for (const source& from : request.sources) {
        from.for_each([&](std::string_view member, double score) {
            const double more = weighted(from, score);
            const std::size_t place = all.find(member);
            if (place == all.none) {
                all.insert(member, more);
            } else {
                all.mapped(place) = aggregated(all[place].mapped, more, request.how);
            }
            return true;
        });
    }
    return all;
}

/// nullopt: it is not in all of them.
std::optional<double> score_in_all(const algebra_request& request, std::string_view member, double first) {
    double score = weighted(request.sources.front(), first);
    for (std::size_t i = 1; i < request.sources.size(); ++i) {
        const auto more = request.sources[i].score(member);
        if (!more) return std::nullopt;
        score = aggregated(score, *more * request.sources[i].weight, request.how);
    }
    return score;
}

scores intersection(const algebra_request& request) {
    scores all;
    request.sources.front().for_each([&](std::string_view member, double first) {
        if (const auto score = score_in_all(request, member, first)) all.insert(member, *score);
        return request.limit == 0 || static_cast<std::int64_t>(all.size()) < request.limit;
    });
    return all;
}

scores difference(const algebra_request& request) {
    scores all;
    request.sources.front().for_each([&](std::string_view member, double score) {
        const bool elsewhere = std::any_of(request.sources.begin() + 1, request.sources.end(),
                                           [&](const source& each) { return each.score(member).has_value(); });
        if (!elsewhere) all.insert(member, score);
        return true;
    });
    return all;
}

scores worked_out(const algebra_request& request, operation what) {
    switch (what) {
        case operation::unite: return united(request);
        case operation::intersect: return intersection(request);
        case operation::subtract: break;
    }
    return difference(request);
}

// Commands.

void answer(call& c, operation what) {
    const auto request = read_request(c, {what});
    if (!request) return;
    score_index order;
    const scores result = worked_out(*request, what);
    for (const auto& each : result.items()) order.insert(each.mapped, each.key);
    const bool nested = request->with_scores && c.speaks_resp3();
    c.reply().array(order.size() * (request->with_scores && !nested ? 2 : 1));
    auto at = order.at_rank(0);
    for (std::size_t left = order.size(); left > 0; --left, at = order.next(at)) {
        if (nested) c.reply().array(2);
        c.reply().bulk(order[at].member);
        if (request->with_scores) c.reply().number(format_double(order[at].score));
    }
}

std::size_t longest_key(const scores& all) {
    std::size_t longest = 0;
    for (const auto& each : all.items()) longest = std::max(longest, each.key.size());
    return longest;
}

void store_result(call& c, operation what) {
    const auto request = read_request(c, {what, true});
    if (!request) return;
    const scores worked = worked_out(*request, what);
    const std::size_t size = worked.size();
    sorted_set_value result;
    result.outgrow_by(size, longest_key(worked));
    for (const auto& each : worked.items()) result.set(each.key, each.mapped);
    if (store(c, c.keys(), c[1], {std::move(result)})) c.reply().integer(static_cast<std::int64_t>(size));
}

void zunion(call& c) { answer(c, operation::unite); }
void zinter(call& c) { answer(c, operation::intersect); }
void zdiff(call& c) { answer(c, operation::subtract); }
void zunionstore(call& c) { store_result(c, operation::unite); }
void zinterstore(call& c) { store_result(c, operation::intersect); }
void zdiffstore(call& c) { store_result(c, operation::subtract); }

void zintercard(call& c) {
    const auto request = read_request(c, {operation::intersect, false, true});
    if (request) c.reply().integer(static_cast<std::int64_t>(intersection(*request).size()));
}

constexpr std::array rows{
    command_row{"zdiff", zdiff},           command_row{"zdiffstore", zdiffstore},
    command_row{"zinter", zinter},         command_row{"zintercard", zintercard},
    command_row{"zinterstore", zinterstore}, command_row{"zunion", zunion},
    command_row{"zunionstore", zunionstore},
};

}  // namespace

std::span<const command_row> sorted_set_algebra_commands() { return rows; }

}  // namespace weir::engine
