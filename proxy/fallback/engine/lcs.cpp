#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "protocol/errors.hpp"
#include "proxy/fallback/engine/commands.hpp"

namespace weir::engine {

namespace {

struct lcs_options {
    bool positions = false;     ///< IDX
    bool only_length = false;   ///< LEN
    bool with_length = false;   ///< WITHMATCHLEN
    std::int64_t shortest = 0;  ///< MINMATCHLEN
};

/// Bytes that stand in both texts, from `in_one` to behind it, and as many from `in_other`.
struct match {
    std::size_t in_one;
    std::size_t in_other;
    std::size_t length;
};

/// How long the longest common subsequence of each two beginnings is.
class length_table {
public:
    length_table(std::string_view one, std::string_view other)
        : width_(other.size() + 1), lengths_(width_ * (one.size() + 1), 0) {
        for (std::size_t i = 1; i <= one.size(); ++i) {
            for (std::size_t j = 1; j <= other.size(); ++j) {
                lengths_[i * width_ + j] =
                    one[i - 1] == other[j - 1] ? at(i - 1, j - 1) + 1 : std::max(at(i - 1, j), at(i, j - 1));
            }
        }
    }
    [[nodiscard]] std::uint32_t at(std::size_t i, std::size_t j) const { return lengths_[i * width_ + j]; }

private:
    std::size_t width_;
    std::vector<std::uint32_t> lengths_;
};

std::optional<lcs_options> read_options(const call& c) {
    lcs_options options;
    for (std::size_t i = 3; i < c.size(); ++i) {
        if (c.is(i, "idx")) {
            options.positions = true;
        } else if (c.is(i, "len")) {
            options.only_length = true;
        } else if (c.is(i, "withmatchlen")) {
            options.with_length = true;
        } else if (c.is(i, "minmatchlen") && i + 1 < c.size()) {
            const auto shortest = c.integer(++i);
            if (!shortest) return std::nullopt;
            options.shortest = *shortest;
        } else {
            c.fail_syntax();
            return std::nullopt;
        }
    }
    if (options.positions && options.only_length) {
        c.fail(texts::lcs_both);
        return std::nullopt;
    }
    return options;
}

/// "" for a key that is absent. nullopt: it is no string.
std::optional<std::string_view> read_text(const call& c, std::string_view key) {
    const entry* const place = c.find(key);
    if (place == nullptr) return std::string_view{};
    const auto* const text = std::get_if<string_value>(&place->held);
    return text == nullptr ? std::nullopt : std::optional<std::string_view>(*text);
}

/// From the end to the beginning, as Redis shows them; neighbouring bytes are one match.
std::vector<match> matches_of(std::string_view one, std::string_view other, const length_table& lengths) {
    std::vector<match> all;
    bool continues = false;
    std::size_t i = one.size();
    std::size_t j = other.size();
    while (i > 0 && j > 0) {
        if (one[i - 1] == other[j - 1]) {
            --i;
            --j;
            if (continues) {
                all.back() = {i, j, all.back().length + 1};
            } else {
                all.push_back({i, j, 1});
            }
            continues = true;
        } else {
            (lengths.at(i - 1, j) > lengths.at(i, j - 1) ? i : j) -= 1;
            continues = false;
        }
    }
    return all;
}

void write_range(const call& c, std::size_t first, std::size_t length) {
    c.reply().array(2);
    c.reply().integer(static_cast<std::int64_t>(first));
    c.reply().integer(static_cast<std::int64_t>(first + length - 1));
}

void write_matches(const call& c, std::vector<match> all, const lcs_options& options, std::uint32_t length) {
    std::erase_if(all, [&](const match& each) { return static_cast<std::int64_t>(each.length) < options.shortest; });
    c.reply().map(2);
    c.reply().bulk("matches");
    c.reply().array(all.size());
    for (const match& each : all) {
        c.reply().array(options.with_length ? 3 : 2);
        write_range(c, each.in_one, each.length);
        write_range(c, each.in_other, each.length);
        if (options.with_length) c.reply().integer(static_cast<std::int64_t>(each.length));
    }
    c.reply().bulk("len");
    c.reply().integer(length);
}

/// The table must fit into what one string may take, as in Redis. False: the error is written.
bool is_small_enough(const call& c, std::string_view one, std::string_view other) {
    constexpr std::size_t longest = std::numeric_limits<std::uint32_t>::max() - 1;
    if (one.size() >= longest || other.size() >= longest) {
        c.fail(texts::lcs_too_long);
        return false;
    }
    const auto most = static_cast<std::size_t>(c.limits().max_string_bytes) / sizeof(std::uint32_t);
    if (one.size() + 1 <= most / (other.size() + 1)) return true;
    c.fail(texts::lcs_too_large);
    return false;
}

void lcs(call& c) {
    const auto one = read_text(c, c[1]);
    const auto other = read_text(c, c[2]);
    if (!one || !other) return c.fail(texts::lcs_types);
    const auto options = read_options(c);
    if (!options || !is_small_enough(c, *one, *other)) return;
    if ((one->size() + 1) * (other->size() + 1) > c.limits().max_lcs_cells) return c.cannot(texts::takes_too_long);
    const length_table lengths(*one, *other);
    const std::uint32_t length = lengths.at(one->size(), other->size());
    if (options->only_length) return c.reply().integer(length);
    const auto all = matches_of(*one, *other, lengths);
    if (options->positions) return write_matches(c, all, *options, length);
    std::string common;
    for (auto each = all.rbegin(); each != all.rend(); ++each) common += one->substr(each->in_one, each->length);
    c.reply().bulk(common);
}

constexpr std::array rows{command_row{"lcs", lcs}};

}  // namespace

std::span<const command_row> lcs_commands() { return rows; }

}  // namespace weir::engine
