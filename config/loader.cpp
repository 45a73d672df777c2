#include "config/loader.hpp"

#include <malloc.h>
#include <yaml-cpp/yaml.h>

#include "config/checks.hpp"
#include "config/document.hpp"
#include "config/schema.hpp"
#include "config/text_file.hpp"

namespace weir {
namespace {

/// The one YAML document of a text; nothing, and an error, when there is none or more.
std::optional<YAML::Node> parse_yaml(const std::string& text, document& file) {
    try {
        const auto documents = YAML::LoadAll(text);
        if (documents.empty() || documents.front().IsNull()) {
            file.fail(position{1, 1},
                      "the file is empty; valid: at least listeners and tenants, see config/reference.yaml");
            return std::nullopt;
        }
        if (documents.size() > 1) {
            file.fail(to_position(documents[1].Mark()),
                      "a second YAML document begins here; valid: one (no '---' between)");
            return std::nullopt;
        }
        return documents.front();
    } catch (const YAML::Exception& error) {
        file.fail(to_position(error.mark),
                  "not YAML: " + error.msg + " (a text with any of : { } [ ] in it needs quotes)");
        return std::nullopt;
    }
}

/// YAML takes a hundred bytes for each of the file's, in pieces so small that malloc would keep them for
/// good.
void give_back_memory() {
#ifdef __GLIBC__
    ::malloc_trim(0);
#endif
}

}  // namespace

std::string config_error::to_string() const {
    const auto place = line == 0 ? "" : ":" + std::to_string(line) + ":" + std::to_string(column);
    return file + place + ": " + message;
}

load_result load_config_text(const std::string& text, const std::string& name) {
    document file(name);
    options read;
    if (const auto root = parse_yaml(text, file)) {
        read_options({&file, "", *root, to_position(root->Mark())}, read);
        check_consistency(read, file);
    }
    auto errors = file.take_errors();
    if (!errors.empty()) return {std::nullopt, std::move(errors)};
    return {std::move(read), {}};
}

load_result load_config(const std::filesystem::path& file) {
    constexpr std::size_t max_config_bytes = 16 << 20;
    constexpr std::size_t large_config_bytes = 256 << 10;
    const auto text = read_text_file(file, max_config_bytes);
    if (!text)
        return {std::nullopt, {{file.string(), 0, 0, text.why() + "; valid: the path of a YAML file"}}};
    auto result = load_config_text(*text, file.string());
    if (text->size() > large_config_bytes) give_back_memory();
    return result;
}

}  // namespace weir
