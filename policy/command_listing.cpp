#include "policy/command_listing.hpp"

#include <algorithm>

#include "protocol/ascii.hpp"
#include "protocol/errors.hpp"

namespace weir {

namespace {

/// No element of a reply is shorter: `_\r\n`.
constexpr std::size_t min_element_bytes = 3;
/// Where an element of COMMAND has its subcommands (Redis 7 and later).
constexpr std::size_t subcommands_at = 9;
/// Commands have subcommands, and those have none.
constexpr int max_depth = 2;

struct element {
    char type = 0;
    std::size_t count = 0;  ///< elements in it that follow; a map's keys and values count one each
    std::string_view text;  ///< of a string, simple or bulk
    bool null = false;

    [[nodiscard]] bool is_text() const { return !null && (type == '$' || type == '+'); }
    [[nodiscard]] bool is_list() const { return !null && (type == '*' || type == '~'); }
    /// A map, or what RESP2 has for one.
    [[nodiscard]] bool is_map() const { return !null && (type == '%' || type == '*') && count % 2 == 0; }
};

/// Goes through a whole reply element by element. A count is believed only as far as the bytes reach, so no
/// loop is longer than the reply.
class element_reader {
public:
    explicit element_reader(std::string_view bytes) : bytes_(bytes) {}

    [[nodiscard]] std::size_t at() const { return at_; }
    [[nodiscard]] bool at_end() const { return at_ == bytes_.size(); }
    [[nodiscard]] std::string_view since(std::size_t start) const {
        return bytes_.substr(start, at_ - start);
    }

    /// The next element without those in it; nullopt for what is no RESP, or none that a listing has.
    [[nodiscard]] std::optional<element> read() {
        const std::string_view line = take_line();
        if (line.empty()) return std::nullopt;
        element found{line[0], 0, line.substr(1), false};
        switch (found.type) {
            case '+':
            case ':':
            case '#':
            case ',':
            case '(':
                return found;
            case '_':
                found.null = true;
                return found;
            case '$':
            case '=':
                return read_body(found);
            case '*':
            case '~':
            case '%':
                return read_count(found);
            default:
                return std::nullopt;
        }
    }

    /// Passes over whole elements.
    [[nodiscard]] bool skip(std::size_t elements) {
        for (; elements > 0; --elements) {
            const auto passed = read();
            if (!passed) return false;
            elements += passed->count;
        }
        return true;
    }

private:
    [[nodiscard]] std::string_view take_line() {
        const auto end = bytes_.find("\r\n", at_);
        if (end == std::string_view::npos) return {};
        const std::string_view line = bytes_.substr(at_, end - at_);
        at_ = end + 2;
        return line;
    }

    [[nodiscard]] std::optional<element> read_body(element found) {
        const auto length = parse_integer(found.text);
        found.null = length == -1;
        if (found.null) return found;
        const std::size_t left = bytes_.size() - at_;
        if (!length || *length < 0 || left < 2 || static_cast<std::size_t>(*length) > left - 2)
            return std::nullopt;
        found.text = bytes_.substr(at_, static_cast<std::size_t>(*length));
        at_ += found.text.size();
        if (bytes_.substr(at_, 2) != "\r\n") return std::nullopt;
        at_ += 2;
        return found;
    }

    [[nodiscard]] std::optional<element> read_count(element found) {
        const auto count = parse_integer(found.text);
        found.null = count == -1;
        if (found.null) return found;
        const std::size_t most = (bytes_.size() - at_) / min_element_bytes;
        if (!count || *count < 0 || static_cast<std::size_t>(*count) > most) return std::nullopt;
        found.count = static_cast<std::size_t>(*count) * (found.type == '%' ? 2 : 1);
        return found;
    }

    std::string_view bytes_;
    std::size_t at_ = 0;
};

std::string header(char type, std::size_t count) {
    return type + std::to_string(count) + "\r\n";
}

/// Goes through one reply and keeps what may be shown. Every function reads one element, appends what remains
/// of it to `out`, and returns false when it is not what a listing has there.
class listing_filter {
public:
    listing_filter(std::string_view reply, resp_version version, const command_table& table)
        : reader_(reply), null_(version == resp_version::resp3 ? "_\r\n" : "$-1\r\n"), table_(table) {}

    [[nodiscard]] bool take(command_listing kind, std::string& out) {
        const bool taken = take_kind(kind, out);
        return taken && reader_.at_end();
    }

private:
    [[nodiscard]] bool take_kind(command_listing kind, std::string& out) {
        switch (kind) {
            case command_listing::all:
                return take_commands(false, 1, out);
            case command_listing::asked:
                return take_commands(true, 1, out);
            case command_listing::names:
                return take_names(out);
            case command_listing::docs:
                return take_docs(1, out);
        }
        return false;
    }

    [[nodiscard]] bool take_commands(bool keep_places, int depth, std::string& out) {
        const auto list = reader_.read();
        if (!list || !list->is_list() || (depth > max_depth && list->count > 0)) return false;
        std::string kept;
        std::size_t count = 0;
        for (std::size_t i = 0; i < list->count; ++i) {
            const std::size_t size_before = kept.size();
            if (!take_command(depth, kept)) return false;
            const bool hidden = kept.size() == size_before;
            if (hidden && keep_places) kept += null_;
            if (!hidden || keep_places) ++count;
        }
        out += header(list->type, count) + kept;
        return true;
    }

    /// Appends nothing when it is hidden, or null.
    [[nodiscard]] bool take_command(int depth, std::string& out) {
        const std::size_t start = reader_.at();
        const auto command = reader_.read();
        if (!command) return false;
        if (command->null) return true;
        if (!command->is_list() || command->count == 0) return false;
        const auto name = reader_.read();
        if (!name || !name->is_text()) return false;
        if (!is_listed(table_, name->text)) return reader_.skip(command->count - 1);
        if (command->count <= subcommands_at) {
            if (!reader_.skip(command->count - 1)) return false;
            out += reader_.since(start);
            return true;
        }
        if (!reader_.skip(subcommands_at - 1)) return false;
        out += reader_.since(start);
        if (!take_commands(false, depth + 1, out)) return false;
        const std::size_t behind = reader_.at();
        if (!reader_.skip(command->count - subcommands_at - 1)) return false;
        out += reader_.since(behind);
        return true;
    }

    [[nodiscard]] bool take_names(std::string& out) {
        const auto list = reader_.read();
        if (!list || !list->is_list()) return false;
        std::string kept;
        std::size_t count = 0;
        for (std::size_t i = 0; i < list->count; ++i) {
            const std::size_t start = reader_.at();
            const auto name = reader_.read();
            if (!name || !name->is_text()) return false;
            if (!is_listed(table_, name->text)) continue;
            kept += reader_.since(start);
            ++count;
        }
        out += header(list->type, count) + kept;
        return true;
    }

    /// Names and what is told of each.
    [[nodiscard]] bool take_docs(int depth, std::string& out) {
        const auto docs = reader_.read();
        if (!docs || !docs->is_map() || (depth > max_depth && docs->count > 0)) return false;
        std::string kept;
        std::size_t pairs = 0;
        for (std::size_t i = 0; i < docs->count; i += 2) {
            const std::size_t start = reader_.at();
            const auto name = reader_.read();
            if (!name || !name->is_text()) return false;
            if (!is_listed(table_, name->text)) {
                if (!reader_.skip(1)) return false;
                continue;
            }
            kept += reader_.since(start);
            if (!take_doc(depth, kept)) return false;
            ++pairs;
        }
        out += header(docs->type, docs->type == '%' ? pairs : pairs * 2) + kept;
        return true;
    }

    [[nodiscard]] bool take_doc(int depth, std::string& out) {
        const std::size_t start = reader_.at();
        const auto fields = reader_.read();
        if (!fields || !fields->is_map()) return false;
        out += reader_.since(start);
        for (std::size_t i = 0; i < fields->count; i += 2) {
            const std::size_t pair = reader_.at();
            const auto field = reader_.read();
            if (!field || !field->is_text()) return false;
            const bool subcommands = field->text == "subcommands";
            if (!subcommands && !reader_.skip(1)) return false;
            out += reader_.since(pair);
            if (subcommands && !take_docs(depth + 1, out)) return false;
        }
        return true;
    }

    element_reader reader_;
    std::string_view null_;
    const command_table& table_;
};

bool is_usable(const command_spec& command) {
    return command.route == command_route::forward || command.route == command_route::local ||
           command.route == command_route::emulate;
}

}  // namespace

std::optional<command_listing> listing_of(const command_spec& command, std::size_t arguments) {
    if (command.name == "command") return command_listing::all;
    if (command.name == "command|info") return arguments > 2 ? command_listing::asked : command_listing::all;
    if (command.name == "command|list") return command_listing::names;
    if (command.name == "command|docs") return command_listing::docs;
    return std::nullopt;
}

bool is_listed(const command_table& table, std::string_view name) {
    const command_spec* command = table.find_row(name);
    if (command == nullptr) return false;
    if (is_usable(*command)) return true;
    return command->container && std::ranges::any_of(table.rows(), [&](const command_spec* row) {
               return row->name.size() > command->name.size() && row->name.starts_with(command->name) &&
                      row->name[command->name.size()] == '|' && is_usable(*row);
           });
}

std::size_t count_listed(const command_table& table) {
    return static_cast<std::size_t>(std::ranges::count_if(table.rows(), [&](const command_spec* row) {
        return row->name.find('|') == std::string_view::npos && is_listed(table, row->name);
    }));
}

bool filter_listing(std::string_view reply, command_listing kind, resp_version version,
                    const command_table& table, buffer& out) {
    if (reply.starts_with('-') || reply.starts_with('!')) {
        out.append(reply);
        return true;
    }
    std::string kept;
    if (!listing_filter(reply, version, table).take(kind, kept)) return false;
    out.append(kept);
    return true;
}

bool command_listing_reply::feed(std::string_view piece, bool complete, buffer& out) {
    too_long_ = too_long_ || piece.size() > max_bytes - collected_.size();
    if (too_long_) {
        collected_ = {};
    } else {
        collected_ += piece;
    }
    if (!complete) return true;
    if (too_long_) {
        reply_writer(out, version_).error(errors::listing_too_long);
        return true;
    }
    return filter_listing(collected_, kind_, version_, *table_, out);
}

}  // namespace weir
