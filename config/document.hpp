#pragma once

#include <yaml-cpp/yaml.h>

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/loader.hpp"
#include "config/parsed.hpp"

namespace weir {

/// Counted from 1; zeroes: not at a place of the file.
struct position {
    std::size_t line = 0;
    std::size_t column = 0;
};

[[nodiscard]] position to_position(const YAML::Mark& mark);

/// One configuration while it is read: collects what is wrong, and remembers where each option stood, so that
/// checks across options can point at them when the YAML is long forgotten.
///
/// Paths join names with '/' ("tenants/acme/prefix", "listeners[0]/bind"), as tenants' names may hold dots;
/// shown() makes them what people write.
class document {
public:
    explicit document(std::string name) : name_(std::move(name)) {}

    void fail(position at, std::string message);
    /// At the option, or at the nearest section around it that the file has.
    void fail(const std::string& path, const std::string& message);
    void remember(const std::string& path, position at) { positions_[path] = at; }
    [[nodiscard]] bool has(const std::string& path) const { return positions_.contains(path); }
    /// In the order of the file. Ends the use of this object.
    [[nodiscard]] std::vector<config_error> take_errors();

private:
    std::string name_;
    std::map<std::string, position> positions_;
    std::vector<config_error> errors_;
};

[[nodiscard]] std::string shown(std::string_view path);

/// One value in the file and what it is called. Cheap to copy; lives no longer than its document.
struct field {
    document* file = nullptr;
    std::string path;
    YAML::Node node;
    position at;  ///< of the value, or of its key when there is no value

    void fail(const std::string& message) const;
    /// "'12KB' has an unknown unit; valid: ...", long and unprintable values made fit to be shown.
    void refuse(std::string_view value, std::string_view why, std::string_view valid) const;
    /// The same for a `why` that says what would be valid.
    void refuse(std::string_view value, std::string_view why) const;
    /// The text with the environment filled in; nothing, and an error, when it is a list, a section or
    /// missing.
    [[nodiscard]] std::optional<std::string> scalar(std::string_view valid) const;
    /// What stands below a section, by name. A name that stands there twice, or is no plain text, is an
    /// error. An empty section is one in which nothing is set.
    [[nodiscard]] std::optional<std::map<std::string, field, std::less<>>> entries(
        std::string_view valid) const;
    /// What stands in a list.
    [[nodiscard]] std::optional<std::vector<field>> items(std::string_view valid) const;
    /// As entries(), and a name that is not among `names` is an error.
    [[nodiscard]] std::optional<std::map<std::string, field, std::less<>>> entries_among(
        std::span<const std::string_view> names) const;

private:
    [[nodiscard]] field below(const std::string& name, const YAML::Node& value, position key) const;
};

}  // namespace weir
