#include "tests/proxy/fallback/engine/differential/comparison.hpp"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <sstream>

#include "protocol/ascii.hpp"
#include "protocol/buffer.hpp"
#include "proxy/fallback/engine/texts.hpp"

namespace weir::engine {

namespace {

constexpr std::size_t batch_commands = 100;

std::string lower(std::string_view text) {
    std::string made(text);
    std::ranges::transform(made, made.begin(), to_lower);
    return made;
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
    return std::ranges::find(names, name) != names.end();
}

std::string encoded(const command_words& command) {
    std::string made = "*" + std::to_string(command.size()) + "\r\n";
    for (const auto& word : command) made += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
    return made;
}

std::string shown(const command_words& command) {
    std::string made;
    for (const auto& word : command) made += "'" + escaped(word) + "' ";
    return made;
}

bool has_word(const command_words& command, std::string_view word) {
    return std::ranges::any_of(command, [&](const std::string& each) { return is_option(each, word); });
}

/// So many random elements that Redis would write until the memory is used up.
bool asks_for_too_much(std::string_view name, const command_words& command) {
    if (!is_one_of(name, {"srandmember", "hrandfield", "zrandmember"}) || command.size() < 3) return false;
    const auto count = parse_integer(command[2]);
    return count && *count < -1'000'000 && *count != std::numeric_limits<std::int64_t>::min();
}

/// How far the two replies must agree.
enum class agreement : std::uint8_t {
    exact,
    any_order,  ///< of the elements
    any_order_of_pairs,
    page,       ///< of a SCAN: the second element in any order
    size,       ///< random elements: only how many
    outcome,    ///< only whether it is an error, and which
};

/// The order of elements is Redis' own while it keeps the small encodings.
bool is_ordered(const entry* place) {
    if (place == nullptr) return true;
    const auto encoding = encoding_name(place->held);
    return encoding == "listpack" || encoding == "intset";
}

std::vector<std::string> sorted_texts(const any_value& held) {
    std::vector<std::string> all;
    if (const auto* set = std::get_if<set_value>(&held)) {
        for (std::size_t i = 0; i < set->size(); ++i) all.push_back(set->member(i));
    } else if (const auto* list = std::get_if<list_value>(&held)) {
        for (std::size_t i = 0; i < list->size(); ++i) all.push_back((*list)[i]);
    } else if (const auto* sorted = std::get_if<sorted_set_value>(&held)) {
        for (std::size_t i = 0; i < sorted->size(); ++i) all.push_back((*sorted)[i].key);
    }
    std::ranges::sort(all);
    return all;
}

/// SORT's ALPHA compares up to a NUL: which of texts that are equal up to there comes first is not defined.
bool has_equals_by_text(const entry* place) {
    if (place == nullptr) return false;
    const auto all = sorted_texts(place->held);
    return std::ranges::adjacent_find(all, [](const std::string& one, const std::string& other) {
               return one != other && std::string_view(one.c_str()) == other.c_str();
           }) != all.end();
}

agreement sort_agreement(const command_words& command, const entry* place) {
    const bool is_set = place != nullptr && std::holds_alternative<set_value>(place->held);
    if (is_set && has_word(command, "by")) return agreement::size;
    if (has_word(command, "alpha") && has_equals_by_text(place)) return agreement::size;
    return has_word(command, "by") && has_word(command, "alpha") ? agreement::size : agreement::exact;
}

bool has_unequal_scores(const sorted_set_value& set) {
    const auto& order = set.order();
    return order[order.at_rank(0)].score != order[order.at_rank(order.size() - 1)].score;
}

/// A range by name over many members with unequal scores: what comes of it depends on the levels of Redis' skip list.
bool is_undefined(std::string_view name, const command_words& command, const entry* place) {
    const auto* const set = place == nullptr ? nullptr : std::get_if<sorted_set_value>(&place->held);
    if (set == nullptr || set->is_small() || !has_unequal_scores(*set)) return false;
    return name.find("lex") != std::string_view::npos || has_word(command, "bylex");
}

agreement agreement_on(std::string_view name, const command_words& command, const entry* place) {
    const bool place_is_string = place != nullptr && std::holds_alternative<string_value>(place->held);
    if (is_one_of(name, {"keys", "sinter", "sunion", "sdiff"})) return agreement::any_order;
    if (is_one_of(name, {"smembers", "hkeys", "hvals"}))
        return is_ordered(place) ? agreement::exact : agreement::any_order;
    if (name == "hgetall") return is_ordered(place) ? agreement::exact : agreement::any_order_of_pairs;
    if (name == "scan") return command[1] == "0" ? agreement::page : agreement::outcome;
    if (is_one_of(name, {"sscan", "hscan", "zscan"})) {
        return command[2] == "0" || is_ordered(place) ? agreement::page : agreement::outcome;
    }
    // APPEND and SETRANGE leave strings `raw`, which the engine does not tell.
    if (name == "object") return place_is_string ? agreement::size : agreement::exact;
    if (is_one_of(name, {"randomkey", "spop", "srandmember", "hrandfield", "zrandmember"})) return agreement::size;
    if (name == "sort" || name == "sort_ro") return sort_agreement(command, place);
    return agreement::exact;
}

bool has_equal_shape(const reply_tree& one, const reply_tree& other) {
    return one.type == other.type && one.null == other.null && one.elements.size() == other.elements.size() &&
           std::ranges::equal(one.elements, other.elements, [](const auto& a, const auto& b) {
               return a.elements.size() == b.elements.size();
           });
}

bool is_equal_page(const reply_tree& one, const reply_tree& other, bool pairs) {
    if (one.elements.size() != 2 || other.elements.size() != 2) return one == other;
    // A page that does not hold everything holds what each likes.
    if (one.elements[0].text != "0" || other.elements[0].text != "0") return true;
    return in_any_order(one.elements[1], pairs) == in_any_order(other.elements[1], pairs);
}

bool agree(agreement how_far, bool pairs, std::string_view one, std::string_view other) {
    if (one == other) return true;
    if (how_far == agreement::exact || one[0] == '-' || other[0] == '-') return false;
    const reply_tree first = take_apart(one);
    const reply_tree second = take_apart(other);
    switch (how_far) {
        case agreement::exact: return false;
        case agreement::any_order: return in_any_order(first, false) == in_any_order(second, false);
        case agreement::any_order_of_pairs: return in_any_order(first, true) == in_any_order(second, true);
        case agreement::page: return is_equal_page(first, second, pairs);
        case agreement::size: return has_equal_shape(first, second);
        case agreement::outcome: return true;
    }
    return false;
}

}  // namespace

comparison::comparison(std::uint64_t seed) : random_(seed), generator_(seed) {
    server_.set_clock(now_);
    resp2_.send(encoded({"DEBUG", "SET-ACTIVE-EXPIRE", "0"}));
    if (resp2_.receive() != "+OK\r\n") throw std::runtime_error("no DEBUG");
    resp3_.send(encoded({"HELLO", "3"}));
    (void)resp3_.receive();
    resp2_.send(encoded({"TIME"}));
    if (take_apart(resp2_.receive()).elements[0].text != std::to_string(now_ / 1000)) {
        throw std::runtime_error("the clock is not ours");
    }
    if (const char* const only = std::getenv("WEIR_ENGINE_ONLY")) {
        std::istringstream from(lower(only));
        for (std::string each; std::getline(from, each, ',');) only_.push_back(each);
    }
}

bool comparison::is_wanted(const command_words& command) const {
    const auto name = lower(command[0]);
    const command_spec* const known = table_->find(name);
    if (name == "object" && (command.size() != 3 || !is_option(command[1], "encoding"))) return false;
    if (asks_for_too_much(name, command)) return false;
    const bool accepted = known != nullptr && known->accepts_argument_count(command.size());
    return accepted && (only_.empty() || std::ranges::find(only_, name) != only_.end());
}

std::vector<command_words> comparison::make_batch() {
    std::vector<command_words> batch;
    while (batch.size() < batch_commands) {
        command_words made = generator_.next(now_);
        if (!is_wanted(made)) continue;
        const auto name = lower(made[0]);
        const bool stores_any_order = name == "sort" && has_word(made, "store");
        batch.push_back(made);
        // What it stored may stand in another order there, so it must not be looked at.
        if (stores_any_order) {
            command_words remove{"DEL"};
            for (std::size_t i = 2; i + 1 < made.size(); ++i) {
                if (is_option(made[i], "store")) remove.push_back(made[i + 1]);
            }
            if (remove.size() > 1) batch.push_back(remove);
        }
    }
    return batch;
}

void comparison::send(redis_connection& to, const std::vector<command_words>& batch) {
    std::string all;
    for (const auto& command : batch) all += encoded(command);
    to.send(all);
}

void comparison::run_batch() {
    const auto version = random_() % 2 == 0 ? resp_version::resp2 : resp_version::resp3;
    redis_connection& connection = version == resp_version::resp2 ? resp2_ : resp3_;
    if (random_() % 400 == 0) start_anew();
    const auto batch = make_batch();
    send(connection, batch);
    const std::size_t before = differences_;
    for (const auto& command : batch) {
        const auto theirs = connection.receive();
        if (differences_ == before && !lost_) check(command, version, theirs);
    }
    if (differences_ != before || lost_) start_anew();
    now_ += static_cast<std::int64_t>(random_() % (random_() % 20 == 0 ? 5000 : 50));
    server_.set_clock(now_);
}

void comparison::start_anew() {
    resp2_.send(encoded({"FLUSHALL"}));
    (void)resp2_.receive();
    keys_.clear_all();
    history_.clear();
    lost_ = false;
}

std::optional<std::string> comparison::run_ours(const command_words& command, resp_version version) {
    std::string name = lower(command[0]);
    if (name == "object") name += "|" + lower(command[1]);
    const command_row* const row = find_command(name);
    if (row == nullptr) return "-not there\r\n";
    buffer out;
    reply_writer reply(out, version);
    surroundings around{keys_, reply, now_, random_};
    const std::vector<std::string_view> views(command.begin(), command.end());
    run(*row, views, around);
    if (around.obstacle == texts::takes_too_long) return std::nullopt;
    return std::string(out.view());
}

void comparison::follow_spop(const command_words& command, const reply_tree& theirs) {
    command_words take{"SREM", command[1]};
    if (theirs.type == '$') take.push_back(theirs.text);
    for (const auto& each : theirs.elements) take.push_back(each.text);
    (void)run_ours(take, resp_version::resp2);
    entry* const left = keys_.find(command[1], now_);
    auto* const set = left == nullptr ? nullptr : std::get_if<set_value>(&left->held);
    if (set != nullptr && set->size() <= theirs.elements.size() / 5) set->renew();  // as SPOP does
}

void comparison::check(const command_words& command, resp_version version, std::string_view theirs) {
    const std::string name = lower(command[0]);
    history_.push_back(shown(command).substr(0, 200) + "-> " + escaped(theirs).substr(0, 200));
    ++total_;
    ++counts_[name];
    errors_ += theirs[0] == '-';
    const std::size_t key_at = is_one_of(name, {"object", "zrangestore"}) ? 2 : 1;
    const entry* const place = command.size() > key_at ? keys_.find(command[key_at], now_) : nullptr;
    lost_ = is_undefined(name, command, place);
    if (lost_) return;
    const agreement how_far = agreement_on(name, command, place);
    std::optional<entry> kept;
    if (name == "spop" && place != nullptr) kept = *place;
    const auto ours = run_ours(command, version);
    lost_ = !ours;
    refused_ += lost_;
    if (lost_) return;
    if (!agree(how_far, name != "scan" && name != "sscan", theirs, *ours)) report(command, version, theirs, *ours);
    if (!kept) return;
    keys_.put(command[1], std::move(*kept));
    const reply_tree reply = take_apart(theirs);
    if (!reply.is_error() && !reply.null) follow_spop(command, reply);
}

void comparison::report(const command_words& command, resp_version version, std::string_view theirs,
                        std::string_view ours) {
    ++differences_;
    std::cout << "\nDIFFERENCE in RESP" << static_cast<int>(version) << " at " << now_ << "\n  " << shown(command)
              << "\n  redis " << escaped(theirs) << "\n  ours  " << escaped(ours) << '\n';
    const std::size_t key_at = is_one_of(lower(command[0]), {"object", "zrangestore"}) ? 2 : 1;
    const std::string key = command.size() > key_at ? "'" + escaped(command[key_at]) + "'" : "";
    std::size_t told = 0;
    for (std::size_t i = history_.size() - 1; i-- > 0 && told < 12;) {
        if (history_[i].find(key) == std::string::npos) continue;
        std::cout << "    before: " << history_[i] << '\n';
        ++told;
    }
}

}  // namespace weir::engine
