#pragma once

#include <string>
#include <string_view>

namespace weir {

/// `text` as a pattern that Redis' glob matcher (util.c, stringmatchlen) matches with `text` alone.
[[nodiscard]] std::string escape_glob(std::string_view text);

/// Whether the server would say that `text` matches, its oddities included: classes that are not closed, ranges the
/// wrong way round, a `*` that does not match the empty text. Takes pattern.size() * text.size() steps at most.
[[nodiscard]] bool glob_match(std::string_view pattern, std::string_view text);

/// What every text that `pattern` matches begins with, as far as it is plain to see.
[[nodiscard]] std::string_view glob_literal(std::string_view pattern);

}  // namespace weir
