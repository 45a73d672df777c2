#pragma once

#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace weir::fuzz {

/// Makes new inputs out of known ones: bytes flipped, inserted, dropped, doubled, words of a dictionary put
/// in, the front of one joined to the end of another.
class mutator {
public:
    mutator(std::vector<std::string> known, std::vector<std::string> words, std::uint64_t seed)
        : known_(std::move(known)), words_(std::move(words)), random_(seed) {}

    [[nodiscard]] std::string next();

private:
    [[nodiscard]] std::size_t below(std::size_t bound) { return bound == 0 ? 0 : random_() % bound; }
    void change(std::string& input);

    std::vector<std::string> known_;  ///< not empty
    std::vector<std::string> words_;
    std::mt19937_64 random_;
};

/// The words of a dictionary in libFuzzer's format: `name="bytes"`, with \xHH, \" and \\; `#` begins a
/// comment.
[[nodiscard]] std::vector<std::string> read_dictionary(const std::filesystem::path& file);

/// The contents of all files in a folder, by name.
[[nodiscard]] std::vector<std::string> read_seeds(const std::filesystem::path& folder);

}  // namespace weir::fuzz
