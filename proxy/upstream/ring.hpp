#pragma once

#include <cstddef>
#include <memory>
#include <utility>

namespace weir {

/// A queue in one block of memory that doubles when it is full and never shrinks below its first size.
/// Indices count from the front.
template <typename Value>
class ring {
public:
    [[nodiscard]] bool empty() const { return size_ == 0; }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] Value& front() { return values_[first_]; }
    [[nodiscard]] Value& operator[](std::size_t i) { return values_[(first_ + i) & (capacity_ - 1)]; }

    void push_back(const Value& value) {
        if (size_ == capacity_) grow();
        values_[(first_ + size_++) & (capacity_ - 1)] = value;
    }
    void pop_front() {
        first_ = (first_ + 1) & (capacity_ - 1);
        --size_;
    }
    void clear() { first_ = size_ = 0; }

private:
    void grow() {
        const std::size_t wider = capacity_ == 0 ? 16 : capacity_ * 2;
        auto values = std::make_unique<Value[]>(wider);
        for (std::size_t i = 0; i < size_; ++i) values[i] = (*this)[i];
        values_ = std::move(values);
        capacity_ = wider;
        first_ = 0;
    }

    std::unique_ptr<Value[]> values_;
    std::size_t capacity_ = 0;  ///< a power of two
    std::size_t first_ = 0;
    std::size_t size_ = 0;
};

}  // namespace weir
