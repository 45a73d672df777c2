#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "protocol/ascii.hpp"

namespace weir {

/// Where one argument's bytes stand, relative to the first byte of its request.
struct argument_slice {
    std::uint32_t offset;
    std::uint32_t size;
};

/// A whole request in canonical RESP, as `*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`, and where its arguments stand in it.
/// A view: valid as long as the bytes and the parser it came from stay untouched.
class arguments {
public:
    arguments(std::string_view raw, std::span<const argument_slice> slices) : raw_(raw), slices_(slices) {}

    [[nodiscard]] std::size_t size() const { return slices_.size(); }
    [[nodiscard]] std::string_view operator[](std::size_t i) const {
        return {raw_.data() + slices_[i].offset, slices_[i].size};
    }
    /// The request's bytes.
    [[nodiscard]] std::string_view raw() const { return raw_; }
    /// Where the `$` of argument i stands in raw().
    [[nodiscard]] std::size_t header_offset(std::size_t i) const {
        return slices_[i].offset - (digit_count(slices_[i].size) + 3);
    }
    [[nodiscard]] std::size_t offset(std::size_t i) const { return slices_[i].offset; }

private:
    std::string_view raw_;
    std::span<const argument_slice> slices_;
};

}  // namespace weir
