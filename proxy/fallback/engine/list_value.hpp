#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

namespace weir::engine {

enum class list_end : bool { left, right };

/// Elements from left to right. Places count from 0.
class list_value {
public:
    [[nodiscard]] std::size_t size() const { return elements_.size(); }
    [[nodiscard]] const std::string& operator[](std::size_t place) const { return elements_[place]; }

    void push(list_end end, std::string_view element) {
        payload_bytes_ += element.size();
        if (end == list_end::left) {
            elements_.emplace_front(element);
        } else {
            elements_.emplace_back(element);
        }
    }
    /// Of a list that is not empty.
    std::string pop(list_end end) {
        std::string element = std::move(end == list_end::left ? elements_.front() : elements_.back());
        if (end == list_end::left) {
            elements_.pop_front();
        } else {
            elements_.pop_back();
        }
        payload_bytes_ -= element.size();
        return element;
    }
    void insert(std::size_t place, std::string_view element) {
        payload_bytes_ += element.size();
        elements_.emplace(elements_.begin() + static_cast<std::ptrdiff_t>(place), element);
    }
    void replace(std::size_t place, std::string_view element) {
        payload_bytes_ = payload_bytes_ - elements_[place].size() + element.size();
        elements_[place] = element;
    }
    /// Keeps those for which `stays(place)` holds; it is asked once for each, from left to right.
    template <typename Predicate>
    void keep_if(Predicate stays) {
        std::deque<std::string> kept;
        payload_bytes_ = 0;
        for (std::size_t place = 0; place < elements_.size(); ++place) {
            if (!stays(place)) continue;
            payload_bytes_ += elements_[place].size();
            kept.push_back(std::move(elements_[place]));
        }
        elements_ = std::move(kept);
    }
    [[nodiscard]] std::size_t payload_bytes() const { return payload_bytes_; }

private:
    std::deque<std::string> elements_;
    std::size_t payload_bytes_ = 0;
};

}  // namespace weir::engine
