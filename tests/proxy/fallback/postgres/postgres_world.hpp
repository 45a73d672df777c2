#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "proxy/fallback/postgres/pg_await.hpp"
#include "proxy/fallback/postgres/schema.hpp"
#include "tests/support/postgres_server.hpp"

namespace weir::pg::test {

using weir::test::postgres_server;
using weir::test::shared_postgres;

/// A thread of the fallback that goes on only while somebody waits for something.
class postgres_world {
public:
    static constexpr auto patience = std::chrono::seconds{60};

    /// False when it never is so.
    template <class Wanted>
    bool until(Wanted wanted) {
        const auto deadline = std::chrono::steady_clock::now() + patience;
        while (!wanted()) {
            if (std::chrono::steady_clock::now() > deadline) return false;
            context.restart();
            context.run_one_for(std::chrono::milliseconds{20});
        }
        return true;
    }
    /// What a coroutine gives.
    template <class Value>
    Value await(boost::asio::awaitable<Value> asked) {
        std::optional<Value> got;
        boost::asio::co_spawn(context, std::move(asked), [&](std::exception_ptr thrown, Value value) {
            if (thrown) std::rethrow_exception(thrown);
            got.emplace(std::move(value));
        });
        if (!until([&] { return got.has_value(); })) throw std::runtime_error("nothing came");
        return std::move(*got);
    }

    [[nodiscard]] static target where(const std::string& dsn) {
        std::string fault;
        auto made = target::parse(dsn, fault);
        EXPECT_TRUE(made) << fault;
        return *made;
    }
    /// An open one, or why not.
    std::pair<std::shared_ptr<connection>, std::optional<error>> connect(const std::string& dsn,
                                                                       const connection_options& options = {}) {
        auto made = std::make_shared<connection>(context.get_executor(), options);
        bool done = false;
        std::optional<error> failed;
        made->open(where(dsn), [&](std::optional<error> why) {
            done = true;
            failed = std::move(why);
        });
        EXPECT_TRUE(until([&] { return done; }));
        return {made, failed};
    }
    outcome run(connection& on, const batch& steps) { return await(pg::run(on, steps)); }
    outcome run(connection& on, const std::string& sql) {
        batch steps;
        steps.add_sql(sql);
        return run(on, steps);
    }

    /// A name that no other test of this run has.
    [[nodiscard]] static std::string fresh_schema() {
        static int count = 0;
        return "weir_test_" + std::to_string(++count);
    }

    boost::asio::io_context context{1};
};

}  // namespace weir::pg::test
