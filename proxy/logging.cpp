#include "proxy/logging.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <array>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <cmath>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace weir {
namespace {

constexpr std::size_t max_value_bytes = 1'024;

struct log_output {
    std::shared_ptr<spdlog::logger> logger;
    log_format format = log_format::text;
};

spdlog::level::level_enum spdlog_level(log_level level) {
    switch (level) {
        case log_level::debug:
            return spdlog::level::debug;
        case log_level::info:
            return spdlog::level::info;
        case log_level::warning:
            return spdlog::level::warn;
        case log_level::error:
            return spdlog::level::err;
    }
    return spdlog::level::info;
}

log_output make_output(const log_options& options) {
    // %v is our own payload: the pattern only adds what spdlog knows, the time and the level.
    const char* pattern = options.format == log_format::json
                              ? R"({"ts":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v)"
                              : "%Y-%m-%dT%H:%M:%S.%eZ %l %v";
    auto logger = std::make_shared<spdlog::logger>("weir", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_pattern(pattern, spdlog::pattern_time_type::utc);
    logger->set_level(spdlog_level(options.level));
    return {std::move(logger), options.format};
}

log_output& output() {
    static log_output instance = make_output({});
    return instance;
}

void append_hex_escape(std::string& out, unsigned char byte) {
    static constexpr std::string_view digits = "0123456789abcdef";
    out += "\\x";
    out += digits[byte >> 4];
    out += digits[byte & 15];
}

/// How many bytes the UTF-8 sequence at the front has; 0 when it is none (overlong and surrogates included).
std::size_t utf8_sequence(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) return 1;
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
    }
    if (first == 0xe0 && byte(1) < 0xa0) return 0;
    if (first == 0xed && byte(1) > 0x9f) return 0;
    if (first == 0xf0 && byte(1) < 0x90) return 0;
    if (first == 0xf4 && byte(1) > 0x8f) return 0;
    return length;
}

std::string json_string(std::string_view text) {
    std::string valid;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = utf8_sequence(text.substr(at));
        if (length == 0) {
            append_hex_escape(valid, static_cast<unsigned char>(text[at++]));
            continue;
        }
        valid += text.substr(at, length);
        at += length;
    }
    return boost::json::serialize(boost::json::string_view(valid));
}

void append_text_escaped(std::string& out, std::string_view text, bool quoted) {
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\n') {
            out += "\\n";
        } else if (c == '\r') {
            out += "\\r";
        } else if (c == '\t') {
            out += "\\t";
        } else if (byte < 0x20 || byte >= 0x7f) {
            append_hex_escape(out, byte);
        } else {
            if (c == '\\' || (quoted && c == '"')) out += '\\';
            out += c;
        }
    }
}

bool plain_text(std::string_view text) {
    for (const char c : text) {
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\') return false;
    }
    return !text.empty();
}

std::string text_string(std::string_view text) {
    if (plain_text(text)) return std::string(text);
    std::string out = "\"";
    append_text_escaped(out, text, true);
    out += '"';
    return out;
}

std::string cut(std::string_view text) {
    if (text.size() <= max_value_bytes) return std::string(text);
    return std::string(text.substr(0, max_value_bytes)) + "...";
}

template <class Number>
std::string number(Number value) {
    std::array<char, 32> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    return {digits.data(), end};
}

std::string value_string(log_format format, const log_field::value_type& value) {
    const auto text = [format](std::string_view s) {
        return format == log_format::json ? json_string(cut(s)) : text_string(cut(s));
    };
    return std::visit(
        [&](auto v) -> std::string {
            using type = decltype(v);
            if constexpr (std::is_same_v<type, std::string_view>) {
                return text(v);
            } else if constexpr (std::is_same_v<type, bool>) {
                return v ? "true" : "false";
            } else if constexpr (std::is_same_v<type, double>) {
                // JSON has no word for these.
                return std::isfinite(v) ? number(v) : text(number(v));
            } else {
                return number(v);
            }
        },
        value);
}

}  // namespace

void init_logging(const log_options& options) {
    output() = make_output(options);
}

std::string log_payload(log_format format, std::string_view message, std::span<const log_field> fields) {
    std::string out;
    if (format == log_format::json) {
        out = "\"msg\":" + json_string(message);
        for (const log_field& field : fields) {
            out += ',' + json_string(field.key()) + ':' + value_string(format, field.value());
        }
        return out + '}';
    }
    append_text_escaped(out, message, false);
    for (const log_field& field : fields) {
        out += ' ';
        append_text_escaped(out, field.key(), false);
        out += '=' + value_string(format, field.value());
    }
    return out;
}

void write_log(log_level level, std::string_view message, std::span<const log_field> fields) {
    log_output& out = output();
    if (!out.logger->should_log(spdlog_level(level))) return;
    out.logger->log(spdlog_level(level), spdlog::string_view_t(log_payload(out.format, message, fields)));
}

bool log_limiter::allow(clock::time_point now) {
    if (now - window_start_ >= window_ || window_start_ == clock::time_point{}) {
        window_start_ = now;
        used_ = 0;
    }
    if (used_ < burst_) {
        ++used_;
        return true;
    }
    ++suppressed_;
    return false;
}

std::uint64_t log_limiter::take_suppressed() {
    return std::exchange(suppressed_, 0);
}

void write_log_limited(log_limiter& limiter, log_limiter::clock::time_point now, log_level level,
                       std::string_view message, std::initializer_list<log_field> fields) {
    if (!limiter.allow(now)) return;
    const std::uint64_t suppressed = limiter.take_suppressed();
    if (suppressed == 0) return write_log(level, message, fields);
    std::vector<log_field> more(fields);
    more.emplace_back("suppressed", suppressed);
    write_log(level, message, more);
}

}  // namespace weir
