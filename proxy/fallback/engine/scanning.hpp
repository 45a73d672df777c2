#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/glob.hpp"
#include "proxy/fallback/engine/call.hpp"

namespace weir::engine {

/// What SCAN, HSCAN, SSCAN and ZSCAN have in common (db.c, scanGenericCommand).
struct scan_options {
    std::uint64_t count = 10;
    std::optional<std::string_view> pattern;
    std::optional<std::string_view> type;

    [[nodiscard]] bool matches(std::string_view name) const { return !pattern || glob_match(*pattern, name); }
};

/// nullopt: the error is written.
[[nodiscard]] std::optional<std::uint64_t> read_cursor(const call& c, std::size_t argument);
[[nodiscard]] std::optional<scan_options> read_scan_options(const call& c, std::size_t first, bool with_type);

/// One page of a collection's places: those from `begin` up to, but not, `end`; then on with `next`, 0 at the end.
struct place_page {
    std::size_t begin;
    std::size_t end;
    std::uint64_t next;
};

/// From the last place to the first, so that an erased element, whose place the last one takes, hides none. A small
/// collection is shown whole, as Redis does.
[[nodiscard]] place_page page_of(std::size_t size, bool small, std::uint64_t cursor, std::uint64_t count);

/// `elements` are names, or names each with its value.
void write_page(const call& c, std::uint64_t next, const std::vector<std::string>& elements);

}  // namespace weir::engine
