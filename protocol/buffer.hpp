#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>

namespace weir {

/// Bytes that wait to be parsed or sent: written at the end, consumed at the front.
///
///     |  consumed  |  readable: view()  |  prepare()d  |  free  |
///     data_     begin_                end_                capacity_
///
/// No memory is held before the first byte and after release(). Views and pointers into it stay valid until the
/// next call that is not const.
class buffer {
public:
    buffer() = default;
    ~buffer();
    buffer(buffer&& other) noexcept;
    buffer& operator=(buffer&& other) noexcept;

    [[nodiscard]] std::string_view view() const { return {data_ + begin_, end_ - begin_}; }
    [[nodiscard]] std::size_t size() const { return end_ - begin_; }
    [[nodiscard]] bool empty() const { return begin_ == end_; }
    [[nodiscard]] std::size_t capacity() const { return capacity_; }

    /// At least `room` writable bytes behind the readable ones; commit() says how many were written.
    [[nodiscard]] char* prepare(std::size_t room) {
        if (capacity_ - end_ < room) grow(room);
        return data_ + end_;
    }
    void commit(std::size_t written) { end_ += written; }

    void append(std::string_view bytes) {
        if (bytes.empty()) return;
        std::memcpy(prepare(bytes.size()), bytes.data(), bytes.size());
        commit(bytes.size());
    }

    /// Drops `count` <= size() bytes at the front. Keeps the memory.
    void consume(std::size_t count) {
        begin_ += count;
        if (begin_ == end_) begin_ = end_ = 0;
    }

    /// Takes back the last `count` <= size() bytes.
    void truncate_end(std::size_t count) { end_ -= count; }

    /// Frees the memory when nothing is readable and more than `keep_bytes` are held.
    void release(std::size_t keep_bytes = 0) {
        if (empty() && capacity_ > keep_bytes) free_memory();
    }
    void clear() { begin_ = end_ = 0; }

private:
    void grow(std::size_t room);
    void free_memory();

    char* data_ = nullptr;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace weir
