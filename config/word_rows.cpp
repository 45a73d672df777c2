#include "config/word_rows.hpp"

#include <algorithm>

#include "policy/command_set.hpp"
#include "policy/suggest.hpp"
#include "protocol/ascii.hpp"

namespace weir {
namespace {

bool takes_away(std::string_view word) {
    return word.starts_with('-') || equals_ignoring_case(word, "nocommands");
}

/// Of which no table of ours can say what they are.
bool is_of_a_module(std::string_view word) {
    return word.find('.') != std::string_view::npos && !takes_away(word);
}

bool names_a_command(const std::vector<std::string>& words) {
    if (std::ranges::none_of(words, takes_away) || std::ranges::any_of(words, is_of_a_module)) return true;
    const command_set named(words);
    return std::ranges::any_of(command_table::built_in()->rows(),
                               [&](const command_spec* row) { return named.contains(*row); });
}

}  // namespace

std::string word_list::valid() const {
    const std::string list = "a list, each of it " + std::string(each);
    return for_empty.empty() ? list : std::string(for_empty) + ", or " + list;
}

std::string word_list::show(const std::vector<std::string>& words) const {
    if (words.empty() && !for_empty.empty()) return std::string(for_empty);
    const std::vector<std::string_view> views(words.begin(), words.end());
    return "[" + join(views) + "]";
}

std::optional<std::vector<std::string>> word_list::read(const field& from) const {
    std::optional<std::vector<std::string>> read;
    if (!for_empty.empty() && from.node.IsScalar()) {
        auto alone = one_of<bool>({{for_empty, true}});
        alone.valid = valid();
        read_value(from, alone, [&](bool) { read.emplace(); });
        return read;
    }
    const auto items = from.items(valid());
    if (!items) return read;
    read.emplace();
    if (items->empty() && !may_be_empty) {
        from.fail("the list is empty; valid: " + valid());
        return std::nullopt;
    }
    for (const auto& item : *items) {
        auto word = item.scalar(each);
        if (!word) continue;
        const auto why = fault(*word);
        if (!why.empty())
            item.refuse(*word, why);
        else
            read->push_back(std::move(*word));
    }
    return read->size() == items->size() ? read : std::nullopt;
}

std::optional<std::string> checked_word(const std::string& name, const field& entry) {
    std::string word = name;
    std::ranges::transform(word, word.begin(), to_lower);
    const auto why = unsigned_command_word_fault(word);
    if (why.empty()) return word;
    entry.fail("the word before the ':' " + why);
    return std::nullopt;
}

std::string command_word_fault(std::string_view word) {
    return word.empty() ? "is empty; valid: a word such as * or @read or get" : command_set::fault(word);
}

std::string unsigned_command_word_fault(std::string_view word) {
    if (!word.starts_with('+') && !word.starts_with('-')) return command_word_fault(word);
    return "has a sign; valid: " + std::string(word.substr(1));
}

bool overlap(const std::vector<std::string>& words, const std::string& word) {
    if (is_of_a_module(word)) return true;
    const command_set many(words);
    const command_set one(std::span(&word, 1));
    return std::ranges::any_of(command_table::built_in()->rows(), [&](const command_spec* row) {
        return many.contains(*row) && one.contains(*row);
    });
}

void require_a_command(const field& from, const std::vector<std::string>& words) {
    if (names_a_command(words)) return;
    from.fail(
        "the words leave no command; valid: words of which each + adds to what stands before it and each - "
        "takes "
        "from that");
}

}  // namespace weir
