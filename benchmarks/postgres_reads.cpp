// GET through the store in Postgres, beside pgbench on the same table, with the same number of connections, in turn: how many a
// second, and what each costs the process that asks.
//
//     postgres_reads [CONNECTIONS 4] [CLIENTS as many] [ROUNDS 5] [SECONDS 3 each]

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <regex>
#include <string>
#include <vector>

#include "proxy/fallback/postgres/postgres_answers.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/request_text.hpp"

namespace weir {
namespace {

constexpr int keys = 100'000;

class side_by_side {
public:
    side_by_side(std::size_t connections, std::size_t clients) : connections_(connections), clients_(clients) {
        pg::store_options settings;
        settings.pool.min = settings.pool.max = connections;
        std::string fault;
        store_ = std::make_unique<postgres_answers>(context_.get_executor(), *pg::target::parse(server_.dsn(), fault), settings, runner_);
        while (store_->pool().size < connections) context_.run_one();
        server_.sql("insert into weir.entries (prefix, database, key, type, string) select 'tenant:acme:', 0,"
                    " convert_to('key:' || n, 'UTF8'), 'string', convert_to(repeat('x', 64), 'UTF8') from generate_series(0, " +
                    std::to_string(keys - 1) + ") n");
        server_.sql("vacuum analyze weir.entries");
        std::ofstream(script_) << "\\set n random(0, " << keys - 1 << ")\n"
                               << "select string from weir.entries where prefix = 'tenant:acme:' and database = 0"
                               << " and key = ('key:' || :n)::bytea;\n";
    }

    struct outcome {
        double per_second = 0;
        double cpu_us = 0;  ///< of the process that asks, for each
    };

    outcome ours(std::chrono::seconds length) {
        const auto end = std::chrono::steady_clock::now() + length;
        std::size_t running = 0, done = 0;
        std::function<void()> next = [&] {
            if (std::chrono::steady_clock::now() >= end) {
                --running;
                return;
            }
            store_->answer(get(), 1'700'000'000'000, [&](const fallback_job& job, answering_store::verdict) {
                done += job.replies.size() == 71;
                next();
            });
        };
        for (std::size_t i = 0; i < clients_; ++i, ++running) next();
        const auto started = std::chrono::steady_clock::now();
        const double used = cpu_us(RUSAGE_SELF);
        while (running > 0) context_.run_one();
        const auto count = static_cast<double>(done);
        return {count / std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count(),
                (cpu_us(RUSAGE_SELF) - used) / count};
    }
    outcome pgbench(std::chrono::seconds length) const {
        const std::string command = test::postgres_server::program("pgbench") + " -n -M prepared -j 1 -c " +
                                    std::to_string(connections_) + " -T " + std::to_string(length.count()) + " -f " + script_ +
                                    " -h " + server_.folder() + " -U weir postgres 2>&1";
        const double used = cpu_us(RUSAGE_CHILDREN);
        FILE* const output = ::popen(command.c_str(), "r");
        std::string said(4'096, '\0');
        said.resize(std::fread(said.data(), 1, said.size(), output));
        ::pclose(output);
        std::smatch found;
        if (!std::regex_search(said, found, std::regex("processed: ([0-9]+)[^]*tps = ([0-9.]+)"))) return {};
        return {std::stod(found[2]), (cpu_us(RUSAGE_CHILDREN) - used) / std::stod(found[1])};
    }

private:
    static double cpu_us(int whose) {
        rusage used{};
        ::getrusage(whose, &used);
        const auto in_us = [](const timeval& time) { return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec); };
        return in_us(used.ru_utime) + in_us(used.ru_stime);
    }
    fallback_job get() {
        fallback_job made;
        made.whose = acme_;
        made.add_command(test::request_text({"GET", "key:" + std::to_string(random_() % keys)}).view(), *row_);
        return made;
    }

    std::size_t connections_, clients_;
    temporary_folder folder_;
    std::string script_ = folder_ / "get.sql";
    test::postgres_server server_;
    boost::asio::io_context context_{1};
    breaker circuit_{breaker_options{}};
    job_runner runner_{circuit_, std::size_t{64} << 20};
    std::unique_ptr<postgres_answers> store_;
    std::shared_ptr<const tenant> acme_ = std::make_shared<const tenant>("acme", tenant_options{});
    std::shared_ptr<const command_table> table_ = command_table::built_in();
    const command_spec* row_ = table_->find("get");
    std::minstd_rand random_{1};
};

}  // namespace
}  // namespace weir

int main(int count, char** words) {
    const auto argument = [&](int i, long otherwise) { return count > i ? std::atol(words[i]) : otherwise; };
    const auto connections = argument(1, 4);
    const auto clients = argument(2, connections);
    const std::chrono::seconds length(argument(4, 3));
    weir::side_by_side run(static_cast<std::size_t>(connections), static_cast<std::size_t>(clients));
    std::vector<double> ratios;
    for (long round = 0; round < argument(3, 5); ++round) {
        const auto theirs = run.pgbench(length);
        const auto ours = run.ours(length);
        ratios.push_back(ours.per_second / theirs.per_second);
        std::printf("pgbench %7.0f/s %5.1f us   GET %7.0f/s %5.1f us   ratio %.2f\n", theirs.per_second, theirs.cpu_us, ours.per_second,
                    ours.cpu_us, ratios.back());
        std::fflush(stdout);
    }
    std::ranges::sort(ratios);
    std::printf("%ld connections, %ld clients: median ratio %.2f\n", connections, clients, ratios[ratios.size() / 2]);
}
