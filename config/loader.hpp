#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/options.hpp"

namespace weir {

/// One thing wrong with a configuration. Lines and columns count from 1; line 0 is about the file as a whole.
struct config_error {
    std::string file;
    std::size_t line = 0;
    std::size_t column = 0;
    std::string message;  ///< names the option, what is wrong with it and what would be valid

    /// `file:line:column: message`, or `file: message`.
    [[nodiscard]] std::string to_string() const;
    bool operator==(const config_error&) const = default;
};

/// The options, or everything that is wrong in the order of the file: never both, never neither.
struct [[nodiscard]] load_result {
    std::optional<options> loaded;
    std::vector<config_error> errors;

    explicit operator bool() const { return loaded.has_value(); }
};

/// Reads, checks and completes a configuration, secrets included. Nothing outside of the files it names and
/// the environment is touched: no name is looked up and no port is tried.
load_result load_config(const std::filesystem::path& file);

/// The same for a text; `name` stands for the file in errors.
load_result load_config_text(const std::string& text, const std::string& name);

}  // namespace weir
