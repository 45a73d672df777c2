#include "config/text_file.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "config/units.hpp"

namespace weir {

parsed<std::string> read_text_file(const std::filesystem::path& path, std::size_t max_bytes) {
    const auto close = [](std::FILE* open) { std::fclose(open); };
    const std::unique_ptr<std::FILE, decltype(close)> file(std::fopen(path.c_str(), "rb"), close);
    if (!file) return fault{std::string("cannot be opened: ") + std::strerror(errno)};
    std::string text;
    std::array<char, 4096> chunk;
    while (const auto got = std::fread(chunk.data(), 1, chunk.size(), file.get())) {
        text.append(chunk.data(), got);
        if (text.size() > max_bytes) return fault{"is larger than " + format_size(max_bytes)};
    }
    // A folder opens like a file, and fails here.
    if (std::ferror(file.get())) return fault{std::string("cannot be read: ") + std::strerror(errno)};
    return text;
}

}  // namespace weir
