#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace weir::pg::test {

/// What clients have done with one list, and whether there is an order in which it could have been: each operation at one moment
/// between its call and its return, and each reply true at that moment (Herlihy and Wing's linearizability, by the search of Wing
/// and Gong with the memory of Lowe).
class list_history {
public:
    static constexpr std::size_t never = std::numeric_limits<std::size_t>::max();

    struct operation {
        std::vector<std::string> words;  ///< RPUSH, LPOP, LRANGE 0 -1, DEL of the list
        std::string reply;
        std::size_t called = 0;
        std::size_t returned = never;  ///< never: whether it has been done, and what it said, nobody knows
    };

    void add(operation made) { operations_.push_back(std::move(made)); }
    [[nodiscard]] std::size_t size() const { return operations_.size(); }

    [[nodiscard]] bool is_linearizable() const {
        std::set<std::pair<std::vector<bool>, state>> dead_ends;
        return goes_on({std::vector<bool>(operations_.size()), {}}, dead_ends);
    }

private:
    using state = std::deque<std::string>;
    using position = std::pair<std::vector<bool>, state>;  ///< what has been done, and what came of it

    static std::string bulk(const std::string& text) { return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n"; }

    static std::string run(const std::vector<std::string>& words, state& list) {
        if (words[0] == "RPUSH") {
            list.push_back(words[2]);
            return ":" + std::to_string(list.size()) + "\r\n";
        }
        if (words[0] == "LPOP") {
            if (list.empty()) return "$-1\r\n";
            const std::string first = list.front();
            list.pop_front();
            return bulk(first);
        }
        if (words[0] == "DEL") return list.empty() ? ":0\r\n" : (list.clear(), ":1\r\n");
        std::string all = "*" + std::to_string(list.size()) + "\r\n";
        for (const auto& each : list) all += bulk(each);
        return all;
    }

    [[nodiscard]] bool goes_on(const position& from, std::set<position>& dead_ends) const {
        std::size_t first_return = never;
        bool complete = true;
        for (std::size_t i = 0; i < operations_.size(); ++i) {
            if (from.first[i]) continue;
            first_return = std::min(first_return, operations_[i].returned);
            complete = complete && operations_[i].returned == never;
        }
        if (complete) return true;
        if (dead_ends.contains(from)) return false;
        for (std::size_t i = 0; i < operations_.size(); ++i) {
            const operation& each = operations_[i];
            // What was called after another one had returned comes behind it.
            if (from.first[i] || each.called > first_return) continue;
            position next = from;
            next.first[i] = true;
            if (run(each.words, next.second) != each.reply && each.returned != never) continue;
            if (goes_on(next, dead_ends)) return true;
        }
        dead_ends.insert(from);
        return false;
    }

    std::vector<operation> operations_;
};

}  // namespace weir::pg::test
