#include "config/document.hpp"

#include <algorithm>
#include <tuple>

#include "config/environment.hpp"
#include "policy/suggest.hpp"

namespace weir {
namespace {

/// A value as an error shows it: on one line, and not all of a file pasted into the wrong place.
std::string in_quotes(std::string_view value) {
    constexpr std::size_t longest = 60;
    std::string text = "'";
    for (const char c : value.substr(0, longest))
        text += static_cast<unsigned char>(c) < ' ' || c == '\x7f' ? '?' : c;
    return text + (value.size() > longest ? "...'" : "'");
}

std::string_view kind_of(const YAML::Node& node) {
    if (node.IsSequence()) return "a list";
    if (node.IsMap()) return "a section (quote a text that holds braces)";
    return node.IsScalar() ? "a single value" : "nothing";
}

}  // namespace

position to_position(const YAML::Mark& mark) {
    if (mark.is_null()) return {1, 1};
    return {static_cast<std::size_t>(mark.line) + 1, static_cast<std::size_t>(mark.column) + 1};
}

std::string shown(std::string_view path) {
    std::string text(path);
    std::ranges::replace(text, '/', '.');
    return text;
}

void document::fail(position at, std::string message) {
    errors_.push_back({name_, at.line, at.column, std::move(message)});
}

void document::fail(const std::string& path, const std::string& message) {
    std::string place = path;
    while (!place.empty() && !positions_.contains(place)) {
        const auto end = place.find_last_of("/[");
        place.resize(end == std::string::npos ? 0 : end);
    }
    fail(positions_.contains(place) ? positions_.at(place) : position{1, 1}, shown(path) + ": " + message);
}

std::vector<config_error> document::take_errors() {
    const auto place = [](const config_error& error) { return std::tuple(error.line, error.column); };
    std::ranges::stable_sort(errors_, {}, place);
    return std::move(errors_);
}

void field::fail(const std::string& message) const {
    file->fail(at, path.empty() ? message : shown(path) + ": " + message);
}

void field::refuse(std::string_view value, std::string_view why, std::string_view valid) const {
    refuse(value, std::string(why) + "; valid: " + std::string(valid));
}

void field::refuse(std::string_view value, std::string_view why) const {
    fail(in_quotes(value) + " " + std::string(why));
}

std::optional<std::string> field::scalar(std::string_view valid) const {
    if (!node.IsScalar()) {
        fail("here stands " + std::string(kind_of(node)) + "; valid: " + std::string(valid));
        return std::nullopt;
    }
    const auto text = expand_environment(node.Scalar());
    if (text) return *text;
    fail("the value " + text.why());
    return std::nullopt;
}

field field::below(const std::string& name, const YAML::Node& value, position key) const {
    field entry{file, path, value, value.IsNull() ? key : to_position(value.Mark())};
    if (!path.empty() && !name.starts_with('[')) entry.path += '/';
    entry.path += name;
    file->remember(entry.path, entry.at);
    return entry;
}

std::optional<std::map<std::string, field, std::less<>>> field::entries(std::string_view valid) const {
    std::map<std::string, field, std::less<>> found;
    if (node.IsNull()) return found;
    if (!node.IsMap()) {
        fail("here stands " + std::string(kind_of(node)) + "; valid: " + std::string(valid));
        return std::nullopt;
    }
    for (const auto& entry : node) {
        const auto& key = entry.first;
        const auto place = to_position(key.Mark());
        const std::string prefix = path.empty() ? "" : shown(path) + ": ";
        if (!key.IsScalar()) {
            file->fail(place,
                       prefix + "the name before the ':' is not a plain text; valid: " + std::string(valid));
        } else if (found.contains(key.Scalar())) {
            file->fail(place, prefix + in_quotes(key.Scalar()) + " stands here twice; remove one");
        } else {
            found.emplace(key.Scalar(), below(key.Scalar(), entry.second, place));
        }
    }
    return found;
}

std::optional<std::vector<field>> field::items(std::string_view valid) const {
    if (!node.IsSequence()) {
        fail("here stands " + std::string(kind_of(node)) + "; valid: " + std::string(valid));
        return std::nullopt;
    }
    std::vector<field> found;
    for (const auto& item : node)
        found.push_back(below("[" + std::to_string(found.size()) + "]", item, to_position(item.Mark())));
    return found;
}

std::optional<std::map<std::string, field, std::less<>>> field::entries_among(
    std::span<const std::string_view> names) const {
    auto found = entries("a section with " + join(names));
    if (!found) return found;
    for (const auto& entry : node) {
        const auto& key = entry.first;
        const auto known = [&](const std::string& name) {
            return std::ranges::find(names, name) != names.end();
        };
        if (!key.IsScalar() || known(key.Scalar())) continue;
        const auto meant = nearest(key.Scalar(), names);
        const auto hint = meant.empty() ? "" : " (did you mean '" + std::string(meant) + "'?)";
        const std::string prefix = path.empty() ? "" : shown(path) + ": ";
        file->fail(to_position(key.Mark()), prefix + "unknown option " + in_quotes(key.Scalar()) + hint +
                                                "; valid here: " + join(names));
    }
    return found;
}

}  // namespace weir
