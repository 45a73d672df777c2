#pragma once

#include <libpq-fe.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "proxy/fallback/postgres/pg_wire.hpp"

namespace weir::pg {

/// Rows that a statement gave, in binary format. Views of them are valid as long as this is.
class result {
public:
    result() = default;
    explicit result(PGresult* owned) : held_(owned) {}

    [[nodiscard]] std::size_t rows() const { return held_ ? static_cast<std::size_t>(PQntuples(held_.get())) : 0; }
    /// nullopt: NULL, or no such row.
    [[nodiscard]] std::optional<std::string_view> bytes(std::size_t row, int column) const {
        if (row >= rows() || PQgetisnull(held_.get(), static_cast<int>(row), column)) return std::nullopt;
        return std::string_view(PQgetvalue(held_.get(), static_cast<int>(row), column),
                                static_cast<std::size_t>(PQgetlength(held_.get(), static_cast<int>(row), column)));
    }
    [[nodiscard]] std::optional<std::int64_t> int8(std::size_t row, int column) const {
        const auto value = bytes(row, column);
        return value ? read_int8(*value) : std::nullopt;
    }
    [[nodiscard]] bool is_true(std::size_t row, int column) const {
        const auto value = bytes(row, column);
        return value && value->size() == 1 && value->front() != 0;
    }
    [[nodiscard]] PGresult* get() const { return held_.get(); }

private:
    struct clear {
        void operator()(PGresult* owned) const { PQclear(owned); }
    };
    std::unique_ptr<PGresult, clear> held_;
};

}  // namespace weir::pg
