#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "config/document.hpp"
#include "config/schema.hpp"
#include "config/values.hpp"

namespace weir {

/// One option of a Struct: all that is known of it, in one row.
template <typename Struct>
struct option_row {
    std::string_view name;
    std::function<void(const field&, Struct&)> read;
    /// Appends itself, or what is below it, under `path`.
    std::function<void(const std::string& path, std::vector<option_summary>&)> describe;
    bool required = false;
};

/// The options that stand together; read in this order, whatever order the file has.
template <typename Struct>
using section = std::vector<option_row<Struct>>;

template <typename Struct>
void read_section(const field& from, const section<Struct>& rows, Struct& into) {
    std::vector<std::string_view> names;
    for (const auto& row : rows) names.push_back(row.name);
    const auto entries = from.entries_among(names);
    if (!entries) return;
    for (const auto& row : rows) {
        if (const auto entry = entries->find(row.name); entry != entries->end())
            row.read(entry->second, into);
        else if (row.required)
            from.fail("'" + std::string(row.name) + "' is missing");
    }
}

template <typename Struct>
void describe_section(const std::string& path, const section<Struct>& rows,
                      std::vector<option_summary>& into) {
    for (const auto& row : rows)
        row.describe(path.empty() ? std::string(row.name) : path + "." + std::string(row.name), into);
}

/// Reads one value of a kind; `take` gets it when it is valid.
template <typename T, typename Take>
void read_value(const field& from, const value_kind<T>& kind, Take take) {
    const auto written = from.scalar(kind.valid);
    if (!written) return;
    if (auto value = kind.parse(*written))
        take(*value);
    else
        from.refuse(*written, value.why(), kind.valid);
}

/// A single value that goes into one member. A Member that is an optional of the value has no default to
/// show.
template <typename Struct, typename Member, typename T>
option_row<Struct> leaf(std::string_view name, Member Struct::*member, value_kind<T> kind,
                        std::string_view help) {
    const auto read = [member, kind](const field& from, Struct& into) {
        read_value(from, kind, [&](const T& value) { into.*member = value; });
    };
    const auto describe = [=](const std::string& path, std::vector<option_summary>& into) {
        std::string standard;
        if constexpr (std::is_same_v<Member, T>) standard = kind.show(Struct{}.*member);
        into.push_back({path, kind.valid, standard, std::string(help)});
    };
    return {name, read, describe};
}

/// A list of single values, not empty. `standard` says in words what holds without it.
template <typename Struct, typename T>
option_row<Struct> list_of(std::string_view name, std::vector<T> Struct::*member, value_kind<T> kind,
                           std::string_view standard, std::string_view help) {
    const auto valid = "a list, each of it " + kind.valid;
    const auto read = [member, kind, valid](const field& from, Struct& into) {
        const auto items = from.items(valid);
        if (!items) return;
        if (items->empty()) return from.fail("the list is empty; valid: " + valid);
        for (const auto& item : *items)
            read_value(item, kind, [&](const T& value) { (into.*member).push_back(value); });
    };
    const auto describe = [=](const std::string& path, std::vector<option_summary>& into) {
        into.push_back({path, valid, std::string(standard), std::string(help)});
    };
    return {name, read, describe};
}

/// A section of its own that fills one member.
template <typename Struct, typename Member>
option_row<Struct> group(std::string_view name, Member Struct::*member, section<Member> rows) {
    const auto read = [member, rows](const field& from, Struct& into) {
        read_section(from, rows, into.*member);
    };
    const auto describe = [rows](const std::string& path, std::vector<option_summary>& into) {
        describe_section(path, rows, into);
    };
    return {name, read, describe};
}

/// A row that is not needed becomes one that is.
template <typename Struct>
[[nodiscard]] option_row<Struct> required(option_row<Struct> row) {
    row.required = true;
    return row;
}

}  // namespace weir
