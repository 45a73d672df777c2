#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace weir::engine {

using command_words = std::vector<std::string>;

/// Makes random commands from templates, most of them meaningful, some spoilt.
///
///     UPPER            the word itself, now and then in another case
///     lower            a random thing of that kind; see command_generator.cpp
///     [ … ]            perhaps          ( … | … )  one of them          { … }  once to four times
class command_generator {
public:
    explicit command_generator(std::uint64_t seed);

    /// `now` is the clock that times are chosen around, in milliseconds.
    [[nodiscard]] command_words next(std::int64_t now);

private:
    using tokens = std::vector<std::string>;

    void expand(const tokens& all, std::size_t& at, bool wanted, command_words& into);
    void expand_choice(const tokens& all, std::size_t& at, bool wanted, command_words& into);
    void expand_repeat(const tokens& all, std::size_t& at, bool wanted, command_words& into);
    void spoil(command_words& made);

    [[nodiscard]] std::string something(std::string_view kind);
    [[nodiscard]] std::string key(std::string_view family);
    [[nodiscard]] std::string text();
    [[nodiscard]] std::string member();
    [[nodiscard]] std::string number();
    [[nodiscard]] std::string decimal();
    [[nodiscard]] std::string time(bool seconds, bool absolute);
    [[nodiscard]] std::string lex_bound();
    [[nodiscard]] std::string pattern();
    [[nodiscard]] std::string in_other_case(std::string word);

    [[nodiscard]] std::size_t below(std::size_t bound) { return random_() % bound; }
    [[nodiscard]] bool chance(std::size_t one_in) { return below(one_in) == 0; }
    template <typename List>
    [[nodiscard]] std::string one_of(const List& list) {
        return std::string(list[below(std::size(list))]);
    }

    std::mt19937_64 random_;
    std::vector<tokens> templates_;
    std::int64_t now_ = 0;
};

}  // namespace weir::engine
