#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "protocol/ascii.hpp"
#include "proxy/fallback/postgres/postgres_answers.hpp"
#include "tests/proxy/fallback/postgres/postgres_world.hpp"
#include "tests/support/request_text.hpp"

namespace weir::pg::test {

using request = std::vector<std::string>;
using verdict = answering_store::verdict;

/// A database with a schema of its own, and stores on it, as many as are asked for: each is what one weir has.
class store_world : public postgres_world {
public:
    explicit store_world(postgres_server& on = shared_postgres()) : server(on) {
        settings.schema = fresh_schema();
        settings.pool.max = 4;
        settings.pool.acquire_timeout = std::chrono::milliseconds{30'000};
        settings.pool.connection.statement_timeout = std::chrono::milliseconds{30'000};
        settings.pool.breaker.open_for = settings.pool.breaker.max_open_for = std::chrono::milliseconds{20};
        settings.pool.breaker.probe_interval = std::chrono::milliseconds{20};
    }
    ~store_world() {
        stores.clear();
        context.restart();
        context.poll();
    }

    using postgres_world::run;

    postgres_answers& add_store() { return add_store(server.dsn()); }
    postgres_answers& add_store(const std::string& dsn) {
        stores.push_back(std::make_unique<postgres_answers>(context.get_executor(), where(dsn), settings, runner));
        return *stores.back();
    }
    postgres_answers& store() { return stores.empty() ? add_store() : *stores.front(); }

    [[nodiscard]] static const command_spec& spec_of(const request& words) {
        static const auto table = command_table::built_in();
        const command_spec* row = table->find(words[0]);
        if (row != nullptr && row->container && words.size() > 1) row = table->find_subcommand(*row, words[1]);
        if (row == nullptr) throw std::invalid_argument(words[0]);
        return *row;
    }
    [[nodiscard]] static std::shared_ptr<const tenant> tenant_named(const std::string& name) {
        return std::make_shared<const tenant>(name, tenant_options{});
    }
    [[nodiscard]] fallback_job job(const std::vector<request>& commands, bool transaction = false) const {
        fallback_job made;
        made.whose = whose;
        made.database = database;
        made.version = version;
        made.transaction = transaction;
        for (const request& each : commands) {
            const weir::test::request_text text(each);
            made.add_command(text.view(), spec_of(each));
        }
        return made;
    }

    struct answer {
        fallback_job job;
        verdict came;
    };
    answer run(postgres_answers& on, fallback_job asked) {
        std::optional<answer> got;
        on.answer(std::move(asked), now, [&](fallback_job done, verdict came) { got.emplace(answer{std::move(done), came}); });
        if (!until([&] { return got.has_value(); })) throw std::runtime_error("nothing came back");
        // As a session does when its turn was over before its commands were.
        fallback_job& job = got->job;
        if (got->came != verdict::answered || job.transaction || job.performed == job.commands.size()) return std::move(*got);
        job.commands.erase(job.commands.begin(), job.commands.begin() + static_cast<std::ptrdiff_t>(job.performed));
        job.performed = 0;
        return run(on, std::move(job));
    }
    /// The replies' bytes; "unable".
    std::string ask(fallback_job asked) {
        const auto got = run(store(), std::move(asked));
        return got.came == verdict::answered ? std::string(got.job.replies.view()) : "unable";
    }
    std::string ask(const request& words) { return ask(job({words})); }
    std::string pipeline(const std::vector<request>& commands) { return ask(job(commands)); }
    std::string transaction(const std::vector<request>& commands) { return ask(job(commands, true)); }

    std::string sql(const std::string& text) { return server.sql(schema(settings.schema).in(text)); }

    postgres_server& server;
    store_options settings;
    breaker redis{breaker_options{}};
    job_runner runner{redis, std::size_t{64} << 20};
    std::shared_ptr<const tenant> whose = tenant_named("acme");
    int database = 0;
    resp_version version = resp_version::resp2;
    std::int64_t now = 1'700'000'000'000;
    std::vector<std::unique_ptr<postgres_answers>> stores;
};

inline std::string bulk(const std::string& text) { return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n"; }
inline const std::string ok = "+OK\r\n";
inline const std::string nothing = "$-1\r\n";

}  // namespace weir::pg::test
