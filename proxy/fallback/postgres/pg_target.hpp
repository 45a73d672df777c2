#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/fallback/postgres/pg_error.hpp"

namespace weir::pg {

/// Where a database is, from a DSN (`postgres://…` or `host=… dbname=…`) as libpq reads it.
///
/// libpq looks names up with a call that blocks; here they are looked up before it is asked, and it is given addresses.
class target {
public:
    /// nullopt: `fault` says what is wrong with it, without the DSN.
    [[nodiscard]] static std::optional<target> parse(const std::string& dsn, std::string& fault);

    /// What libpq is to be told, names with their addresses, or why there are none. Does not call back at once.
    using resolved = std::function<void(std::optional<error>, std::map<std::string, std::string>)>;
    void resolve(const boost::asio::any_io_executor& executor, resolved done) const;

    /// `dbname at host`, for logs.
    [[nodiscard]] std::string shown() const;

private:
    std::map<std::string, std::string> options_;
};

}  // namespace weir::pg
