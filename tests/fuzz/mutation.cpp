#include "tests/fuzz/mutation.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

namespace weir::fuzz {

namespace {

constexpr std::size_t max_input_bytes = 4'096;

std::string read_file(const std::filesystem::path& file) {
    std::ifstream from(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(from), {}};
}

std::string unescape(std::string_view text) {
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\' || i + 1 == text.size()) {
            bytes += text[i];
        } else if (text[++i] == 'x') {
            bytes += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
            i += 2;
        } else {
            bytes += text[i];
        }
    }
    return bytes;
}

}  // namespace

std::string mutator::next() {
    std::string input = known_[below(known_.size())];
    if (below(4) == 0) {
        const std::string& other = known_[below(known_.size())];
        input = input.substr(0, below(input.size() + 1)) + other.substr(below(other.size() + 1));
    }
    for (std::size_t changes = 1 + below(6); changes > 0; --changes) change(input);
    input.resize(std::min(input.size(), max_input_bytes));
    return input;
}

void mutator::change(std::string& input) {
    const std::size_t at = below(input.size() + 1);
    const std::size_t count = std::min(input.size() - at, 1 + below(12));
    switch (below(6)) {
        case 0:
            input.insert(at, 1, static_cast<char>(below(256)));
            break;
        case 1:
            input.erase(at, count);
            break;
        case 2:
            input.insert(at, input.substr(at, count));
            break;
        case 3:
            if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
            break;
        case 4:
            if (at < input.size()) input[at] = static_cast<char>(below(256));
            break;
        default:
            if (!words_.empty()) input.replace(at, below(2) * count, words_[below(words_.size())]);
    }
}

std::vector<std::string> read_dictionary(const std::filesystem::path& file) {
    std::vector<std::string> words;
    std::ifstream from(file);
    for (std::string line; std::getline(from, line);) {
        const auto first = line.find('"');
        const auto last = line.rfind('"');
        if (line.starts_with('#') || first == std::string::npos || last <= first) continue;
        words.push_back(unescape(std::string_view(line).substr(first + 1, last - first - 1)));
    }
    return words;
}

std::vector<std::string> read_seeds(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
    std::ranges::sort(files);
    std::vector<std::string> seeds;
    std::ranges::transform(files, std::back_inserter(seeds), read_file);
    return seeds;
}

}  // namespace weir::fuzz
