#pragma once

#include <string>
#include <string_view>

namespace weir::pg {

/// What went wrong. Its text holds no values and no secrets, so that it may be logged and shown.
struct error {
    enum class kind : unsigned char {
        connect,    ///< no connection came about
        lost,       ///< the connection broke: what was under way may have been done or not
        timeout,    ///< of ours; the connection is closed, so the same holds
        statement,  ///< the server refused a statement, and the connection is good
        busy,       ///< no connection became free within the time-out, or the breaker is open
    };
    kind what = kind::statement;
    std::string sqlstate;  ///< empty where the server said none
    std::string text;

    /// Another transaction was in the way; the same again may do.
    [[nodiscard]] bool is_conflict() const { return sqlstate == "40P01" || sqlstate == "40001"; }
};

[[nodiscard]] constexpr std::string_view to_string(error::kind what) {
    switch (what) {
        case error::kind::connect: return "connect";
        case error::kind::lost: return "lost";
        case error::kind::timeout: return "timeout";
        case error::kind::statement: return "statement";
        case error::kind::busy: return "busy";
    }
    return "";
}

}  // namespace weir::pg
