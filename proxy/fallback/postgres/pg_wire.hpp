#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::pg {

/// Postgres' binary formats, as its own send and receive functions write them: numbers big-endian, and arrays of one
/// dimension as
///
///     dimensions | has nulls | element type | size | first index | (length | bytes) …       each number 4 bytes
///         1           0            oid         n         1
///
/// of which an empty one has the first three alone.
enum class oid : std::uint32_t { bytea = 17, int8 = 20, float8 = 701 };

template <typename Integer>
void append_integer(std::string& to, Integer value) {
    for (int shift = static_cast<int>(sizeof value) * 8 - 8; shift >= 0; shift -= 8) {
        to.push_back(static_cast<char>(value >> shift));
    }
}

/// Writes an array whose length is known beforehand.
class array_writer {
public:
    array_writer(std::string& to, oid element, std::size_t size) : to_(to) {
        append_integer(to_, std::int32_t{size == 0 ? 0 : 1});
        append_integer(to_, std::int32_t{0});
        append_integer(to_, static_cast<std::uint32_t>(element));
        if (size == 0) return;
        append_integer(to_, static_cast<std::int32_t>(size));
        append_integer(to_, std::int32_t{1});
    }
    void add(std::string_view bytes) {
        append_integer(to_, static_cast<std::int32_t>(bytes.size()));
        to_.append(bytes);
    }
    void add(std::int64_t number) {
        append_integer(to_, std::int32_t{8});
        append_integer(to_, number);
    }
    void add(double number) { add(std::bit_cast<std::int64_t>(number)); }

private:
    std::string& to_;
};

[[nodiscard]] std::optional<std::int64_t> read_int8(std::string_view bytes);
[[nodiscard]] std::optional<std::int32_t> read_int4(std::string_view bytes);
[[nodiscard]] std::optional<double> read_float8(std::string_view bytes);

/// Reads an array element by element; what it shows are views of what it was given. Nothing is believed: a length that does
/// not fit, a null or a second dimension ends it as malformed.
class array_reader {
public:
    array_reader(std::string_view bytes, oid element);

    [[nodiscard]] std::size_t size() const { return size_; }
    /// nullopt: behind the last, or malformed.
    [[nodiscard]] std::optional<std::string_view> next();
    /// All that was announced has been read, and nothing else was there.
    [[nodiscard]] bool is_complete() const { return !malformed_ && read_ == size_ && rest_.empty(); }

private:
    [[nodiscard]] std::optional<std::int32_t> take_int4();

    std::string_view rest_;
    std::size_t size_ = 0;
    std::size_t read_ = 0;
    bool malformed_ = false;
};

}  // namespace weir::pg
