#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/section.hpp"

namespace weir {

/// A list of words: ACL words, key patterns. It replaces the one that the plan or the defaults gave, as a
/// whole.
struct word_list {
    /// Why a text is no such word, to stand behind it, and what would be valid; empty when it is one.
    std::string (*fault)(std::string_view word);
    std::string_view each;  ///< what each word is
    bool may_be_empty;
    /// Stands for the empty list, where [] would read as the opposite of what it means.
    std::string_view for_empty = {};

    [[nodiscard]] std::string valid() const;
    [[nodiscard]] std::string show(const std::vector<std::string>& words) const;
    /// The words, or nothing and an error.
    [[nodiscard]] std::optional<std::vector<std::string>> read(const field& from) const;
};

template <typename Struct>
option_row<Struct> words(std::string_view name, std::vector<std::string> Struct::*member,
                         const word_list& kind, std::string_view help) {
    const auto read = [member, kind](const field& from, Struct& into) {
        if (auto written = kind.read(from)) into.*member = std::move(*written);
    };
    const auto describe = [=](const std::string& path, std::vector<option_summary>& into) {
        into.push_back({path, kind.valid(), kind.show(Struct{}.*member), std::string(help)});
    };
    return {name, read, describe};
}

inline constexpr std::string_view by_word_valid =
    "a section with a word such as \"@write\" or get before each ':'";
/// The name of an entry as such a word in lower case, or nothing and an error.
[[nodiscard]] std::optional<std::string> checked_word(const std::string& name, const field& entry);

/// A section with a word of command_set, without sign, before each ':' and a value of one kind behind it;
/// words end up in lower case.
template <typename T>
void read_by_word(const field& from, const value_kind<T>& kind, std::map<std::string, T>& into) {
    const auto entries = from.entries(by_word_valid);
    if (!entries) return;
    for (const auto& [name, entry] : *entries) {
        const auto word = checked_word(name, entry);
        if (!word) continue;
        if (into.contains(*word))
            entry.fail("another word here differs in upper and lower case alone; remove one");
        else
            read_value(entry, kind, [&](const T& value) { into.emplace(*word, value); });
    }
}

/// For word_list: a word of command_set; one without sign.
[[nodiscard]] std::string command_word_fault(std::string_view word);
[[nodiscard]] std::string unsigned_command_word_fault(std::string_view word);

/// Whether both mean a command, the same one; where modules' commands are among them nobody knows, and it is
/// true.
[[nodiscard]] bool overlap(const std::vector<std::string>& words, const std::string& word);

/// Words that leave no command were meant otherwise: an error.
void require_a_command(const field& from, const std::vector<std::string>& words);

}  // namespace weir
