#include "tests/proxy/fallback/engine/differential/command_generator.hpp"

#include <array>
#include <iterator>
#include <sstream>

#include "tests/proxy/fallback/engine/differential/command_templates.hpp"

namespace weir::engine {

namespace {

using namespace std::string_view_literals;

constexpr std::array small_words{
    "a"sv, "b"sv,  "c"sv,  "aa"sv,  "ab"sv,  "Abc"sv, "hello"sv, "x:1"sv,          ""sv,     "1"sv,  "2"sv,
    "3"sv, "10"sv, "-5"sv, "007"sv, "3.5"sv, "1e3"sv, "z"sv,     "\xff\x00\r\n"sv, "foo*"sv, "nan"sv};
constexpr std::array odd_numbers{"0"sv, "-1"sv, "1"sv, "9223372036854775807"sv, "-9223372036854775808"sv,
                                 "9223372036854775808"sv, "4294967296"sv, "2147483648"sv, "-2147483649"sv,
                                 "1000000000000"sv, "01"sv, "+1"sv, " 1"sv, "1 "sv, ""sv, "abc"sv, "1.0"sv, "-0"sv,
                                 "9223372036854775"sv, "9223372036854775000"sv, "1\0"sv};
constexpr std::array decimals{"1.5"sv, "-2.25"sv, "0.1"sv, "3"sv, "0"sv, "1e3"sv, "1e-5"sv, "100000000000000000"sv,
                              "3.14159265358979"sv, "-0.0"sv, "12345.678"sv, "5"sv, "4503599627370497"sv, "1e17"sv};
constexpr std::array odd_decimals{
    "inf"sv,    "-inf"sv,   "+inf"sv,     "nan"sv, "1e308"sv,  "-1e308"sv, "1e400"sv,
    "1e-400"sv, "1e-320"sv, "0x10"sv,     " 1"sv,  "1 "sv,     ""sv,       "abc"sv,
    "-0"sv,     "1e"sv,     "infinity"sv, "1\0"sv, "1e4000"sv, "1e4999"sv, "9007199254740993"sv};
constexpr std::array patterns{"*"sv,  "**"sv,    "a*"sv,      "?"sv,   "[a-c]*"sv, "s*"sv,
                              "*1"sv, "h[12]"sv, "nothing"sv, "\\*"sv, ""sv};
constexpr std::array words_to_add{"NX"sv,  "XX"sv,      "GET"sv,     "COUNT"sv, "LIMIT"sv, "WITHSCORES"sv,
                                  "REV"sv, "KEEPTTL"sv, "BYSCORE"sv, "CH"sv,    "STORE"sv, "1"sv,
                                  "0"sv,   "-1"sv,      "WEIGHTS"sv, "nx\0"sv,  "MATCH"sv, "k"sv};

std::vector<std::string> split(std::string_view text) {
    std::istringstream from{std::string(text)};
    return {std::istream_iterator<std::string>(from), {}};
}

}  // namespace

command_generator::command_generator(std::uint64_t seed) : random_(seed) {
    for (const auto each : command_templates) templates_.push_back(split(each));
}

command_words command_generator::next(std::int64_t now) {
    now_ = now;
    const tokens& chosen = templates_[below(templates_.size())];
    command_words made;
    std::size_t at = 0;
    expand(chosen, at, true, made);
    if (chance(25)) spoil(made);
    return made;
}

/// Up to the end, or a closing bracket, or a `|`.
void command_generator::expand(const tokens& all, std::size_t& at, bool wanted, command_words& into) {
    while (at < all.size()) {
        const std::string& token = all[at];
        if (token == "]" || token == ")" || token == "}" || token == "|") return;
        if (token == "(") {
            expand_choice(all, at, wanted, into);
        } else if (token == "{") {
            expand_repeat(all, at, wanted, into);
        } else if (token == "[") {
            const bool inside = wanted && chance(3);
            expand(all, ++at, inside, into);
            ++at;
        } else {
            if (wanted) {
                const bool literal = token[0] >= 'A' && token[0] <= 'Z';
                into.push_back(literal ? in_other_case(token) : something(token));
            }
            ++at;
        }
    }
}

void command_generator::expand_choice(const tokens& all, std::size_t& at, bool wanted, command_words& into) {
    std::size_t depth = 0;
    std::size_t alternatives = 1;
    for (std::size_t i = at + 1; depth > 0 || all[i] != ")"; ++i) {
        if (all[i] == "(") ++depth;
        if (all[i] == ")") --depth;
        if (all[i] == "|" && depth == 0) ++alternatives;
    }
    const std::size_t chosen = below(alternatives);
    for (std::size_t i = 0; i < alternatives; ++i) expand(all, ++at, wanted && i == chosen, into);
    ++at;
}

void command_generator::expand_repeat(const tokens& all, std::size_t& at, bool wanted, command_words& into) {
    const std::size_t begin = ++at;
    const std::size_t times = chance(60) ? 150 : 1 + below(4);
    for (std::size_t i = 0; i < times; ++i) {
        at = begin;
        expand(all, at, wanted, into);
    }
    ++at;
}

void command_generator::spoil(command_words& made) {
    const std::size_t where = 1 + below(made.size());
    switch (below(5)) {
        case 0: return made.push_back(one_of(words_to_add));
        case 1:
            if (made.size() > 2) made.pop_back();
            return;
        case 2:
            if (where < made.size()) made.insert(made.begin() + static_cast<std::ptrdiff_t>(where), made[where]);
            return;
        case 3:
            if (where < made.size()) made[where] = number();
            return;
        default: made.insert(made.begin() + static_cast<std::ptrdiff_t>(where), one_of(words_to_add));
    }
}

std::string command_generator::in_other_case(std::string word) {
    if (!chance(20)) return word;
    for (char& c : word) {
        if (c >= 'A' && c <= 'Z' && chance(2)) c = static_cast<char>(c | 0x20);
    }
    return word;
}

std::string command_generator::something(std::string_view kind) {
    if (kind == "v") return text();
    if (kind == "m") return member();
    if (kind == "n") return number();
    if (kind == "i") return chance(20) ? number() : std::to_string(static_cast<int>(below(17)) - 6);
    if (kind == "c") return chance(20) ? number() : std::to_string(below(6));
    if (kind == "one") return chance(30) ? number() : "1";
    if (kind == "zero") return chance(30) ? decimal() : "0";
    if (kind == "two") return chance(30) ? number() : "2";
    if (kind == "three") return chance(30) ? number() : "3";
    if (kind == "nl") return "nl" + std::to_string(below(2));
    if (kind == "db") return chance(3) ? number() : std::to_string(below(18));
    if (kind == "rc")
        return chance(20) ? one_of(std::array{"abc"sv, "9223372036854775807"sv, "-9223372036854775808"sv,
                                              "4611686018427387904"sv})
                          : std::to_string(static_cast<int>(below(17)) - 6);
    if (kind == "off")
        return chance(20) ? one_of(std::array{"-1"sv, "536870912"sv, "9223372036854775807"sv, "x"sv})
                          : std::to_string(below(70));
    if (kind == "f") return chance(8) ? one_of(odd_decimals) : decimal();
    if (kind == "sec") return time(true, false);
    if (kind == "ms") return time(false, false);
    if (kind == "at") return time(true, true);
    if (kind == "pat") return time(false, true);
    if (kind == "bound") return (chance(3) ? "(" : "") + (chance(4) ? one_of(odd_decimals) : decimal());
    if (kind == "lex") return lex_bound();
    if (kind == "p") return pattern();
    if (kind == "cur")
        return chance(10) ? one_of(std::array{"5"sv, "-1"sv, "abc"sv, ""sv, " 0"sv, "99999999999999999999"sv}) : "0";
    if (kind == "many") return chance(10) ? number() : "100000";
    if (kind == "by")
        return one_of(std::array{"w_*"sv, "w_*"sv, "h1->*"sv, "w_*->f"sv, "*"sv, "nosort"sv, "w_*->"sv, "h*->a"sv});
    if (kind == "num") return "w_" + std::to_string(below(12));
    if (kind == "get") return one_of(std::array{"#"sv, "w_*"sv, "h1->*"sv, "nothing"sv, "s*"sv, "h*->a"sv});
    return key(kind);
}

/// Mostly of the family that is asked for.
std::string command_generator::key(std::string_view family) {
    static constexpr std::array families{"s"sv, "h"sv, "l"sv, "t"sv, "z"sv, "x"sv};
    const bool any = family == "k" || chance(12);
    return (any ? one_of(families) : std::string(family)) + std::to_string(1 + below(3));
}

std::string command_generator::text() {
    switch (below(12)) {
        case 0: return std::to_string(random_());
        case 1: return std::to_string(static_cast<std::int64_t>(random_()));
        case 2: return decimal();
        case 3: return one_of(odd_numbers);
        case 4: return std::string(chance(200) ? 20000 : 40 + below(40), chance(2) ? 'x' : '\0');
        case 5: return one_of(odd_decimals);
        case 6:
        case 7: return std::to_string(below(20));
        default: return one_of(small_words);
    }
}

std::string command_generator::member() {
    switch (below(24)) {
        case 0: return std::to_string(below(1000));
        case 1: return std::string(60 + below(10), 'm');
        case 2: return "w" + std::to_string(below(1000));
        case 3:
        case 4:
        case 5:
        case 6:
        case 7:
        case 8: return std::to_string(below(12));
        case 9: return std::to_string(static_cast<std::int64_t>(random_() >> below(64)));
        default: return one_of(small_words);
    }
}

std::string command_generator::number() {
    return chance(3) ? one_of(odd_numbers) : std::to_string(static_cast<int>(below(30)) - 10);
}

std::string command_generator::decimal() {
    switch (below(4)) {
        case 0: return one_of(decimals);
        case 1: {
            std::ostringstream made;
            made.precision(17);
            made << static_cast<double>(static_cast<std::int64_t>(random_())) / 1e15;
            return made.str();
        }
        default: return std::to_string(static_cast<int>(below(20)) - 5);
    }
}

std::string command_generator::time(bool seconds, bool absolute) {
    if (chance(15)) return number();
    const std::int64_t around = seconds ? 4 : 4000;
    const std::int64_t distance =
        static_cast<std::int64_t>(below(static_cast<std::size_t>(around * 5))) - (absolute ? around : -1);
    return std::to_string(absolute ? (seconds ? now_ / 1000 : now_) + distance : distance);
}

std::string command_generator::lex_bound() {
    switch (below(6)) {
        case 0: return "-";
        case 1: return "+";
        case 2: return chance(4) ? one_of(std::array{"a"sv, ""sv, "+a"sv, "-\0"sv}) : "-";
        case 3: return "(" + member();
        default: return "[" + member();
    }
}

std::string command_generator::pattern() { return one_of(patterns); }

}  // namespace weir::engine
