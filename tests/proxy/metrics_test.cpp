#include "proxy/admin/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace weir {
namespace {

using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

class metrics : public testing::Test {
protected:
    metrics() {
        state_.version = "1.2.3";
        state_.accounts = [this] { return std::vector{acme_, globex_}; };
        state_.workers = {&first_, &second_};
        state_.snapshot = [this] { return upstream_; };
    }
    [[nodiscard]] std::string page() const { return metrics_page(state_).body; }

    static std::shared_ptr<tenant_account> account(const std::string& name, const tenant_terms& terms = {}) {
        tenant_options options;
        options.terms = shared_terms(terms);
        return std::make_shared<tenant_account>(std::make_shared<const tenant>(name, options), 2,
                                                [](const std::string&, const tenant_limit& limit) { return make_local_counter(limit.rule()); });
    }

    worker_counters first_;
    worker_counters second_;
    std::shared_ptr<tenant_account> acme_ = account("acme");
    std::shared_ptr<tenant_account> globex_ = account("globex");
    std::shared_ptr<upstream_snapshot> upstream_ = std::make_shared<upstream_snapshot>();
    admin_state state_;
};

/// The lines that declare metrics.
std::string declarations(const std::string& page) {
    std::istringstream lines(page);
    std::string out;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with('#')) out += line + '\n';
    }
    return out;
}

TEST_F(metrics, declare_what_the_golden_file_lists) {
    // Changed on purpose: WEIR_UPDATE_GOLDEN=1 writes it anew.
    const std::string path = WEIR_SOURCE_DIR "/tests/proxy/metrics.golden";
    if (std::getenv("WEIR_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << declarations(page());
    std::ifstream file(path);
    std::ostringstream golden;
    golden << file.rdbuf();
    EXPECT_EQ(declarations(page()), golden.str());
}

TEST_F(metrics, add_up_the_workers_by_tenant_and_result) {
    acme_->counters(0).result(command_result::ok).add(2);
    acme_->counters(1).result(command_result::ok).add(3);
    globex_->counters(1).result(command_result::refused).add();
    first_.upstream_timeouts.add(4);
    EXPECT_THAT(page(), HasSubstr("weir_commands_total{tenant=\"acme\",result=\"ok\"} 5\n"));
    EXPECT_THAT(page(), HasSubstr("weir_commands_total{tenant=\"globex\",result=\"refused\"} 1\n"));
    EXPECT_THAT(page(), HasSubstr("weir_commands_total{tenant=\"globex\",result=\"ok\"} 0\n"));
    EXPECT_THAT(page(), HasSubstr("weir_upstream_timeouts_total 4\n"));
    EXPECT_THAT(page(), HasSubstr("weir_build_info{version=\"1.2.3\"} 1\n"));
}

TEST_F(metrics, show_gauges_whose_parts_wrapped) {
    acme_->counters(0).connections.add(3);
    acme_->counters(1).connections.sub(2);  // opened by one worker, closed by the other
    EXPECT_THAT(page(), HasSubstr("weir_client_connections{tenant=\"acme\"} 1\n"));
    first_.in_flight.sub();
    EXPECT_THAT(page(), HasSubstr("weir_upstream_in_flight_commands 0\n"));
}

TEST_F(metrics, show_latencies_in_cumulative_buckets) {
    acme_->counters(0).latency.record(31);
    acme_->counters(1).latency.record(32);
    acme_->counters(1).latency.record(20'000'000);
    const std::string all = page();
    EXPECT_THAT(all, HasSubstr("weir_command_duration_seconds_count{tenant=\"acme\"} 3\n"));
    EXPECT_THAT(all, HasSubstr("weir_command_duration_seconds_bucket{tenant=\"acme\",le=\"3.2"));
    EXPECT_THAT(all, HasSubstr("weir_command_duration_seconds_bucket{tenant=\"acme\",le=\"+Inf\"} 3\n"));
    EXPECT_THAT(all, HasSubstr("weir_command_duration_seconds_sum{tenant=\"acme\"} 20.000063"));
    EXPECT_EQ(all.find("le=\"+Inf\""), all.rfind("le=\"+Inf\"", all.find("tenant=\"globex\",le")));
}

TEST_F(metrics, show_the_upstream_as_the_probe_sees_it) {
    EXPECT_THAT(page(), HasSubstr("weir_upstream_up 0\n"));
    EXPECT_THAT(page(), Not(HasSubstr("\nweir_upstream_ping_seconds ")));
    upstream_->connected = true;
    upstream_->ping = 250us;
    EXPECT_THAT(page(), HasSubstr("weir_upstream_up 1\n"));
    EXPECT_THAT(page(), HasSubstr("\nweir_upstream_ping_seconds 0.00025"));
}

TEST_F(metrics, show_no_numbers_of_a_breaker_or_fallback_that_is_not_there) {
    EXPECT_THAT(page(), Not(HasSubstr("\nweir_breaker_")));
    EXPECT_THAT(page(), Not(HasSubstr("\nweir_fallback_")));
}

TEST_F(metrics, show_the_breaker) {
    breaker circuit{breaker_options{}};
    state_.circuit = &circuit;
    const auto now = std::chrono::steady_clock::now();
    circuit.succeed(3, 0, now);
    for (int i = 0; i < 3; ++i) circuit.fail(breaker_failure::timeout, now);
    circuit.probe(false, now);
    const std::string all = page();
    EXPECT_THAT(all, HasSubstr("weir_breaker_state{state=\"open\"} 1\n"));
    EXPECT_THAT(all, HasSubstr("weir_breaker_state{state=\"closed\"} 0\n"));
    EXPECT_THAT(all, HasSubstr("weir_breaker_transitions_total{to=\"open\"} 1\n"));
    EXPECT_THAT(all, HasSubstr("weir_breaker_transitions_total{to=\"half_open\"} 0\n"));
    EXPECT_THAT(all, HasSubstr("weir_breaker_calls_total{result=\"success\"} 3\n"));
    EXPECT_THAT(all, HasSubstr("weir_breaker_calls_total{result=\"timeout\"} 3\n"));
    EXPECT_THAT(all, HasSubstr("weir_breaker_calls_total{result=\"probe\"} 1\n"));
    EXPECT_THAT(all, HasSubstr("weir_breaker_dry_run_openings_total 0\n"));
}

TEST_F(metrics, show_the_fallback_and_by_tenant_who_answered) {
    breaker circuit{breaker_options{}};
    state_.circuit = &circuit;
    acme_->counters(1).fallback_memory.add(5);
    globex_->counters(0).fallback_refused.add(2);
    state_.fallback = [] {
        fallback_numbers numbers;
        numbers.memory_keys = 1;
        numbers.memory_bytes = 2;
        numbers.evicted_total = 3;
        numbers.observed_total = 4;
        numbers.journal_operations = 5;
        numbers.journal_bytes = 6;
        numbers.replayed_total = 7;
        numbers.refused_by_redis_total = 8;
        numbers.dropped_total = 9;
        return numbers;
    };
    const std::string all = page();
    EXPECT_THAT(all, Not(HasSubstr("\nweir_postgres_")));
    EXPECT_THAT(all, HasSubstr("weir_fallback_answers_total{tenant=\"acme\",store=\"memory\"} 5\n"));
    EXPECT_THAT(all, HasSubstr("weir_fallback_answers_total{tenant=\"acme\",store=\"empty\"} 0\n"));
    EXPECT_THAT(all, HasSubstr("weir_fallback_answers_total{tenant=\"globex\",store=\"refused\"} 2\n"));
    int number = 0;
    for (const char* name : {"keys", "bytes", "evictions_total", "copies_total", "journal_operations", "journal_bytes", "replayed_total",
                             "replay_refused_total", "dropped_total"}) {
        EXPECT_THAT(all, HasSubstr("\nweir_fallback_" + std::string(name) + " " + std::to_string(++number) + "\n"));
    }
}

TEST_F(metrics, show_postgres) {
    breaker circuit{breaker_options{}};
    state_.circuit = &circuit;
    state_.fallback = [] {
        fallback_numbers numbers;
        numbers.postgres = shared_store_numbers{.in_use = true,
                                                .available = true,
                                                .trouble = {},
                                                .journal_rows = 2,
                                                .journal_bytes = 3,
                                                .oldest = 4'500ms,
                                                .dead_letters = 5,
                                                .pool = {}};
        numbers.postgres->pool.size = 6;
        numbers.postgres->pool.available = 2;
        numbers.postgres->pool.pending = 7;
        return numbers;
    };
    const std::string all = page();
    for (const char* line : {"available 1", "in_use 1", "journal_operations 2", "journal_bytes 3", "journal_oldest_seconds 4.5",
                             "dead_letters 5", "connections{state=\"used\"} 4", "connections{state=\"idle\"} 2", "waiting 7"}) {
        EXPECT_THAT(all, HasSubstr("\nweir_postgres_" + std::string(line) + "\n"));
    }
}

TEST_F(metrics, show_the_process) {
    const std::string all = page();
    for (const char* name : {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds",
                             "process_max_fds", "process_start_time_seconds"}) {
        EXPECT_THAT(all, HasSubstr("\n" + std::string(name) + " ")) << name;
    }
}

TEST_F(metrics, escape_labels) {
    acme_ = account("a\"b\\c\nd");
    EXPECT_THAT(page(), HasSubstr(R"(weir_client_connections{tenant="a\"b\\c\nd"} 0)"));
}

}  // namespace
}  // namespace weir
