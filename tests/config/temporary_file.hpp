#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace weir {

/// A file with this content, gone at the end of the scope.
class temporary_file {
public:
    explicit temporary_file(std::string_view content)
        : path_(std::filesystem::temp_directory_path() / "weir-XXXXXX") {
        std::string name = path_.string();
        const int open = ::mkstemp(name.data());
        path_ = name;
        written_ = open >= 0 &&
                   ::write(open, content.data(), content.size()) == static_cast<ssize_t>(content.size());
        ::close(open);
    }
    ~temporary_file() { std::filesystem::remove(path_); }
    temporary_file(const temporary_file&) = delete;
    temporary_file& operator=(const temporary_file&) = delete;

    [[nodiscard]] bool written() const { return written_; }
    [[nodiscard]] std::string path() const { return path_.string(); }

private:
    std::filesystem::path path_;
    bool written_ = false;
};

/// An environment variable, unset at the end of the scope.
class environment_variable {
public:
    environment_variable(std::string name, const std::string& value) : name_(std::move(name)) {
        ::setenv(name_.c_str(), value.c_str(), 1);
    }
    ~environment_variable() { ::unsetenv(name_.c_str()); }
    environment_variable(const environment_variable&) = delete;
    environment_variable& operator=(const environment_variable&) = delete;

private:
    std::string name_;
};

}  // namespace weir
