#include "proxy/fallback/postgres/pg_wire.hpp"

namespace weir::pg {

namespace {

template <typename Integer>
std::optional<Integer> read_integer(std::string_view bytes) {
    if (bytes.size() != sizeof(Integer)) return std::nullopt;
    std::uint64_t value = 0;
    for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
    return static_cast<Integer>(value);
}

}  // namespace

std::optional<std::int64_t> read_int8(std::string_view bytes) { return read_integer<std::int64_t>(bytes); }
std::optional<std::int32_t> read_int4(std::string_view bytes) { return read_integer<std::int32_t>(bytes); }

std::optional<double> read_float8(std::string_view bytes) {
    const auto bits = read_int8(bytes);
    return bits ? std::optional(std::bit_cast<double>(*bits)) : std::nullopt;
}

array_reader::array_reader(std::string_view bytes, oid element) : rest_(bytes) {
    const auto dimensions = take_int4();
    const auto has_nulls = take_int4();
    const auto type = take_int4();
    malformed_ = !dimensions || !has_nulls || *dimensions < 0 || *dimensions > 1 ||
                 type != static_cast<std::int32_t>(element);
    if (malformed_ || *dimensions == 0) return;
    const auto count = take_int4();
    const auto first = take_int4();
    // Each element takes four bytes at least.
    malformed_ = !count || !first || *count < 0 || static_cast<std::size_t>(*count) > rest_.size() / 4;
    if (!malformed_) size_ = static_cast<std::size_t>(*count);
}

std::optional<std::string_view> array_reader::next() {
    if (malformed_ || read_ == size_) return std::nullopt;
    const auto length = take_int4();
    malformed_ = !length || *length < 0 || static_cast<std::size_t>(*length) > rest_.size();
    if (malformed_) return std::nullopt;
    const auto element = rest_.substr(0, static_cast<std::size_t>(*length));
    rest_.remove_prefix(element.size());
    ++read_;
    return element;
}

std::optional<std::int32_t> array_reader::take_int4() {
    if (rest_.size() < 4) return std::nullopt;
    const auto value = read_int4(rest_.substr(0, 4));
    rest_.remove_prefix(4);
    return value;
}

}  // namespace weir::pg
