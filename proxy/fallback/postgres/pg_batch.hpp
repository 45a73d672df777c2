#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/fallback/postgres/pg_error.hpp"
#include "proxy/fallback/postgres/pg_result.hpp"

namespace weir::pg {

/// A statement that each connection prepares when it is opened.
struct statement {
    std::string name;
    std::string sql;
};

/// The values of one statement's parameters, in binary format.
class parameters {
public:
    parameters() = default;
    // A copy would show what the original owns.
    parameters(parameters&&) = default;
    parameters& operator=(parameters&&) = default;

    /// The bytes must stay where they are until the batch has been sent.
    parameters& bytes(std::string_view value) {
        values_.push_back(value);
        return *this;
    }
    parameters& owned(std::string value) { return bytes(owned_.emplace_back(std::move(value))); }
    parameters& null() {
        values_.emplace_back(std::nullopt);
        return *this;
    }
    parameters& int4(std::int32_t value) {
        append_integer(owned_.emplace_back(), value);
        return bytes(owned_.back());
    }
    parameters& int8(std::int64_t value) {
        append_integer(owned_.emplace_back(), value);
        return bytes(owned_.back());
    }
    parameters& boolean(bool value) { return owned(std::string(1, value ? '\1' : '\0')); }
    template <typename Texts>
    parameters& array(const Texts& texts) {
        array_writer writer(owned_.emplace_back(), oid::bytea, std::size(texts));
        for (const std::string_view each : texts) writer.add(each);
        return bytes(owned_.back());
    }
    parameters& array_of_int8(const std::vector<std::int64_t>& numbers) {
        array_writer writer(owned_.emplace_back(), oid::int8, numbers.size());
        for (const std::int64_t each : numbers) writer.add(each);
        return bytes(owned_.back());
    }

    [[nodiscard]] const std::vector<std::optional<std::string_view>>& values() const { return values_; }

private:
    std::vector<std::optional<std::string_view>> values_;
    std::deque<std::string> owned_;  ///< does not move what it holds
};

/// Statements that are sent together, and answered together: one round trip. The first error ends them, and undoes what those
/// before it did unless a transaction was begun: then that has failed.
class batch {
public:
    struct step {
        const statement* prepared = nullptr;
        std::string sql;  ///< where nothing is prepared: run as it is, without parameters
        const statement* to_prepare = nullptr;
        parameters with;
    };

    void add(const statement& prepared, parameters with = {}) { steps_.push_back({&prepared, {}, nullptr, std::move(with)}); }
    void add_sql(std::string sql) { steps_.push_back({nullptr, std::move(sql), nullptr, {}}); }
    void prepare(const statement& made) { steps_.push_back({nullptr, {}, &made, {}}); }

    [[nodiscard]] bool empty() const { return steps_.empty(); }
    [[nodiscard]] const std::vector<step>& steps() const { return steps_; }

private:
    std::vector<step> steps_;
};

struct outcome {
    std::vector<result> results;  ///< one for each step; fewer where there is an error
    std::optional<error> failed;

    explicit operator bool() const { return !failed; }
};

}  // namespace weir::pg
