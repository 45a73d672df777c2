#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <variant>

#include "protocol/ascii.hpp"
#include "protocol/reply_writer.hpp"
#include "proxy/fallback/engine/effects.hpp"
#include "proxy/fallback/engine/keyspace.hpp"
#include "proxy/fallback/engine/texts.hpp"
#include "proxy/fallback/engine/value.hpp"

namespace weir::engine {

struct engine_limits {
    std::int64_t max_string_bytes = 512 << 20;            ///< proto-max-bulk-len
    std::int64_t max_random_elements = 16 * 1024 * 1024;  ///< that one command gives when it may repeat elements
    // Whoever sends 1 MB that names the same large key again and again keeps a server busy for hours.
    std::size_t max_steps = 4'000'000;         ///< elements that one SORT, SUNION, ZINTER or their kin looks at, each time anew
    std::size_t max_lcs_cells = 16 << 20;      ///< of the table of LCS
    std::size_t max_result_bytes = 512 << 20;  ///< of what SORT stores, which may be many times what it reads
};

/// What a command runs in. All of it belongs to the caller and outlives the command.
struct surroundings {
    keyspace& keys;
    reply_writer& reply;
    std::int64_t now;  ///< milliseconds since 1970
    random_source& random;
    effects* journal = nullptr;  ///< none: nobody wants to know
    engine_limits limits = {};
    /// Set by a command that is not to be done here, though Redis would: why. Then nothing was written, and nothing changed.
    std::string_view obstacle = {};
};

/// What a key holds, for a command that needs a Type.
template <typename Type>
struct holding {
    entry* place = nullptr;
    Type* value = nullptr;
    bool refused = false;  ///< it is of another type; the error is written

    explicit operator bool() const { return value != nullptr; }
    Type* operator->() const { return value; }
    Type& operator*() const { return *value; }
};

/// One command while it runs: its arguments, what it reads and changes, its reply. Every command writes one reply, and
/// changes nothing when that is an error; or it says cannot(), and does neither.
class call {
public:
    call(std::string_view name, std::span<const std::string_view> words, surroundings& around)
        : name_(name), words_(words), around_(around) {}

    /// In lower case, as errors name it.
    [[nodiscard]] std::string_view name() const { return name_; }
    [[nodiscard]] std::size_t size() const { return words_.size(); }
    [[nodiscard]] std::string_view operator[](std::size_t i) const { return words_[i]; }
    [[nodiscard]] std::span<const std::string_view> words() const { return words_; }
    [[nodiscard]] bool is(std::size_t i, std::string_view option) const { return is_option(words_[i], option); }

    [[nodiscard]] keyspace& keys() const { return around_.keys; }
    [[nodiscard]] reply_writer& reply() const { return around_.reply; }
    [[nodiscard]] bool speaks_resp3() const { return around_.reply.version() == resp_version::resp3; }
    [[nodiscard]] std::int64_t now() const { return around_.now; }
    [[nodiscard]] random_source& random() const { return around_.random; }
    [[nodiscard]] const engine_limits& limits() const { return around_.limits; }
    /// A number below `bound`, which is not 0.
    [[nodiscard]] std::size_t random_below(std::size_t bound) const;

    [[nodiscard]] entry* find(std::string_view key) const { return keys().find(key, now()); }
    /// Writes WRONGTYPE when the key holds something else.
    template <typename Type>
    [[nodiscard]] holding<Type> find(std::string_view key) const {
        entry* const place = find(key);
        if (place == nullptr) return {};
        if (auto* held = std::get_if<Type>(&place->held)) return {place, held, false};
        reply().error(texts::wrong_type);
        return {place, nullptr, true};
    }
    /// An empty one is put where there is none; the caller fills it.
    template <typename Type>
    [[nodiscard]] holding<Type> find_or_put(std::string_view key) const {
        holding<Type> held = find<Type>(key);
        if (held || held.refused) return held;
        entry& place = keys().put(key, {Type{}, never});
        return {&place, &std::get<Type>(place.held), false};
    }
    /// After a change in place; removes the key of a collection that is empty now.
    template <typename Type>
    void changed(std::string_view key, const holding<Type>& held) const {
        if constexpr (!std::is_same_v<Type, string_value>) {
            if (held->size() == 0) {
                keys().remove(key);
                return;
            }
        }
        keys().altered(key, *held.place);
    }

    /// A number that an argument must be; nullopt: it is not, and the error is written.
    [[nodiscard]] std::optional<std::int64_t> integer(std::size_t i) const;
    [[nodiscard]] std::optional<std::int64_t> integer(std::size_t i, std::string_view error) const;
    [[nodiscard]] std::optional<std::int64_t> integer_between(std::size_t i, std::int64_t least,
                                                              std::int64_t most) const;
    /// With `error` for whatever is wrong with it.
    [[nodiscard]] std::optional<std::int64_t> integer_from(std::size_t i, std::int64_t least,
                                                           std::string_view error) const;
    [[nodiscard]] std::optional<double> number(std::size_t i) const;
    [[nodiscard]] std::optional<long double> long_number(std::size_t i) const;

    void fail(std::string_view error) const { reply().error(error); }
    /// `why` is valid for ever.
    void cannot(std::string_view why) const { around_.obstacle = why; }
    /// Whether the command would look so often at so many; then it says that it cannot.
    [[nodiscard]] bool takes_too_long(std::size_t times, std::size_t elements) const;
    void fail_syntax() const;
    void fail_arity() const;
    void fail_expiry() const;

    /// What the command did, for the journal: what it says itself, or this instead.
    void did_as_told() const { did(words_); }
    void did(std::initializer_list<std::string_view> words) const { did_in(keys(), words); }
    void did(std::span<const std::string_view> words) const { did_in(keys(), words); }
    void did_in(const keyspace& where, std::initializer_list<std::string_view> words) const {
        did_in(where, std::span(words.begin(), words.size()));
    }
    void did_in(const keyspace& where, std::span<const std::string_view> words) const {
        if (around_.journal != nullptr) around_.journal->add(where.number(), words);
    }
    [[nodiscard]] bool is_journaled() const { return around_.journal != nullptr; }
    /// In the journal, if there is one.
    [[nodiscard]] bool has_room(std::size_t bytes) const { return !is_journaled() || around_.journal->has_room(bytes); }

private:
    std::string_view name_;
    std::span<const std::string_view> words_;
    surroundings& around_;
};

}  // namespace weir::engine
