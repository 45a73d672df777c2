#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/fallback/postgres/pg_connection.hpp"

namespace weir::pg {

/// The tables that weir keeps in a database, and how they become what this version needs. Several processes may do it at
/// once: an advisory lock lets one at a time.
///
///     version  1  entries, journal, journal_size, replay, dead_letters, incarnation; views entries_shown, journal_shown
///
/// A later version is a list of statements more. What is newer than this process is left alone, and refused.
class schema {
public:
    static constexpr int version = 1;

    /// `name` is one that is_name() takes.
    explicit schema(std::string name = "weir") : name_(std::move(name)) {}

    /// Lower-case letters, digits and underlines, as an operator writes it without quotes.
    [[nodiscard]] static bool is_name(std::string_view text);
    [[nodiscard]] const std::string& name() const { return name_; }
    /// `{schema}` replaced by the name.
    [[nodiscard]] std::string in(std::string_view sql) const;

    /// Checks, creates and migrates; nullopt: the tables are there, and this role may use them.
    [[nodiscard]] boost::asio::awaitable<std::optional<error>> prepare(connection& on) const;

private:
    [[nodiscard]] boost::asio::awaitable<std::optional<error>> migrate(connection& on) const;
    [[nodiscard]] boost::asio::awaitable<std::optional<error>> check_rights(connection& on) const;
    [[nodiscard]] std::optional<error> judge(std::int64_t found) const;

    std::string name_;
};

}  // namespace weir::pg
