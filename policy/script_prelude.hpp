#pragma once

#include <string>
#include <string_view>

#include "policy/script_names.hpp"

namespace weir {

/// Lua in front of every script of a tenant, by which the script sees the names its author wrote, as on a
/// server of its own: KEYS without the prefix, and a table `redis` (and `server`, where Valkey has that)
/// whose call() and pcall() put the prefix in front of keys and channels and take it off the names in
/// replies. Names built inside of the script, such as `prefix .. job_id`, work therefore, and `return
/// KEYS[1]` shows what the client sent.
///
/// It is a convenience and never a protection: the script runs as a user whom the server confines to the
/// tenant's names. What passes by the prelude (`_G.redis.call`, code made by load(), redis.acl_check_cmd)
/// meets that confinement with names that lack the prefix, and is refused.
///
///     #!lua flags=no-writes                                            (only if the script begins so)
///     local redis=(function() … end)(); <the script's first line>
///     <the rest of the script>
///
/// All of it stands on the first line, so that the lines in errors stay the author's. An error of a
/// redis.call() that is part of a `return` is the exception: Lua keeps no trace of the line, and the first is
/// named.
class script_prelude {
public:
    explicit script_prelude(std::string_view prefix);

    /// What to insert where; valid as long as this.
    [[nodiscard]] script_insertion insertion(std::string_view body) const;

private:
    [[nodiscard]] std::string_view text_for(std::string_view script, bool below_shebang) const;

    std::string first_line_;
    std::string second_line_;  ///< behind a line `#!lua …`
    std::string first_line_with_server_;
    std::string second_line_with_server_;
};

/// The commands whose keys are not just their first argument, behind each group the places of their keys, as
/// ` DEL EXISTS … =r191 MSET MSETNX =r192 … `; from the built-in command table. Places count from 1:
/// - `rFLS`: from F to L (8: all but the last argument, 9: all), every Sth
/// - `nF`: F says how many keys follow it; `kF`: and 1 is a key too
/// - `sF`: the first half behind the word STREAMS, looked for from F
/// - `oF`: 1, and what stands behind BY, GET, STORE and STOREDIST, looked for from F
/// filled up with zeros to four letters; a `p` as the fifth: the reply begins with one of the keys.
[[nodiscard]] std::string script_key_places();

}  // namespace weir
