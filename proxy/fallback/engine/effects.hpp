#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::engine {

/// What commands changed, as commands that give the same when they are repeated later: what a journal keeps. As in
/// Redis' own append-only file, random and relative ones are made exact (SPOP is SREM, EXPIRE is PEXPIREAT), and a
/// command that changed nothing is not there. What was worked out of other keys (SUNIONSTORE, COPY) is the value itself:
/// where it is repeated these keys may hold something else, and much more.
class effects {
public:
    struct operation {
        std::int64_t database;
        std::vector<std::string> words;
    };

    void add(std::int64_t database, std::span<const std::string_view> words) {
        operations_.push_back({database, {words.begin(), words.end()}});
    }
    void add(std::int64_t database, std::initializer_list<std::string_view> words) {
        add(database, std::span(words.begin(), words.size()));
    }

    /// Whether a command may make so much that it was not told word by word. Counted as cost() does.
    [[nodiscard]] bool has_room(std::size_t bytes) const { return bytes <= room_; }
    void set_room(std::size_t bytes) { room_ = bytes; }
    [[nodiscard]] static std::size_t cost(std::size_t bytes, std::size_t words) {
        return bytes + words * (sizeof(std::string) + 16);
    }

    [[nodiscard]] const std::vector<operation>& operations() const { return operations_; }
    void clear() { operations_.clear(); }
    /// The same, for whoever takes the operations away.
    [[nodiscard]] std::vector<operation> take() { return std::exchange(operations_, {}); }

private:
    std::vector<operation> operations_;
    std::size_t room_ = std::numeric_limits<std::size_t>::max();
};

}  // namespace weir::engine
