#include "protocol/command_keys.hpp"

#include <algorithm>

#include "protocol/ascii.hpp"

namespace weir {

namespace {

/// Keyword and index specifications: where the keys' part begins, 0 for nowhere (0 is the command's name).
std::size_t find_begin(const arguments& request, const key_spec& spec) {
    if (spec.begin == key_spec::begin_kind::index) return static_cast<std::size_t>(spec.index);
    if (spec.begin != key_spec::begin_kind::keyword) return 0;
    std::string keyword(spec.keyword);
    std::ranges::transform(keyword, keyword.begin(), to_lower);
    const auto count = static_cast<std::ptrdiff_t>(request.size());
    const bool forward = spec.index > 0;
    for (std::ptrdiff_t i = forward ? spec.index : count + spec.index; i > 0 && i < count; i += forward ? 1 : -1) {
        if (is_option(request[static_cast<std::size_t>(i)], keyword)) return static_cast<std::size_t>(i) + 1;
    }
    return 0;
}

/// One past the last argument of a range that begins at `first`, in a request of `count` arguments.
std::ptrdiff_t range_end(const key_spec& spec, std::ptrdiff_t first, std::ptrdiff_t count) {
    if (spec.last_key >= 0) return std::min<std::ptrdiff_t>(first + spec.last_key + 1, count);
    if (spec.limit <= 1) return count + spec.last_key + 1;
    return first + (count - first) / spec.limit + spec.last_key + 1;
}

key_range to_range(std::ptrdiff_t first, std::ptrdiff_t end, std::ptrdiff_t step) {
    if (first >= end) return {};
    return {static_cast<std::size_t>(first), static_cast<std::size_t>(end), static_cast<std::size_t>(step)};
}

key_range find_counted(const arguments& request, const key_spec& spec, std::size_t begin) {
    const auto count = static_cast<std::ptrdiff_t>(request.size());
    const std::ptrdiff_t number_at = static_cast<std::ptrdiff_t>(begin) + spec.keynum_index;
    const std::ptrdiff_t first = static_cast<std::ptrdiff_t>(begin) + spec.first_key;
    if (number_at >= count) return {};
    const auto keys = parse_integer(request[static_cast<std::size_t>(number_at)]);
    const std::ptrdiff_t step = std::max<std::ptrdiff_t>(spec.key_step, 1);
    const std::ptrdiff_t room = first < count ? (count - first + step - 1) / step : 0;
    if (!keys || *keys < 0 || *keys > room) return to_range(first, count, 1);
    return to_range(first, std::min(first + static_cast<std::ptrdiff_t>(*keys) * step, count), step);
}

}  // namespace

key_range find_keys(const arguments& request, const key_spec& spec) {
    if (spec.flags & key_spec::not_key) return {};
    const std::size_t begin = find_begin(request, spec);
    if (begin == 0 || begin >= request.size()) return {};
    if (spec.find == key_spec::find_kind::keynum) return find_counted(request, spec, begin);
    const auto first = static_cast<std::ptrdiff_t>(begin);
    const auto end = range_end(spec, first, static_cast<std::ptrdiff_t>(request.size()));
    return to_range(first, end, std::max<std::ptrdiff_t>(spec.key_step, 1));
}

void locate_keys(const arguments& request, const key_spec& spec, std::vector<std::uint32_t>& positions) {
    const key_range keys = find_keys(request, spec);
    for (std::size_t i = keys.first; i < keys.end; i += keys.step) positions.push_back(static_cast<std::uint32_t>(i));
}

bool has_positional_keys(const command_spec& spec) {
    return spec.request == request_rule::keys && std::ranges::all_of(spec.keys(), [](const key_spec& keys) {
        return keys.begin == key_spec::begin_kind::index && keys.find == key_spec::find_kind::range;
    });
}

bool is_positional_key(const command_spec& spec, std::size_t position, std::size_t count) {
    return std::ranges::any_of(spec.keys(), [&](const key_spec& keys) {
        const auto at = static_cast<std::ptrdiff_t>(position);
        const std::ptrdiff_t first = keys.index;
        if (keys.flags & key_spec::not_key || at < first) return false;
        const auto end = range_end(keys, first, static_cast<std::ptrdiff_t>(count));
        return at < end && (at - first) % std::max<std::ptrdiff_t>(keys.key_step, 1) == 0;
    });
}

bool reads_stream_blocking(const arguments& request) {
    for (std::size_t i = 1; i < request.size();) {
        if (is_option(request[i], "block")) return true;
        if (is_option(request[i], "count")) {
            i += 2;
        } else if (is_option(request[i], "group")) {
            i += 3;
        } else if (is_option(request[i], "streams")) {
            return false;
        } else {
            i += 1;  // NOACK, or what a newer server may know: a BLOCK behind it must not hide
        }
    }
    return false;
}

}  // namespace weir
