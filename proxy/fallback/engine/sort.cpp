#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "protocol/errors.hpp"
#include "proxy/fallback/engine/commands.hpp"
#include "proxy/fallback/engine/numbers.hpp"
#include "proxy/fallback/engine/storing.hpp"

namespace weir::engine {

namespace {

/// Where the value for an element is found: a key, or a field of a hash, with the element in the place of the star.
/// `weight_*`, `object_*->name`, or `#` for the element itself.
class lookup_pattern {
public:
    explicit lookup_pattern(std::string_view text) : text_(text), star_(text.substr(0, text.find('\0')).find('*')) {
        if (star_ == std::string_view::npos) return;
        const auto arrow = text.substr(0, text.find('\0')).find("->", star_ + 1);
        const bool names_field = arrow != std::string_view::npos && arrow + 2 < text.size() && text[arrow + 2] != '\0';
        if (!names_field) return;
        field_ = text.substr(arrow + 2);
        text_ = text.substr(0, arrow);
    }

    [[nodiscard]] bool is_constant() const { return star_ == std::string_view::npos; }

    /// nullptr: there is none. Valid until the keyspace changes.
    [[nodiscard]] const std::string* find(const call& c, const std::string& element) const {
        if (text_.substr(0, text_.find('\0')) == "#") return &element;
        if (is_constant()) return nullptr;
        std::string key(text_.substr(0, star_));
        key += element;
        key += text_.substr(star_ + 1);
        const entry* const place = c.find(key);
        if (place == nullptr) return nullptr;
        if (field_.empty()) return std::get_if<string_value>(&place->held);
        const auto* const hash = std::get_if<hash_value>(&place->held);
        return hash == nullptr ? nullptr : hash->find(field_);
    }

private:
    std::string_view text_;
    std::size_t star_;
    std::string_view field_;
};

struct sort_request {
    bool descending = false;
    bool by_text = false;  ///< ALPHA
    bool unsorted = false;
    std::optional<lookup_pattern> by;
    std::vector<lookup_pattern> get;
    std::int64_t offset = 0;
    std::int64_t count = -1;
    std::optional<std::string_view> store;
};

// Reading the request.

bool take_flag(const call& c, std::size_t at, sort_request& request) {
    if (c.is(at, "asc")) {
        request.descending = false;
    } else if (c.is(at, "desc")) {
        request.descending = true;
    } else if (c.is(at, "alpha")) {
        request.by_text = true;
    } else {
        return false;
    }
    return true;
}

bool take_word(const call& c, std::size_t& at, bool may_store, sort_request& request) {
    if (at + 1 == c.size()) return false;
    if (may_store && c.is(at, "store")) {
        request.store = c[++at];
    } else if (c.is(at, "by")) {
        request.by.emplace(c[++at]);
        // Once said it stays, whatever another BY says (sort.c).
        request.unsorted = request.unsorted || request.by->is_constant();
    } else if (c.is(at, "get")) {
        request.get.emplace_back(c[++at]);
    } else {
        return false;
    }
    return true;
}

bool take_limit(const call& c, std::size_t& at, sort_request& request) {
    const auto offset = c.integer(at + 1);
    if (!offset) return false;
    const auto count = c.integer(at + 2);
    if (!count) return false;
    request.offset = *offset;
    request.count = *count;
    at += 2;
    return true;
}

std::optional<sort_request> read_request(const call& c, bool may_store) {
    sort_request request;
    for (std::size_t at = 2; at < c.size(); ++at) {
        if (c.size() - at > 2 && c.is(at, "limit")) {
            if (!take_limit(c, at, request)) return std::nullopt;
        } else if (!take_flag(c, at, request) && !take_word(c, at, may_store, request)) {
            c.fail_syntax();
            return std::nullopt;
        }
    }
    return request;
}

// What is sorted.

struct element {
    std::string text;
    double score = 0;
    std::optional<std::string> weight;  ///< by text, with BY; none: there is no such value
};

std::vector<element> elements_of(const list_value& list) {
    std::vector<element> all(list.size());
    for (std::size_t place = 0; place < all.size(); ++place) all[place].text = list[place];
    return all;
}

std::vector<element> elements_of(const set_value& set) {
    std::vector<element> all(set.size());
    for (std::size_t place = 0; place < all.size(); ++place) all[place].text = set.member(place);
    return all;
}

std::vector<element> elements_of(const sorted_set_value& set) {
    std::vector<element> all(set.size());
    auto at = set.order().at_rank(0);
    for (element& each : all) {
        each.text = set.order()[at].member;
        at = set.order().next(at);
    }
    return all;
}

template <typename Other>
std::optional<std::vector<element>> elements_of(const Other&) {
    return std::nullopt;
}

/// nullopt: it is nothing that can be sorted; the error is written.
std::optional<std::vector<element>> read_elements(const call& c, sort_request& request) {
    entry* const place = c.find(c[1]);
    if (place == nullptr) return std::vector<element>{};
    // Redis does so too, for good (sort.c). No altered(): the value is the same, and SORT_RO is no write.
    if (auto* const sorted = std::get_if<sorted_set_value>(&place->held)) sorted->outgrow();
    auto all = std::visit([](const auto& held) { return std::optional<std::vector<element>>(elements_of(held)); },
                          place->held);
    if (!all) {
        c.fail(texts::wrong_type);
        return std::nullopt;
    }
    const bool is_set = std::holds_alternative<set_value>(place->held);
    if (request.unsorted && is_set && request.store) {
        // So that what is stored does not depend on the order of a hash.
        request.unsorted = false;
        request.by_text = true;
        request.by.reset();
    }
    if (request.unsorted && !is_set && request.descending) std::ranges::reverse(*all);
    return all;
}

/// False: a weight is no number.
bool load_weights(const call& c, const sort_request& request, std::vector<element>& all) {
    bool numbers = true;
    for (element& each : all) {
        const std::string* const weight = request.by ? request.by->find(c, each.text) : &each.text;
        if (weight == nullptr) continue;
        if (request.by_text) {
            if (request.by) each.weight = *weight;
            continue;
        }
        const auto score = parse_sort_score(*weight);
        numbers = numbers && score;
        each.score = score.value_or(0);
    }
    return numbers;
}

// Sorting.

/// By the bytes when the result is stored; else as strcoll does it in the C locale, up to a NUL.
int compare_text(const std::string& one, const std::string& other, bool stored) {
    return stored ? one.compare(other) : std::strcmp(one.c_str(), other.c_str());
}

int compare(const element& one, const element& other, const sort_request& request) {
    if (!request.by_text) {
        if (one.score != other.score) return one.score < other.score ? -1 : 1;
        return one.text.compare(other.text);
    }
    if (!request.by) return compare_text(one.text, other.text, request.store.has_value());
    if (!one.weight || !other.weight) return static_cast<int>(one.weight.has_value()) - other.weight.has_value();
    return compare_text(*one.weight, *other.weight, request.store.has_value());
}

void sort_elements(const sort_request& request, std::vector<element>& all) {
    std::ranges::stable_sort(all, [&](const element& one, const element& other) {
        const int order = compare(one, other, request);
        return request.descending ? order > 0 : order < 0;
    });
}

void take_limited(const sort_request& request, std::vector<element>& all) {
    const auto size = static_cast<std::int64_t>(all.size());
    const auto first = std::clamp<std::int64_t>(request.offset, 0, size);
    const auto end = request.count < 0 ? size : first + std::min(request.count, size - first);
    all.erase(all.begin() + end, all.end());
    all.erase(all.begin(), all.begin() + first);
}

// The outcome.

/// Calls `take(text)` for each element, or for each GET of each; nullptr where there is none.
template <typename Function>
void for_each_outcome(const call& c, const sort_request& request, const std::vector<element>& all, Function take) {
    for (const element& each : all) {
        if (request.get.empty()) take(&each.text);
        for (const auto& pattern : request.get) take(pattern.find(c, each.text));
    }
}

void store_outcome(const call& c, const sort_request& request, const std::vector<element>& all) {
    list_value outcome;
    for_each_outcome(c, request, all, [&](const std::string* text) {
        // The same long value may come of each element.
        if (outcome.payload_bytes() <= c.limits().max_result_bytes) outcome.push(list_end::right, text == nullptr ? "" : *text);
    });
    if (outcome.payload_bytes() > c.limits().max_result_bytes) return c.cannot(texts::result_too_large);
    const std::size_t size = outcome.size();
    if (store(c, c.keys(), *request.store, {std::move(outcome)})) c.reply().integer(static_cast<std::int64_t>(size));
}

void write(const call& c, const sort_request& request, const std::vector<element>& all) {
    c.reply().array(all.size() * std::max<std::size_t>(request.get.size(), 1));
    for_each_outcome(c, request, all, [&](const std::string* text) {
        if (text == nullptr) return c.reply().null();
        c.reply().bulk(*text);
    });
}

void sort_generic(call& c, bool may_store) {
    auto request = read_request(c, may_store);
    if (!request) return;
    auto all = read_elements(c, *request);
    if (!all || c.takes_too_long(request->get.size() + 1, all->size())) return;
    if (!request->unsorted) {
        if (!load_weights(c, *request, *all)) return c.fail(texts::sort_no_numbers);
        sort_elements(*request, *all);
    }
    take_limited(*request, *all);
    if (request->store) return store_outcome(c, *request, *all);
    write(c, *request, *all);
}

void sort(call& c) { sort_generic(c, true); }
void sort_ro(call& c) { sort_generic(c, false); }

constexpr std::array rows{command_row{"sort", sort}, command_row{"sort_ro", sort_ro}};

}  // namespace

std::span<const command_row> sort_commands() { return rows; }

}  // namespace weir::engine
