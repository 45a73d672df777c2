#include "protocol/reply_writer.hpp"

#include <algorithm>
#include <string>

namespace weir {

void reply_writer::header(char type, std::size_t count) {
    if (out_.size() > max_bytes_) return;
    out_.append(std::string_view(&type, 1));
    out_.append(std::to_string(count));
    out_.append("\r\n");
}

void reply_writer::simple(std::string_view text) {
    out_.append("+");
    out_.append(text);
    out_.append("\r\n");
}

void reply_writer::error(std::string_view text) {
    std::string line(text);
    std::ranges::replace_if(line, [](char c) { return c == '\r' || c == '\n'; }, ' ');
    out_.append("-");
    out_.append(line);
    out_.append("\r\n");
}

void reply_writer::integer(std::int64_t value) {
    out_.append(":");
    out_.append(std::to_string(value));
    out_.append("\r\n");
}

void reply_writer::bulk(std::string_view bytes) {
    if (out_.size() > max_bytes_) return;
    header('$', bytes.size());
    out_.append(bytes);
    out_.append("\r\n");
}

void reply_writer::verbatim(std::string_view text) {
    if (version_ == resp_version::resp2) return bulk(text);
    header('=', text.size() + 4);
    out_.append("txt:");
    out_.append(text);
    out_.append("\r\n");
}

void reply_writer::null() { out_.append(version_ == resp_version::resp3 ? "_\r\n" : "$-1\r\n"); }

void reply_writer::null_array() { out_.append(version_ == resp_version::resp3 ? "_\r\n" : "*-1\r\n"); }

void reply_writer::number(std::string_view digits) {
    if (version_ == resp_version::resp2) return bulk(digits);
    out_.append(",");
    out_.append(digits);
    out_.append("\r\n");
}

void reply_writer::boolean(bool value) {
    if (version_ == resp_version::resp3) {
        out_.append(value ? "#t\r\n" : "#f\r\n");
    } else {
        integer(value ? 1 : 0);
    }
}

void reply_writer::array(std::size_t elements) { header('*', elements); }

void reply_writer::map(std::size_t pairs) {
    if (version_ == resp_version::resp3) {
        header('%', pairs);
    } else {
        header('*', pairs * 2);
    }
}

void reply_writer::set(std::size_t elements) { header(version_ == resp_version::resp3 ? '~' : '*', elements); }

void reply_writer::push(std::size_t elements) { header(version_ == resp_version::resp3 ? '>' : '*', elements); }

}  // namespace weir
