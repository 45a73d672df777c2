#include "proxy/fallback/engine/call.hpp"

#include <random>
#include <string>

#include "protocol/errors.hpp"
#include "proxy/fallback/engine/numbers.hpp"

namespace weir::engine {

std::size_t call::random_below(std::size_t bound) const {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random());
}

bool call::takes_too_long(std::size_t times, std::size_t elements) const {
    if (elements == 0 || times <= limits().max_steps / elements) return false;
    cannot(texts::takes_too_long);
    return true;
}

std::optional<std::int64_t> call::integer(std::size_t i) const { return integer(i, errors::not_an_integer); }

std::optional<std::int64_t> call::integer(std::size_t i, std::string_view error) const {
    const auto value = parse_integer(words_[i]);
    if (!value) fail(error);
    return value;
}

std::optional<std::int64_t> call::integer_between(std::size_t i, std::int64_t least, std::int64_t most) const {
    const auto value = integer(i);
    if (!value || (*value >= least && *value <= most)) return value;
    fail("ERR value is out of range, value must between " + std::to_string(least) + " and " + std::to_string(most));
    return std::nullopt;
}

std::optional<std::int64_t> call::integer_from(std::size_t i, std::int64_t least, std::string_view error) const {
    const auto value = integer(i, error);
    if (!value || *value >= least) return value;
    fail(error);
    return std::nullopt;
}

std::optional<double> call::number(std::size_t i) const {
    const auto value = parse_double(words_[i]);
    if (!value) fail(texts::not_a_float);
    return value;
}

std::optional<long double> call::long_number(std::size_t i) const {
    const auto value = parse_long_double(words_[i]);
    if (!value) fail(texts::not_a_float);
    return value;
}

void call::fail_syntax() const { fail(errors::syntax); }

void call::fail_arity() const { fail("ERR wrong number of arguments for '" + std::string(name_) + "' command"); }

void call::fail_expiry() const { fail("ERR invalid expire time in '" + std::string(name_) + "' command"); }

}  // namespace weir::engine
