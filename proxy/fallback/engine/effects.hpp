#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::engine {

/// What commands changed, as commands that give the same when they are repeated later: what a journal keeps. As in
/// Redis' own append-only file, random and relative ones are made exact (SPOP is SREM, EXPIRE is PEXPIREAT), and a
/// command that changed nothing is not there.
class effects {
public:
    using operation = std::vector<std::string>;

    void add(std::span<const std::string_view> words) { operations_.emplace_back(words.begin(), words.end()); }
    void add(std::initializer_list<std::string_view> words) { operations_.emplace_back(words.begin(), words.end()); }

    [[nodiscard]] const std::vector<operation>& operations() const { return operations_; }
    void clear() { operations_.clear(); }
    /// The same, for whoever takes the operations away.
    [[nodiscard]] std::vector<operation> take() { return std::exchange(operations_, {}); }

private:
    std::vector<operation> operations_;
};

}  // namespace weir::engine
