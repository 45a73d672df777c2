#include <array>
#include <limits>
#include <string>

#include "protocol/errors.hpp"
#include "proxy/fallback/engine/commands.hpp"
#include "proxy/fallback/engine/storing.hpp"

namespace weir::engine {

namespace {

void del(call& c) {
    std::int64_t removed = 0;
    for (std::size_t i = 1; i < c.size(); ++i) {
        // One that has expired was not there.
        if (c.find(c[i]) != nullptr && c.keys().remove(c[i])) ++removed;
    }
    if (removed > 0) c.did_as_told();
    c.reply().integer(removed);
}

void exists(call& c) {
    std::int64_t count = 0;
    for (std::size_t i = 1; i < c.size(); ++i) count += c.find(c[i]) != nullptr;
    c.reply().integer(count);
}

void type(call& c) {
    const entry* const place = c.find(c[1]);
    c.reply().simple(place == nullptr ? "none" : type_name(place->held));
}

void object_encoding(call& c) {
    const entry* const place = c.find(c[2]);
    if (place == nullptr) return c.reply().null();
    c.reply().bulk(encoding_name(place->held));
}

enum class renaming : std::uint8_t { done, no_key, taken };

renaming move_key(const call& c, bool only_to_new) {
    entry* const from = c.find(c[1]);
    if (from == nullptr) return renaming::no_key;
    if (c[1] == c[2]) return only_to_new ? renaming::taken : renaming::done;
    if (only_to_new && c.find(c[2]) != nullptr) return renaming::taken;
    entry moved = std::move(*from);
    c.keys().remove(c[1]);
    c.keys().put(c[2], std::move(moved));
    // The key may have expired by the time that this is done again, and what it replaces is gone all the same.
    c.did({"DEL", c[2]});
    c.did({"RENAME", c[1], c[2]});
    return renaming::done;
}

void rename(call& c) {
    if (move_key(c, false) == renaming::no_key) return c.fail(texts::no_such_key);
    c.reply().simple("OK");
}

void renamenx(call& c) {
    const renaming outcome = move_key(c, true);
    if (outcome == renaming::no_key) return c.fail(texts::no_such_key);
    c.reply().integer(outcome == renaming::done ? 1 : 0);
}

struct copy_target {
    keyspace* database = nullptr;
    bool replaces = false;
};

/// nullopt: the error is written.
std::optional<copy_target> read_copy_target(const call& c) {
    copy_target target{&c.keys(), false};
    for (std::size_t i = 3; i < c.size(); ++i) {
        if (c.is(i, "replace")) {
            target.replaces = true;
        } else if (c.is(i, "db") && i + 1 < c.size()) {
            const auto number = c.integer_between(++i, std::numeric_limits<std::int32_t>::min(),
                                                  std::numeric_limits<std::int32_t>::max());
            if (!number) return std::nullopt;
            target.database = *number == c.keys().number() ? &c.keys() : c.keys().sibling(*number);
            if (target.database == nullptr) {
                c.fail(errors::database_out_of_range);
                return std::nullopt;
            }
        } else {
            c.fail_syntax();
            return std::nullopt;
        }
    }
    return target;
}

void copy(call& c) {
    const auto target = read_copy_target(c);
    if (!target) return;
    if (target->database == &c.keys() && c[1] == c[2]) return c.fail(texts::same_object);
    const entry* const from = c.find(c[1]);
    if (from == nullptr) return c.reply().integer(0);
    if (target->database->find(c[2], c.now()) != nullptr && !target->replaces) return c.reply().integer(0);
    if (store(c, *target->database, c[2], *from)) c.reply().integer(1);
}

constexpr std::array rows{
    command_row{"copy", copy},         command_row{"del", del},       command_row{"exists", exists},
    command_row{"object|encoding", object_encoding},                  command_row{"rename", rename},
    command_row{"renamenx", renamenx}, command_row{"touch", exists},  command_row{"type", type},
    command_row{"unlink", del},
};

}  // namespace

std::span<const command_row> key_commands() { return rows; }

}  // namespace weir::engine
