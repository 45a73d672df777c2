#include "policy/command_set.hpp"

#include <algorithm>
#include <ranges>

#include "policy/suggest.hpp"
#include "protocol/ascii.hpp"

namespace weir {

namespace {

constexpr auto everything = std::to_array<std::string_view>({"*", "@all", "allcommands"});
constexpr std::string_view nothing = "nocommands";

std::string in_lower_case(std::string_view word) {
    std::string lower(word);
    std::ranges::transform(lower, lower.begin(), to_lower);
    return lower;
}

bool has_sign(std::string_view word) {
    return word.starts_with('+') || word.starts_with('-');
}

bool is_everything(std::string_view lower) {
    return std::ranges::find(everything, lower) != everything.end();
}

const named_category* find_category(std::string_view name) {
    const auto categories = command_categories();
    const auto found = std::ranges::find(categories, name, &named_category::name);
    return found == categories.end() ? nullptr : &*found;
}

/// Modules name their commands `module.command`; the servers' own have no dot. Spaces and the like are in no name.
bool is_module_command(std::string_view name) {
    const auto in_name = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == '|';
    };
    const std::string_view command = name.substr(0, name.find('|'));
    const auto dot = command.find('.');
    return dot != 0 && dot != std::string_view::npos && dot + 1 < command.size() && !name.ends_with('|') &&
           std::ranges::count(name, '|') <= 1 && std::ranges::all_of(name, in_name);
}

/// `front`: what stands before each of the candidates.
std::string did_you_mean(std::string_view written, std::span<const std::string_view> candidates,
                         std::string_view front) {
    const std::string_view meant = nearest(written, candidates);
    if (meant.empty()) return {};
    return std::string(" (did you mean '").append(front).append(meant).append("'?)");
}

std::string category_fault(std::string_view name) {
    std::vector<std::string_view> names{"all"};
    std::string valid = "@all";
    for (const named_category& category : command_categories()) {
        names.push_back(category.name);
        valid.append(", @").append(category.name);
    }
    return "is no category of commands" + did_you_mean(name, names, "@") + "; valid: " + valid;
}

std::string subcommand_fault(const command_spec& command, std::string_view sub) {
    const std::string front = std::string(command.name) + "|";
    std::vector<std::string_view> subs;
    for (const command_spec* row : command_table::built_in()->rows()) {
        if (row->name.starts_with(front)) subs.push_back(row->name.substr(front.size()));
    }
    if (subs.empty()) return "names a subcommand of a command without any; valid: " + std::string(command.name);
    return "is no subcommand that weir knows" + did_you_mean(sub, subs, front) + "; valid behind '" + front +
           "': " + join(subs);
}

std::string command_fault(std::string_view name) {
    std::vector<std::string_view> names(everything.begin(), everything.end());
    names.push_back(nothing);
    for (const command_spec* row : command_table::built_in()->rows()) names.push_back(row->name);
    return "is no command that weir knows" + did_you_mean(name, names, "") +
           "; valid: *, a category as @read, a command as get, a subcommand as config|get";
}

}  // namespace

command_set::rule::rule(std::string_view word) : adds(!word.starts_with('-')) {
    name = in_lower_case(has_sign(word) ? word.substr(1) : word);
    if (name == nothing) adds = false;
    if (is_everything(name) || name == nothing) return;
    means = name.starts_with('@') ? kind::category : kind::name;
    if (means == kind::name) return;
    if (const auto* found = find_category(std::string_view(name).substr(1))) {
        category = static_cast<std::uint32_t>(found->bit);
    }
}

bool command_set::rule::concerns(const command_spec& command) const {
    if (means == kind::all) return true;
    if (means == kind::category) return (command.categories & category) != 0;
    if (!command.name.starts_with(name)) return false;
    return command.name.size() == name.size() || command.name[name.size()] == '|';
}

command_set::command_set(std::span<const std::string> words) {
    for (const std::string& word : words) rules_.emplace_back(word);
    for (const command_spec* row : command_table::built_in()->rows()) {
        if (row->number >= compiled_rows || !judge(*row)) continue;
        by_number_[row->number / word_bits] |= std::uint64_t{1} << row->number % word_bits;
    }
}

/// What the last word that concerns it says.
bool command_set::judge(const command_spec& command) const {
    for (const rule& last : rules_ | std::views::reverse) {
        if (last.concerns(command)) return last.adds;
    }
    return false;
}

std::string command_set::fault(std::string_view word) {
    const std::string lower = in_lower_case(has_sign(word) ? word.substr(1) : word);
    if (lower == nothing) return has_sign(word) ? "takes no sign; valid: nocommands" : "";
    if (is_everything(lower) || is_module_command(lower)) return {};
    if (lower.starts_with('@')) {
        const auto name = std::string_view(lower).substr(1);
        return find_category(name) != nullptr ? "" : category_fault(name);
    }
    const auto table = command_table::built_in();
    if (table->find_row(lower) != nullptr) return {};
    const auto bar = lower.find('|');
    const command_spec* container = bar == std::string::npos ? nullptr : table->find(lower.substr(0, bar));
    return container == nullptr ? command_fault(lower) : subcommand_fault(*container, lower.substr(bar + 1));
}

int command_set::exactness(std::string_view word) {
    const std::string lower = in_lower_case(word);
    if (is_everything(lower)) return 0;
    if (lower.starts_with('@')) return 1;
    return lower.find('|') == std::string::npos ? 2 : 3;
}

}  // namespace weir
