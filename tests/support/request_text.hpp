#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/arguments.hpp"

namespace weir::test {

/// A request with the bytes behind it, built without the parser: `request_text({"GET", "k"})`.
class request_text {
public:
    explicit request_text(std::span<const std::string> words) {
        raw_ = "*" + std::to_string(words.size()) + "\r\n";
        for (const std::string& word : words) {
            raw_ += "$" + std::to_string(word.size()) + "\r\n";
            slices_.push_back(
                {static_cast<std::uint32_t>(raw_.size()), static_cast<std::uint32_t>(word.size())});
            raw_ += word + "\r\n";
        }
    }
    request_text(std::initializer_list<std::string> words)
        : request_text(std::span<const std::string>(words.begin(), words.size())) {}

    [[nodiscard]] const std::string& raw() const { return raw_; }
    /// Valid while this is.
    [[nodiscard]] arguments view() const { return {raw_, slices_}; }

private:
    std::string raw_;
    std::vector<argument_slice> slices_;
};

/// The arguments as strings of their own.
inline std::vector<std::string> words_of(const arguments& request) {
    std::vector<std::string> words;
    for (std::size_t i = 0; i < request.size(); ++i) words.emplace_back(request[i]);
    return words;
}

}  // namespace weir::test
