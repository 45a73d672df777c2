#include "protocol/buffer.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

namespace weir {

buffer::~buffer() { std::free(data_); }

buffer::buffer(buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      begin_(std::exchange(other.begin_, 0)),
      end_(std::exchange(other.end_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

buffer& buffer::operator=(buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
    std::swap(capacity_, other.capacity_);
    return *this;
}

void buffer::grow(std::size_t room) {
    const std::size_t held = size();
    // Moving the bytes to the front is cheap while they are few; it then costs each byte at most one more copy.
    if (begin_ >= capacity_ / 2 && capacity_ - held >= room && held <= begin_) {
        if (held > 0) std::memcpy(data_, data_ + begin_, held);
    } else {
        const std::size_t wanted = std::max({held + room, capacity_ + capacity_ / 2, std::size_t{512}});
        // malloc and realloc, because realloc moves large blocks by remapping their pages.
        if (begin_ > 0 && held > 0) std::memmove(data_, data_ + begin_, held);
        char* moved = static_cast<char*>(std::realloc(data_, wanted));
        if (moved == nullptr) throw std::bad_alloc();
        data_ = moved;
        capacity_ = wanted;
    }
    begin_ = 0;
    end_ = held;
}

void buffer::free_memory() {
    std::free(data_);
    data_ = nullptr;
    begin_ = end_ = capacity_ = 0;
}

}  // namespace weir
