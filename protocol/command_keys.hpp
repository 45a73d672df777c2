#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "protocol/arguments.hpp"
#include "protocol/ascii.hpp"
#include "protocol/command_table.hpp"

namespace weir {

/// Positions `first`, `first + step`, … below `end`, all of them within the request.
struct key_range {
    std::size_t first = 0;
    std::size_t end = 0;
    std::size_t step = 1;
};

/// The arguments that `spec` calls keys; two specifications may name one argument twice. Counts are taken from the wire,
/// so they may lie: where `numkeys` is no number, or claims more keys than there are arguments, *every* argument behind
/// it counts as a key. The server will answer such a command with its own error whatever the arguments are, and nothing
/// it could touch lies outside.
[[nodiscard]] key_range find_keys(const arguments& request, const key_spec& spec);

/// Appends their positions.
void locate_keys(const arguments& request, const key_spec& spec, std::vector<std::uint32_t>& positions);

enum class sort_name : std::uint8_t { by, get, store };

/// SORT key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC|DESC] [ALPHA] [STORE destination]: calls
/// visit(sort_name, position) for each argument that names keys, the first one apart. So may `BY nosort` and `GET #`.
template <class Visit>
void visit_sort_names(const arguments& request, Visit visit) {
    for (std::size_t i = 2; i + 1 < request.size(); ++i) {
        if (is_option(request[i], "limit")) {
            i += 2;
        } else if (is_option(request[i], "by")) {
            visit(sort_name::by, ++i);
        } else if (is_option(request[i], "get")) {
            visit(sort_name::get, ++i);
        } else if (is_option(request[i], "store")) {
            visit(sort_name::store, ++i);
        }
    }
}

/// GEORADIUS key longitude latitude radius unit […] [COUNT n [ANY]] [STORE key] [STOREDIST key], or BYMEMBER with one
/// argument for the coordinates: calls visit(position) for each key behind STORE and STOREDIST. The key specification
/// finds the first of each, the server takes the last.
template <class Visit>
void visit_georadius_stores(const arguments& request, const command_spec& command, Visit visit) {
    for (std::size_t i = command.name == "georadius" ? 6 : 5; i + 1 < request.size(); ++i) {
        if (is_option(request[i], "count")) {
            ++i;
        } else if (is_option(request[i], "store") || is_option(request[i], "storedist")) {
            visit(++i);
        }
    }
}

/// Whether the positions depend on the number of arguments alone, not on their content.
[[nodiscard]] bool has_positional_keys(const command_spec& spec);

/// For a command with positional keys: whether argument `position` of `count` is one.
[[nodiscard]] bool is_positional_key(const command_spec& spec, std::size_t position, std::size_t count);

/// Whether this XREAD or XREADGROUP asks to wait (BLOCK among its options).
[[nodiscard]] bool reads_stream_blocking(const arguments& request);

}  // namespace weir
