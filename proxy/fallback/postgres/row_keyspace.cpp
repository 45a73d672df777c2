#include "proxy/fallback/postgres/row_keyspace.hpp"

#include <algorithm>
#include <utility>

#include "proxy/fallback/postgres/entry_rows.hpp"
#include "proxy/fallback/postgres/key_places.hpp"

namespace weir::pg {

using engine::entry;

// ---- tenant_rows ---------------------------------------------------------------------------------------------------

tenant_rows::tenant_rows(std::string prefix, std::int64_t databases, std::int64_t now)
    : prefix_(std::move(prefix)), databases_(databases), now_(now) {}

tenant_rows::~tenant_rows() = default;

row_keyspace& tenant_rows::database(std::int64_t number) {
    auto& place = keyspaces_[number];
    if (!place) place = std::make_unique<row_keyspace>(*this, number);
    return *place;
}

void tenant_rows::want(std::int64_t number, std::string_view key) {
    row_keyspace& keys = database(number);
    if (keys.keys_.find(key) == keys.keys_.none) keys.want(key);
}

std::size_t tenant_rows::fetches() const {
    std::size_t count = 0;
    for (const auto& [number, keys] : keyspaces_) count += keys->fetches();
    return count;
}

void tenant_rows::append_fetches(batch& to, const statements& known) {
    for (auto& [number, keys] : keyspaces_) keys->append_fetches(to, known, now_);
}

std::size_t tenant_rows::take(outcome& got, std::size_t first) {
    for (auto& [number, keys] : keyspaces_) first = keys->take(got, first);
    return first;
}

void tenant_rows::forget_changes() {
    cleared_ = false;
    for (auto& [number, keys] : keyspaces_) keys->forget_changes();
}

void tenant_rows::start_over() {
    cleared_ = false;
    for (auto& [number, keys] : keyspaces_) keys->start_over();
}

void tenant_rows::append_changes(batch& to, const statements& known) const {
    if (cleared_) {
        parameters with;
        with.bytes(prefix_);
        to.add(known.remove_tenant, std::move(with));
    }
    for (const auto& [number, keys] : keyspaces_) keys->append_changes(to, known);
}

std::vector<std::int64_t> tenant_rows::locks() const {
    std::vector<std::int64_t> all;
    for (const auto& [number, keys] : keyspaces_) {
        for (const auto& each : keys->keys_.items()) all.push_back(key_lock(prefix_, number, each.key));
        for (const auto& each : keys->wanted_.items()) all.push_back(key_lock(prefix_, number, each.key));
    }
    std::ranges::sort(all);
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
}

void tenant_rows::forget_misses() {
    for (auto& [number, keys] : keyspaces_) keys->forget_misses();
}

// ---- fetching ------------------------------------------------------------------------------------------------------

void row_keyspace::want(std::string_view key) {
    if (wanted_.find(key) == wanted_.none) wanted_.insert(key, {});
}

std::size_t row_keyspace::fetches() const {
    const auto pages = std::ranges::count_if(stretches_, [](const stretch& each) { return each.wanted > 0; });
    return !wanted_.empty() + std::size_t{wants_count_} + wanted_picks_.size() + static_cast<std::size_t>(pages);
}

void row_keyspace::append_fetches(batch& to, const statements& known, std::int64_t now) {
    const auto add = [&](const statement& asked, auto fill) {
        parameters with;
        with.bytes(whose_.prefix_).int4(static_cast<std::int32_t>(number_));
        fill(with);
        to.add(asked, std::move(with));
    };
    const auto wanted = std::exchange(wanted_, {});
    for (const auto& each : wanted.items()) fetching_.push_back(each.key);
    if (!fetching_.empty()) add(known.fetch, [&](parameters& with) { with.array(fetching_); });
    if (wants_count_) add(known.count, [&](parameters& with) { with.int8(now); });
    for (const stretch& each : stretches_) {
        if (each.wanted == 0) continue;
        add(known.list, [&](parameters& with) {
            with.int8(static_cast<std::int64_t>(each.to)).int8(static_cast<std::int64_t>(each.wanted));
        });
    }
    for (const std::uint64_t place : wanted_picks_) {
        add(known.pick, [&](parameters& with) { with.int8(static_cast<std::int64_t>(place)).int8(now); });
    }
}

std::size_t row_keyspace::take(outcome& got, std::size_t next) {
    if (!fetching_.empty()) take_rows(std::move(got.results[next++]));
    if (std::exchange(wants_count_, false)) count_ = static_cast<std::size_t>(got.results[next++].int8(0, 0).value_or(0));
    for (stretch& each : stretches_) {
        if (each.wanted > 0) take_page(each, got.results[next++]);
    }
    for (const std::uint64_t place : std::exchange(wanted_picks_, {})) {
        const auto key = got.results[next++].bytes(0, 0);
        picked_[place] = key ? std::optional<std::string>(*key) : std::nullopt;
    }
    return next;
}

void row_keyspace::take_rows(result rows) {
    for (const std::string& key : fetching_) {
        if (keys_.find(key) == keys_.none) keys_.insert(key, {});
        keys_.mapped(keys_.find(key)).known = true;
    }
    fetching_.clear();
    for (std::size_t row = 0; row < rows.rows(); ++row) {
        key_state& state = keys_.mapped(keys_.find(rows.bytes(row, 0).value_or("")));
        state.in = results_.size();
        state.row = row;
    }
    results_.push_back(std::move(rows));
}

void row_keyspace::take_page(stretch& part, const result& rows) {
    for (std::size_t row = 0; row < rows.rows(); ++row) {
        const auto place = static_cast<std::uint64_t>(rows.int8(row, 1).value_or(0));
        auto value = empty_value(rows.bytes(row, 2).value_or(""));
        if (!value) continue;
        part.keys.push_back({place, std::string(rows.bytes(row, 0).value_or("")),
                             {std::move(*value), rows.int8(row, 3).value_or(engine::never)}});
    }
    if (rows.rows() > 0) part.to = static_cast<std::uint64_t>(rows.int8(rows.rows() - 1, 1).value_or(0)) + 1;
    part.complete = rows.rows() < part.wanted;
    part.wanted = 0;
}

void row_keyspace::decode(key_state& state) {
    state.decoded = true;
    if (!is_stored(state)) return;
    auto value = read_entry(results_[state.in], state.row, 1);
    whose_.malformed_ = whose_.malformed_ || !value;
    if (value) state.value = std::make_unique<entry>(std::move(*value));
}

// ---- commands ------------------------------------------------------------------------------------------------------

entry* row_keyspace::find(std::string_view key, std::int64_t now) {
    const std::size_t place = keys_.find(key);
    if (place == keys_.none) {
        if (!cleared_) want(key);
        return nullptr;
    }
    key_state& state = keys_.mapped(place);
    if (!state.decoded) decode(state);
    if (state.value && state.value->is_expired(now)) state.value.reset();
    return state.value.get();
}

entry& row_keyspace::put(std::string_view key, entry what) {
    std::size_t place = keys_.find(key);
    if (place == keys_.none) {
        if (!cleared_) want(key);
        keys_.insert(key, {});
        place = keys_.find(key);
    }
    key_state& state = keys_.mapped(place);
    state.decoded = state.written = true;
    state.value = std::make_unique<entry>(std::move(what));
    return *state.value;
}

void row_keyspace::altered(std::string_view key, entry&) { keys_.mapped(keys_.find(key)).written = true; }

bool row_keyspace::remove(std::string_view key) {
    const std::size_t place = keys_.find(key);
    if (place == keys_.none) {
        if (!cleared_) want(key);
        return false;
    }
    key_state& state = keys_.mapped(place);
    if (!state.decoded) decode(state);
    state.written = true;
    return std::exchange(state.value, nullptr) != nullptr;
}

void row_keyspace::clear() {
    cleared_ = true;
    for (std::size_t i = 0; i < keys_.size(); ++i) {
        key_state& state = keys_.mapped(i);
        state.decoded = true;
        state.written = false;
        state.value.reset();
    }
}

engine::keyspace* row_keyspace::sibling(std::int64_t database) {
    if (database == number_) return this;
    return database < 0 || database >= whose_.databases_ ? nullptr : &whose_.database(database);
}

void row_keyspace::clear_all() {
    whose_.cleared_ = true;
    for (auto& [number, keys] : whose_.keyspaces_) keys->clear();
}

// ---- the whole keyspace --------------------------------------------------------------------------------------------

bool row_keyspace::is_counted(const key_state& state, std::int64_t now) const {
    if (!is_stored(state)) return false;
    const auto expiry = results_[state.in].int8(state.row, 3);
    return !expiry || *expiry >= now;
}

std::size_t row_keyspace::count(std::int64_t now) {
    if (!cleared_ && !count_) {
        wants_count_ = true;
        return 0;
    }
    std::size_t keys = cleared_ ? 0 : *count_;
    for (const auto& each : keys_.items()) {
        if (!each.mapped.decoded) continue;
        keys += each.mapped.value != nullptr;
        keys -= is_counted(each.mapped, now);
    }
    return keys;
}

std::optional<std::string> row_keyspace::random_key(engine::random_source& random, std::int64_t now) {
    // What a transaction has taken away is still in the table, and what it has put is not there yet.
    static constexpr int attempts = 8;
    for (int i = 0; i < attempts && !cleared_; ++i) {
        const std::uint64_t place = random() >> (64 - place_bits);
        const auto known = picked_.find(place);
        if (known == picked_.end()) {
            wanted_picks_.push_back(place);
            return std::nullopt;
        }
        if (!known->second) break;
        const std::size_t at = keys_.find(*known->second);
        if (at == keys_.none || !keys_[at].mapped.decoded || keys_[at].mapped.value) return known->second;
    }
    return new_key(now);
}

std::optional<std::string> row_keyspace::new_key(std::int64_t now) const {
    for (const auto& each : keys_.items()) {
        const entry* const value = written_value(each.mapped);
        if (value != nullptr && !value->is_expired(now)) return each.key;
    }
    return std::nullopt;
}

row_keyspace::stretch& row_keyspace::stretch_at(std::uint64_t cursor) {
    for (stretch& each : stretches_) {
        if (each.from <= cursor && (each.complete || cursor <= each.to)) return each;
    }
    return stretches_.emplace_back(stretch{.from = cursor, .to = cursor, .complete = false, .wanted = 0, .keys = {}});
}

std::uint64_t row_keyspace::scan(std::uint64_t cursor, std::uint64_t count, std::int64_t now, const key_visitor& visit) {
    if (cursor >= std::uint64_t{1} << place_bits) return 0;
    if (cleared_) {
        show_new(cursor, std::uint64_t{1} << place_bits, now, visit);
        return 0;
    }
    count = std::min(count, most_in_page);
    stretch& part = stretch_at(cursor);
    const auto first = std::ranges::lower_bound(part.keys, cursor, {}, &listed_key::place);
    const auto there = static_cast<std::size_t>(part.keys.end() - first);
    if (there < count && !part.complete) {
        whose_.too_long_ = whose_.too_long_ || part.keys.size() >= most_listed;
        // KEYS goes on where a page ends: each time twice as many, so that a long keyspace takes few turns.
        part.wanted = std::max(static_cast<std::size_t>(count), part.keys.size());
        return 0;
    }
    auto end = first + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(count, there));
    while (end != part.keys.end() && end != first && end->place == std::prev(end)->place) ++end;
    std::uint64_t next = part.complete ? 0 : part.to;
    if (end != part.keys.end()) next = end->place;
    for (auto each = first; each != end; ++each) show(*each, now, visit);
    show_new(cursor, next == 0 ? std::uint64_t{1} << place_bits : next, now, visit);
    return next;
}

/// As commands have left it, if they have.
void row_keyspace::show(const listed_key& each, std::int64_t now, const key_visitor& visit) {
    const std::size_t at = keys_.find(each.key);
    const bool looked_at = at != keys_.none && keys_[at].mapped.decoded;
    const entry* const what = looked_at ? keys_[at].mapped.value.get() : &each.shown;
    if (what != nullptr && !what->is_expired(now)) visit(each.key, *what);
}

/// Keys that the table does not have yet.
void row_keyspace::show_new(std::uint64_t from, std::uint64_t to, std::int64_t now, const key_visitor& visit) {
    for (const auto& each : keys_.items()) {
        const entry* const value = written_value(each.mapped);
        if (value == nullptr || is_stored(each.mapped) || value->is_expired(now)) continue;
        const std::uint64_t place = place_of(each.key);
        if (place >= from && place < to) visit(each.key, *value);
    }
}

// ---- changes -------------------------------------------------------------------------------------------------------

void row_keyspace::forget_changes() {
    cleared_ = false;
    engine::dense_map<key_state> kept;
    for (const auto& each : keys_.items()) {
        if (!each.mapped.known) continue;
        key_state& state = kept.insert(each.key, {});
        state.known = true;
        state.in = each.mapped.in;
        state.row = each.mapped.row;
    }
    keys_ = std::move(kept);
}

void row_keyspace::start_over() {
    cleared_ = false;
    for (const auto& each : keys_.items()) {
        if (each.mapped.known) want(each.key);
    }
    for (const auto& each : std::exchange(fetching_, {})) want(each);
    keys_ = {};
    results_.clear();
    wants_count_ = wants_count_ || count_.has_value();
    count_.reset();
    for (stretch& each : stretches_) {
        each.wanted += std::exchange(each.keys, {}).size();
        each.to = each.from;
        each.complete = false;
    }
    for (const auto& [place, key] : std::exchange(picked_, {})) wanted_picks_.push_back(place);
}

void row_keyspace::forget_misses() {
    wanted_ = {};
    wants_count_ = false;
    wanted_picks_.clear();
    for (stretch& each : stretches_) each.wanted = 0;
}

void row_keyspace::append_changes(batch& to, const statements& known) const {
    const auto begin_with = [this] {
        parameters with;
        with.bytes(whose_.prefix_).int4(static_cast<std::int32_t>(number_));
        return with;
    };
    if (cleared_ && !whose_.cleared_) to.add(known.remove_database, begin_with());
    std::vector<std::string_view> gone;
    for (const auto& each : keys_.items()) {
        if (!each.mapped.written) continue;
        if (each.mapped.value) {
            auto with = begin_with();
            with.bytes(each.key);
            append_entry(*each.mapped.value, with);
            to.add(known.upsert, std::move(with));
        } else if (is_stored(each.mapped)) {
            gone.push_back(each.key);
        }
    }
    if (gone.empty()) return;
    auto with = begin_with();
    with.array(gone);
    to.add(known.remove, std::move(with));
}

}  // namespace weir::pg
