#include "policy/reply_rewriter.hpp"

#include <algorithm>

#include "protocol/ascii.hpp"

namespace weir {

namespace {

/// Header line with its line end.
std::string_view take_whole_line(std::string_view& piece) {
    const auto end = piece.find('\n') + 1;
    const std::string_view line = piece.substr(0, end);
    piece.remove_prefix(end);
    return line;
}

/// Whether what follows `text` in an error line may be a key. The texts that quote other names as well say which is which:
/// `-NOGROUP No such key 'k' or consumer group 'g' …`, `-NOGROUP No such consumer group 'g' for key name 'k'`.
bool quotes_key(std::string_view text) {
    return !text.starts_with("-NOGROUP") || text.ends_with("key '") || text.ends_with("key name '");
}

}  // namespace

bool reply_rewriter::feed(std::string_view piece, buffer& out) {
    while (!piece.empty()) {
        if (body_bytes_ > 0) {
            if (!take_body(piece, out)) return false;
        } else if (!take_line(take_whole_line(piece), out)) {
            return false;
        }
    }
    return true;
}

bool reply_rewriter::is_name() const {
    const std::size_t depth = frames_.size();
    if (depth == 0) return false;
    const frame& inner = frames_.back();
    switch (rule_) {
        case reply_rule::plain:
        case reply_rule::script: return false;
        case reply_rule::keys: return depth == 1;
        case reply_rule::scan: return depth == 2;
        case reply_rule::popped: return depth == 1 && inner.next == 0;
        case reply_rule::streams:
            if (depth == 1) return inner.is_map && inner.next % 2 == 0;
            return depth == 2 && !frames_.front().is_map && inner.next == 0;
        case reply_rule::pairs: return depth == 1 && inner.next % 2 == 0;
        case reply_rule::push_keys: return depth == 2;
        case reply_rule::interpreted: break;
    }
    return false;
}

void reply_rewriter::open(std::uint64_t elements, bool is_map) {
    if (elements == 0) return end_element();
    frames_.push_back({elements, 0, is_map});
}

void reply_rewriter::end_element() {
    while (!frames_.empty() && ++frames_.back().next == frames_.back().elements) frames_.pop_back();
}

bool reply_rewriter::take_line(std::string_view line, buffer& out) {
    const char type = line[0];
    const std::string_view text = line.substr(1, line.size() - 3);
    if (type == '-') {
        const std::string stripped = strip_prefix_from_error(line, prefix_);
        const bool renamed = rule_ == reply_rule::script && scripts_ != nullptr;
        out.append(renamed ? rename_script_in_error(stripped, *scripts_) : stripped);
        end_element();
        return true;
    }
    const bool push = type == '>' && rule_ == reply_rule::push_keys && frames_.empty();
    const bool aggregate = type == '*' || type == '%' || type == '~' || push;
    const bool bulk = type == '$' || type == '=' || type == '!';
    const auto length = aggregate || bulk ? parse_integer(text) : 0;
    // Streamed and attributed replies never answer the commands with such a rule; we could not follow them.
    if (!length || type == '|' || (type == '>' && !push) || type == ';' || type == '.') return false;
    // What is a name must be a bulk string that we check, or null.
    if (type != '$' && type != '_' && !(aggregate && *length < 0) && is_name()) return false;
    if (bulk && *length >= 0) {
        body_bytes_ = static_cast<std::uint64_t>(*length) + 2;
        in_name_ = type == '$' && is_name();
        if (!in_name_) {
            out.append(line);
            return true;
        }
        if (static_cast<std::size_t>(*length) < prefix_.size()) return false;
        name_start_.clear();
        name_header_ = "$" + std::to_string(static_cast<std::size_t>(*length) - prefix_.size()) + "\r\n";
        return true;
    }
    out.append(line);
    if (aggregate && *length >= 0) {
        open(static_cast<std::uint64_t>(*length) * (type == '%' ? 2 : 1), type == '%');
    } else {
        end_element();
    }
    return true;
}

bool reply_rewriter::take_body(std::string_view& piece, buffer& out) {
    if (in_name_) {
        const std::string_view start = piece.substr(0, prefix_.size() - name_start_.size());
        name_start_ += start;
        piece.remove_prefix(start.size());
        body_bytes_ -= start.size();
        if (name_start_.size() < prefix_.size()) return true;
        if (name_start_ != prefix_) return false;
        in_name_ = false;
        out.append(name_header_);
    }
    const std::string_view body = piece.substr(0, std::min<std::uint64_t>(body_bytes_, piece.size()));
    out.append(body);
    piece.remove_prefix(body.size());
    body_bytes_ -= body.size();
    if (body_bytes_ == 0) end_element();
    return true;
}

std::string rename_script_in_error(std::string_view line, script_names& scripts) {
    constexpr std::string_view mark = " script: ";
    constexpr std::size_t name_bytes = 40;
    std::string renamed(line);
    // What stands in front may be any text of the script's own.
    const std::size_t at = line.rfind(mark);
    if (at == std::string_view::npos) return renamed;
    const std::string_view rest = line.substr(at + mark.size());
    if (!rest.substr(std::min(name_bytes, rest.size())).starts_with(", on @")) return renamed;
    return renamed.replace(at + mark.size(), name_bytes, scripts.client_name(rest.substr(0, name_bytes)));
}

std::string strip_prefix_from_error(std::string_view line, std::string_view prefix) {
    if (prefix.empty()) return std::string(line);
    std::string stripped;
    for (;;) {
        const auto at = line.find(prefix);
        stripped += line.substr(0, at);
        if (at == std::string_view::npos) return stripped;
        line.remove_prefix(at + prefix.size());
        if (!quotes_key(stripped)) stripped += prefix;
        // A tenant's own key may begin with the same bytes: one prefix is ours, what follows it at once is the key.
        while (line.starts_with(prefix)) {
            stripped += prefix;
            line.remove_prefix(prefix.size());
        }
    }
}

}  // namespace weir
