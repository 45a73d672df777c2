#include "protocol/command_table.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <deque>
#include <limits>
#include <utility>

#include "protocol/ascii.hpp"
#include "protocol/command_rows.hpp"

namespace weir {

namespace {

// ---- looking a name up

/// Eight characters at once in lower case; bytes that are no capital letter stay as they are.
constexpr std::uint64_t to_lower_eight(std::uint64_t text) {
    constexpr std::uint64_t ones = 0x0101010101010101;
    const std::uint64_t low_bits = text & (0x7f * ones);
    const std::uint64_t from_a = low_bits + (0x80 - 'A') * ones;
    const std::uint64_t beyond_z = low_bits + (0x7f - 'Z') * ones;
    const std::uint64_t capital = (from_a ^ beyond_z) & ~text & (0x80 * ones);
    return text | capital >> 2;
}

template <class Number>
Number load(const char* from) {
    Number number;
    std::memcpy(&number, from, sizeof number);
    return number;
}

/// A name in lower case as three numbers: its first and its last eight bytes, which may overlap, and its
/// size. Two names of at most sixteen bytes are the same exactly if these are, so one look needs no loop over
/// the bytes.
struct name_key {
    static constexpr std::size_t exact_up_to = 16;

    explicit name_key(std::string_view name) : size(name.size()) {
        if (size >= 8) {
            head = load<std::uint64_t>(name.data());
            tail = load<std::uint64_t>(name.data() + size - 8);
        } else if (size >= 4) {
            head = load<std::uint32_t>(name.data());
            tail = load<std::uint32_t>(name.data() + size - 4);
        } else if (size > 0) {
            head = load<std::uint8_t>(name.data()) | load<std::uint8_t>(name.data() + size / 2) << 8;
            tail = load<std::uint8_t>(name.data() + size - 1);
        }
        head = to_lower_eight(head);
        tail = to_lower_eight(tail);
    }

    bool operator==(const name_key&) const = default;

    [[nodiscard]] std::uint64_t hash() const {
        const std::uint64_t mixed = (head ^ std::rotl(tail, 31) ^ size) * 0x9e3779b97f4a7c15;
        return mixed ^ mixed >> 32;
    }

    std::uint64_t head = 0;
    std::uint64_t tail = 0;
    std::uint64_t size = 0;
};

/// Rows by name: a power of two of slots, at most a quarter of them taken, so that a look-up is one probe or
/// two.
///
///     slots_  | key of get, row |  free  |  free  | key of set, row |  free  | …
class row_index {
public:
    void insert(std::uint64_t hash, const name_key& key, const command_spec& row) {
        if (4 * (size_ + 1) > slots_.size()) grow();
        place({key, hash, &row});
        ++size_;
    }

    /// The row under `hash` and `key` that `is_it` takes; nullptr for none.
    template <class Match>
    const command_spec* find(std::uint64_t hash, const name_key& key, Match is_it) const {
        const std::size_t mask = slots_.size() - 1;
        for (std::size_t i = hash & mask;; i = (i + 1) & mask) {
            const slot& candidate = slots_[i];
            if (candidate.row == nullptr) return nullptr;
            if (candidate.key == key && is_it(*candidate.row)) return candidate.row;
        }
    }

private:
    struct slot {
        name_key key{{}};
        std::uint64_t hash = 0;
        const command_spec* row = nullptr;
    };

    void place(const slot& taken) {
        const std::size_t mask = slots_.size() - 1;
        std::size_t i = taken.hash & mask;
        while (slots_[i].row != nullptr) i = (i + 1) & mask;
        slots_[i] = taken;
    }

    void grow() {
        const auto old = std::exchange(slots_, std::vector<slot>(2 * slots_.size()));
        for (const slot& taken : old) {
            if (taken.row != nullptr) place(taken);
        }
    }

    std::vector<slot> slots_ = std::vector<slot>(1024);  // never full: a search needs a free slot to end at
    std::size_t size_ = 0;
};

/// Whether `name`, whose key is the row's, is the row's name.
bool is_name(std::string_view name, std::string_view row_name) {
    return name.size() <= name_key::exact_up_to || equals_ignoring_case(name, row_name);
}

std::uint64_t hash_subcommand(std::string_view container, const name_key& sub) {
    const std::uint64_t mixed = (name_key(container).hash() * 3 + sub.hash()) * 0x9e3779b97f4a7c15;
    return mixed ^ mixed >> 32;
}

// ---- learning from a server

/// A learned row and what its views point at.
struct learned_row {
    std::string name;
    std::vector<std::string> keywords;
    command_spec spec;
};

template <class Bits>
struct named_bit {
    std::string_view name;
    Bits bit;
};

constexpr auto flag_names = std::to_array<named_bit<command_flag>>({
    {"write", command_flag::write},
    {"readonly", command_flag::readonly},
    {"denyoom", command_flag::denyoom},
    {"admin", command_flag::admin},
    {"pubsub", command_flag::pubsub},
    {"noscript", command_flag::noscript},
    {"blocking", command_flag::blocking},
    {"loading", command_flag::loading},
    {"stale", command_flag::stale},
    {"skip_monitor", command_flag::skip_monitor},
    {"skip_slowlog", command_flag::skip_slowlog},
    {"asking", command_flag::asking},
    {"fast", command_flag::fast},
    {"no_auth", command_flag::no_auth},
    {"may_replicate", command_flag::may_replicate},
    {"no_async_loading", command_flag::no_async_loading},
    {"no_multi", command_flag::no_multi},
    {"movablekeys", command_flag::movablekeys},
    {"no_mandatory_keys", command_flag::no_mandatory_keys},
    {"allow_busy", command_flag::allow_busy},
    {"module", command_flag::module},
});

constexpr auto category_names = std::to_array<named_category>({
    {"keyspace", command_category::keyspace},
    {"read", command_category::read},
    {"write", command_category::write},
    {"set", command_category::set},
    {"sortedset", command_category::sortedset},
    {"list", command_category::list},
    {"hash", command_category::hash},
    {"string", command_category::string},
    {"bitmap", command_category::bitmap},
    {"hyperloglog", command_category::hyperloglog},
    {"geo", command_category::geo},
    {"stream", command_category::stream},
    {"pubsub", command_category::pubsub},
    {"admin", command_category::admin},
    {"fast", command_category::fast},
    {"slow", command_category::slow},
    {"blocking", command_category::blocking},
    {"dangerous", command_category::dangerous},
    {"connection", command_category::connection},
    {"transaction", command_category::transaction},
    {"scripting", command_category::scripting},
});

constexpr auto key_flag_names = std::to_array<named_bit<key_spec::flag>>({
    {"RO", key_spec::read_only},
    {"RW", key_spec::read_write},
    {"OW", key_spec::overwrite},
    {"RM", key_spec::remove},
    {"access", key_spec::access},
    {"update", key_spec::update},
    {"insert", key_spec::insert},
    {"delete", key_spec::delete_},
    {"not_key", key_spec::not_key},
    {"incomplete", key_spec::incomplete},
    {"variable_flags", key_spec::variable_flags},
});

/// The bits of `names`, `unknown` for each that the dictionary lacks.
template <class Dictionary>
std::uint32_t to_bits(const std::vector<std::string>& names, const Dictionary& dictionary,
                      std::uint32_t unknown) {
    std::uint32_t bits = 0;
    for (const std::string& name : names) {
        const auto found =
            std::ranges::find_if(dictionary, [&](const auto& entry) { return entry.name == name; });
        bits |= found == dictionary.end() ? unknown : static_cast<std::uint32_t>(found->bit);
    }
    return bits;
}

/// What keeps a command from being forwarded whatever its keys are, by flag and by category.
constexpr auto forbidding_flags = std::to_array<std::pair<command_flag, std::string_view>>({
    {command_flag::admin, "it administers the server"},
    {command_flag::blocking, "it may hold up its connection"},
    {command_flag::pubsub, "its channels cannot be confined to the tenant"},
});
constexpr auto forbidding_categories = std::to_array<std::pair<command_category, std::string_view>>({
    {command_category::admin, "it administers the server"},
    {command_category::blocking, "it may hold up its connection"},
    {command_category::pubsub, "its channels cannot be confined to the tenant"},
    {command_category::scripting, "it runs scripts, which may name the keys of others"},
    {command_category::connection, "it changes the state of its connection"},
    {command_category::transaction, "it changes the state of its connection"},
    {command_category::dangerous, "the server calls it dangerous"},
});

/// Commands of known modules that name one key in their specification and touch others. A name that ends in a
/// dot stands for all that begin with it.
constexpr auto misdescribed = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"cms.merge", "its module does not tell all of its keys"},
    {"ft.", "a search index reads the keys of every tenant"},
    {"json.mget", "its module does not tell all of its keys"},
    {"json.mset", "its module does not tell all of its keys"},
    {"tdigest.merge", "its module does not tell all of its keys"},
    {"ts.createrule", "its module does not tell all of its keys"},
    {"ts.deleterule", "its module does not tell all of its keys"},
});

bool is_range_from_index(const key_spec& spec) {
    return spec.begin == key_spec::begin_kind::index && spec.find == key_spec::find_kind::range;
}

/// Whether all keys that a specification speaks of are surely found. A keyword that may stand there twice
/// hides the key behind the second, unless all that follows the first is keys.
bool finds_all_keys(const key_spec& spec) {
    if (!spec.locatable() || spec.flags & key_spec::not_key || spec.key_step < 1) return false;
    const bool takes_all = spec.find == key_spec::find_kind::range && spec.last_key == -1 && spec.limit <= 1;
    if (spec.begin == key_spec::begin_kind::keyword)
        return spec.index != 0 && spec.key_step == 1 && takes_all;
    return spec.index >= 1 && spec.limit >= 0 && spec.keynum_index >= 0 && spec.first_key >= 0;
}

/// Why what it does forbids to forward it; empty when nothing does.
std::string_view effect_refusal(const command_spec& row) {
    for (const auto& [flag, reason] : forbidding_flags) {
        if (row.has(flag)) return reason;
    }
    for (const auto& [category, reason] : forbidding_categories) {
        if (row.is(category)) return reason;
    }
    for (const auto& [name, reason] : misdescribed) {
        if (row.name == name || (name.ends_with('.') && row.name.starts_with(name))) return reason;
    }
    return {};
}

/// Why its keys forbid to forward it; empty when all of them are found.
std::string_view key_refusal(const command_spec& row, std::size_t spec_count) {
    if (spec_count == 0) return "it names no keys by which it could be confined to the tenant";
    if (spec_count > row.key_spec_count) return "it describes its keys in more parts than weir keeps";
    if (!std::ranges::all_of(row.keys(), finds_all_keys)) return "its keys cannot all be located";
    // A module that finds its keys by code of its own is given a specification with fixed places all the
    // same.
    const bool moves =
        row.has(command_flag::movablekeys) && std::ranges::all_of(row.keys(), is_range_from_index);
    return moves ? "its keys cannot all be located" : std::string_view{};
}

void set_key_specs(learned_row& row, const std::vector<command_facts::spec>& specs) {
    const std::size_t count = std::min(specs.size(), row.spec.key_specs.size());
    row.keywords.reserve(count);  // the views below point into it
    for (std::size_t i = 0; i < count; ++i) {
        key_spec& spec = row.spec.key_specs[i];
        spec = specs[i].value;
        spec.keyword = row.keywords.emplace_back(specs[i].keyword);
        spec.flags = static_cast<std::uint16_t>(
            spec.flags | to_bits(specs[i].flags, key_flag_names, key_spec::incomplete));
    }
    row.spec.key_spec_count = static_cast<std::uint8_t>(count);
}

/// The facts as a row, route and reason left open.
void describe(learned_row& row, const command_facts& facts) {
    row.name = facts.name;
    std::ranges::transform(row.name, row.name.begin(), to_lower);
    row.spec.name = row.name;
    row.spec.learned = true;
    constexpr int most = std::numeric_limits<std::int16_t>::max();
    row.spec.arity =
        facts.arity == 0 ? std::int16_t{-1} : static_cast<std::int16_t>(std::clamp(facts.arity, -most, most));
    row.spec.flags = to_bits(facts.flags, flag_names, 0);
    row.spec.categories = to_bits(facts.categories, category_names, 0);
    row.spec.container = !facts.subcommands.empty();
    set_key_specs(row, facts.specs);
}

}  // namespace

std::span<const named_category> command_categories() {
    return category_names;
}

// ---- the table

struct command_table::impl {
    std::vector<const command_spec*> rows;
    row_index commands;
    row_index subcommands;
    std::deque<learned_row> learned;  // rows point into themselves: elements must not move

    void add(const command_spec& row) {
        rows.push_back(&row);
        const std::size_t bar = row.name.find('|');
        if (bar == std::string_view::npos) {
            const name_key key(row.name);
            return commands.insert(key.hash(), key, row);
        }
        const name_key sub(row.name.substr(bar + 1));
        subcommands.insert(hash_subcommand(row.name.substr(0, bar), sub), sub, row);
    }

    [[nodiscard]] const command_spec* find(std::string_view name) const {
        const name_key key(name);
        return commands.find(key.hash(), key,
                             [name](const command_spec& row) { return is_name(name, row.name); });
    }

    [[nodiscard]] const command_spec* find_subcommand(std::string_view container,
                                                      std::string_view sub) const {
        const name_key key(sub);
        return subcommands.find(
            hash_subcommand(container, key), key, [container, sub](const command_spec& row) {
                const std::size_t bar = container.size();
                return row.name.size() == bar + 1 + sub.size() && row.name[bar] == '|' &&
                       row.name.starts_with(container) && is_name(sub, row.name.substr(bar + 1));
            });
    }

    /// Adds a row for `facts`; `refusal` is what is already known to forbid it.
    const command_spec& learn_row(const command_facts& facts, std::string_view refusal) {
        learned_row& row = learned.emplace_back();
        describe(row, facts);
        if (refusal.empty()) refusal = effect_refusal(row.spec);
        if (refusal.empty() && row.spec.container) refusal = "it needs a subcommand";
        if (refusal.empty()) refusal = key_refusal(row.spec, facts.specs.size());
        row.spec.route = refusal.empty() ? command_route::forward : command_route::refuse;
        row.spec.reason = refusal;
        add(row.spec);
        return row.spec;
    }

    /// Adds what `facts` say that is not known yet. A name that could be taken for another's is left out, and
    /// so stays unknown.
    void learn(const command_facts& facts) {
        if (facts.name.empty() || facts.name.find('|') != std::string::npos) return;
        const command_spec* container = find(facts.name);
        if (container == nullptr) container = &learn_row(facts, {});
        if (!container->container) return;
        const std::string_view inherited = effect_refusal(*container);
        for (const command_facts& sub : facts.subcommands) {
            const std::size_t bar = container->name.size();
            if (sub.name.size() <= bar + 1 || sub.name[bar] != '|' || !sub.subcommands.empty()) continue;
            if (!equals_ignoring_case(sub.name.substr(0, bar), container->name)) continue;
            if (find_subcommand(container->name, std::string_view(sub.name).substr(bar + 1)) == nullptr) {
                learn_row(sub, inherited);
            }
        }
    }
};

command_table::command_table() : impl_(std::make_unique<impl>()) {
    for (const command_spec& row : command_rows()) impl_->add(row);
}

command_table::~command_table() = default;

std::shared_ptr<const command_table> command_table::built_in() {
    static const std::shared_ptr<const command_table> table(new command_table);
    return table;
}

std::shared_ptr<const command_table> command_table::learned(std::span<const command_facts> reported) {
    const std::shared_ptr<command_table> table(new command_table);
    for (const command_facts& facts : reported) table->impl_->learn(facts);
    return table;
}

const command_spec* command_table::find(std::string_view name) const {
    return impl_->find(name);
}

const command_spec* command_table::find_subcommand(const command_spec& container,
                                                   std::string_view sub) const {
    return impl_->find_subcommand(container.name, sub);
}

const command_spec* command_table::find_row(std::string_view name) const {
    const auto bar = name.find('|');
    const command_spec* command = find(name.substr(0, bar));
    if (command == nullptr || bar == std::string_view::npos) return command;
    return command->container ? find_subcommand(*command, name.substr(bar + 1)) : nullptr;
}

std::span<const command_spec* const> command_table::rows() const {
    return impl_->rows;
}

}  // namespace weir
