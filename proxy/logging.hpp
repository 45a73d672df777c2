#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "config/options.hpp"

namespace weir {

/// One `key=value` of a log line. Holds views: it lives no longer than the log call it is written in.
class log_field {
public:
    using value_type = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;

    log_field(std::string_view key, std::string_view value) : key_(key), value_(value) {}
    log_field(std::string_view key, const std::string& value) : key_(key), value_(std::string_view(value)) {}
    log_field(std::string_view key, const char* value) : key_(key), value_(std::string_view(value)) {}
    log_field(std::string_view key, double value) : key_(key), value_(value) {}
    log_field(std::string_view key, bool value) : key_(key), value_(value) {}
    template <std::signed_integral Integer>
    log_field(std::string_view key, Integer value) : key_(key), value_(std::int64_t{value}) {}
    template <std::unsigned_integral Integer>
    log_field(std::string_view key, Integer value) : key_(key), value_(std::uint64_t{value}) {}

    [[nodiscard]] std::string_view key() const { return key_; }
    [[nodiscard]] const value_type& value() const { return value_; }

private:
    std::string_view key_;
    value_type value_;
};

/// Where and how lines go: standard error, text (`TIME level msg key=value …`) or one JSON object a line.
/// Call it before the threads start; without it lines are text of level info and above. Logging itself is
/// thread-safe.
void init_logging(const log_options& options);

/// Values may be anything a client sent: control bytes, quotes and broken UTF-8 are escaped and long values
/// are cut, so that one call is always one line.
void write_log(log_level level, std::string_view message, std::span<const log_field> fields);

inline void log_debug(std::string_view message, std::initializer_list<log_field> fields = {}) {
    write_log(log_level::debug, message, fields);
}
inline void log_info(std::string_view message, std::initializer_list<log_field> fields = {}) {
    write_log(log_level::info, message, fields);
}
inline void log_warning(std::string_view message, std::initializer_list<log_field> fields = {}) {
    write_log(log_level::warning, message, fields);
}
inline void log_error(std::string_view message, std::initializer_list<log_field> fields = {}) {
    write_log(log_level::error, message, fields);
}

/// What stands after the level in a text line, and after `"level":…,` in a JSON line (its closing brace
/// included).
[[nodiscard]] std::string log_payload(log_format format, std::string_view message,
                                      std::span<const log_field> fields);

/// Lets at most `burst` lines through in each `window`, and counts the rest. For lines that clients can
/// cause. Not thread-safe: each worker has its own.
class log_limiter {
public:
    using clock = std::chrono::steady_clock;

    explicit log_limiter(std::size_t burst = 10, clock::duration window = std::chrono::seconds{1})
        : window_(window), burst_(burst) {}

    [[nodiscard]] bool allow(clock::time_point now);
    /// How many were held back since the last call.
    [[nodiscard]] std::uint64_t take_suppressed();

private:
    clock::duration window_;
    clock::time_point window_start_{};
    std::size_t burst_;
    std::size_t used_ = 0;
    std::uint64_t suppressed_ = 0;
};

/// As `write_log`, if the limiter lets it; a line that follows held-back ones says how many (`suppressed=N`).
void write_log_limited(log_limiter& limiter, log_limiter::clock::time_point now, log_level level,
                       std::string_view message, std::initializer_list<log_field> fields = {});

}  // namespace weir
