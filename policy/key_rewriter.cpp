#include "policy/key_rewriter.hpp"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "policy/channels.hpp"
#include "protocol/ascii.hpp"
#include "protocol/command_keys.hpp"

namespace weir {

namespace {

/// A bulk string's header needs `$`, up to 20 digits and CRLF.
constexpr std::size_t max_header_bytes = 24;

class byte_writer {
public:
    explicit byte_writer(char* at) : at_(at) {}
    void put(std::string_view bytes) {
        if (bytes.empty()) return;  // memcpy takes no null pointer
        std::memcpy(at_, bytes.data(), bytes.size());
        at_ += bytes.size();
    }
    void put_header(char type, std::size_t length) {
        *at_++ = type;
        at_ = std::to_chars(at_, at_ + max_header_bytes, length).ptr;
        put("\r\n");
    }
    [[nodiscard]] const char* at() const { return at_; }

private:
    char* at_;
};

}  // namespace

std::string hashed_key(std::string_view key) {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
    constexpr std::string_view digits = "0123456789abcdef";
    std::string name = "sha256:";
    for (const unsigned char byte : digest) {
        name += digits[byte >> 4];
        name += digits[byte & 15];
    }
    return name;
}

std::string rewrite_key(std::string_view key, const tenant& owner) {
    std::string rewritten(owner.prefix());
    const long_key_options& rule = owner.long_keys();
    if (key.size() <= rule.over_bytes || rule.action == long_key_action::keep) return rewritten.append(key);
    return rule.action == long_key_action::refuse ? std::string{} : rewritten + hashed_key(key);
}

rewrite_status key_rewriter::rewrite(const arguments& request, const command_spec& command, const tenant& owner,
                                     buffer& out, script_names* scripts) {
    edits_.clear();
    scan_pattern_ = {};
    added_pattern_ = {};
    if (scripts != nullptr) find_script_edits(request, command, *scripts);
    if (command.request == request_rule::scan) {
        if (!find_scan_edits(request, owner)) return rewrite_status::syntax_error;
    } else {
        find_edits(request, command, owner);
        if (const auto status = apply_long_keys(request, owner.long_keys()); status != rewrite_status::ok) {
            return status;
        }
    }
    write(request, out);
    return rewrite_status::ok;
}

void key_rewriter::find_edits(const arguments& request, const command_spec& command, const tenant& owner) {
    positions_.clear();
    for (const key_spec& spec : command.keys()) {
        if (spec.locatable()) locate_keys(request, spec, positions_);
    }
    // One specification alone finds each argument once and in order; several may overlap (COPY, GEORADIUS).
    if (command.key_spec_count > 1) {
        std::ranges::sort(positions_);
        positions_.erase(std::unique(positions_.begin(), positions_.end()), positions_.end());
    }
    for (const std::uint32_t position : positions_) edits_.push_back({position, owner.prefix(), {}});
    switch (command.request) {
        case request_rule::sort: return find_sort_edits(request, owner);
        case request_rule::georadius: return find_store_edits(request, command, owner);
        case request_rule::channel: return find_channel_edits(request, owner);
        case request_rule::channel_list:
            edits_.clear();
            for (std::uint32_t i = 2; i < request.size(); ++i) edit_channel(i, request[i], owner);
            return;
        case request_rule::channel_pattern: return find_channel_pattern_edits(request, owner);
        case request_rule::keys_pattern: edits_.assign(1, {1, owner.prefix_pattern(), {}, false}); return;
        case request_rule::keys:
        case request_rule::scan:
        case request_rule::script:
        case request_rule::script_name: return;
    }
}

/// EVAL script numkeys …, EVALSHA name numkeys …, SCRIPT LOAD script, SCRIPT EXISTS name [name …]
void key_rewriter::find_script_edits(const arguments& request, const command_spec& command, script_names& scripts) {
    const bool is_subcommand = command.name.find('|') != std::string_view::npos;
    const std::uint32_t first = is_subcommand ? 2 : 1;
    if (command.request == request_rule::script) {
        const script_insertion prelude = scripts.take_script(request[first]);
        edits_.push_back({first, prelude.text, {}, false, prelude.offset});
    } else if (command.request == request_rule::script_name) {
        const std::size_t end = is_subcommand ? request.size() : first + 1;
        for (std::uint32_t i = first; i < end; ++i) edits_.push_back({i, {}, scripts.upstream_name(request[i]), false});
    }
}

void key_rewriter::find_sort_edits(const arguments& request, const tenant& owner) {
    edits_.assign(1, {1, owner.prefix(), {}});
    visit_sort_names(request, [&](sort_name kind, std::size_t at) {
        // `BY nosort` names no key, and the server looks for the very absence of a star; `GET #` is the element itself.
        if (kind == sort_name::by && request[at].find('*') == std::string_view::npos) return;
        if (kind == sort_name::get && request[at] == "#") return;
        edits_.push_back({static_cast<std::uint32_t>(at), owner.prefix(), {}, kind == sort_name::store});
    });
}

void key_rewriter::find_store_edits(const arguments& request, const command_spec& command, const tenant& owner) {
    edits_.assign(1, {1, owner.prefix(), {}});
    visit_georadius_stores(request, command, [&](std::size_t at) {
        edits_.push_back({static_cast<std::uint32_t>(at), owner.prefix(), {}});
    });
}

/// PUBLISH channel message
void key_rewriter::find_channel_edits(const arguments& request, const tenant& owner) {
    edits_.clear();
    edit_channel(1, request[1], owner);
    if (is_key_event(request[1])) edits_.push_back({2, owner.prefix(), {}, false});
}

void key_rewriter::edit_channel(std::uint32_t position, std::string_view channel, const tenant& owner) {
    if (channel.starts_with("__")) {
        edits_.push_back({position, {}, upstream_channel(channel, owner), false});
    } else {
        edits_.push_back({position, owner.prefix(), {}, false});
    }
}

/// PUBSUB CHANNELS [pattern]
void key_rewriter::find_channel_pattern_edits(const arguments& request, const tenant& owner) {
    edits_.clear();
    if (request.size() > 2) {
        edits_.push_back({2, owner.prefix_pattern(), {}, false});
    } else {
        added_pattern_ = owner.prefix_pattern();
    }
}

/// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]. Of several MATCH the server takes the last, so ours goes in
/// front and theirs are confined; an option we do not know could hide a MATCH from us.
bool key_rewriter::find_scan_edits(const arguments& request, const tenant& owner) {
    bool has_match = false;
    for (std::size_t i = 2; i < request.size(); i += 2) {
        const bool match = equals_ignoring_case(request[i], "match");
        if (!match && !equals_ignoring_case(request[i], "count") && !equals_ignoring_case(request[i], "type")) {
            return false;
        }
        if (i + 1 == request.size()) return false;
        if (match) edits_.push_back({static_cast<std::uint32_t>(i + 1), owner.prefix_pattern(), {}, false});
        has_match = has_match || match;
    }
    if (!has_match) scan_pattern_ = owner.prefix_pattern();
    return true;
}

rewrite_status key_rewriter::apply_long_keys(const arguments& request, const long_key_options& rule) {
    if (rule.action == long_key_action::keep) return rewrite_status::ok;
    for (edit& change : edits_) {
        const std::string_view key = request[change.position];
        if (!change.is_key || key.size() <= rule.over_bytes) continue;
        if (rule.action == long_key_action::refuse) return rewrite_status::key_too_long;
        change.replacement = hashed_key(key);
    }
    return rewrite_status::ok;
}

void key_rewriter::write(const arguments& request, buffer& out) const {
    const std::string_view raw = request.raw();
    std::size_t bound = raw.size() + scan_pattern_.size() + added_pattern_.size() + 3 * max_header_bytes;
    for (const edit& change : edits_) bound += change.insert.size() + change.replacement.size() + max_header_bytes;
    char* const start = out.prepare(bound);
    byte_writer to(start);
    std::size_t copied = 0;
    for (const edit& change : edits_) {
        const std::string_view argument = request[change.position];
        const std::size_t header_at = request.header_offset(change.position);
        to.put(raw.substr(copied, header_at - copied));
        const std::string_view rest = change.replacement.empty() ? argument : change.replacement;
        to.put_header('$', change.insert.size() + rest.size());
        to.put(argument.substr(0, change.offset));
        to.put(change.insert);
        copied = request.offset(change.position) + change.offset;
        if (!change.replacement.empty()) {
            to.put(rest);
            copied += argument.size();
        }
    }
    if (!scan_pattern_.empty()) {
        // No other edit then: a count of two more, and `MATCH pattern` behind the cursor.
        to.put_header('*', request.size() + 2);
        const std::size_t behind_cursor = request.offset(1) + request[1].size() + 2;
        const std::size_t name_at = request.header_offset(0);
        to.put(raw.substr(name_at, behind_cursor - name_at));
        to.put("$5\r\nMATCH\r\n");
        to.put_header('$', scan_pattern_.size() + 1);
        to.put(scan_pattern_);
        to.put("*\r\n");
        copied = behind_cursor;
    }
    if (!added_pattern_.empty()) {
        to.put_header('*', request.size() + 1);
        copied = request.header_offset(0);
    }
    to.put(raw.substr(copied));
    if (!added_pattern_.empty()) {
        to.put_header('$', added_pattern_.size() + 1);
        to.put(added_pattern_);
        to.put("*\r\n");
    }
    out.commit(static_cast<std::size_t>(to.at() - start));
}

}  // namespace weir
