#include <benchmark/benchmark.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "policy/command_set.hpp"
#include "policy/limit_counter.hpp"

// What limits cost a worker. Build and run: see README.md.

namespace weir {
namespace {

using namespace std::chrono_literals;

constexpr limit_time begin{1'795'262'400'000'000'000};

limit_rule rule_of(limit_algorithm algorithm) {
    limit_rule rule;
    rule.algorithm = algorithm;
    rule.count = 100'000;
    rule.period = 1s;
    rule.burst = rule.count;
    return rule;
}

/// One counter that all threads of a benchmark share, and a clock for each.
template <limit_algorithm algorithm>
struct shared_counter {
    static inline const limit_rule rule = rule_of(algorithm);
    static inline std::unique_ptr<limit_counter> counter;

    static void set_up(const benchmark::State&) { counter = make_local_counter(rule); }
    static void tear_down(const benchmark::State&) { counter.reset(); }
};

/// A unit passes. Clocks go on by twice the time that a unit takes, so that none is refused.
template <limit_algorithm algorithm>
void take_one(benchmark::State& state) {
    using shared = shared_counter<algorithm>;
    limit_time now = begin;
    std::uint64_t taken = 0;
    for (auto _ : state) {
        now += 20us * state.threads();
        taken += shared::counter->take(shared::rule, now, 1, 1);
    }
    state.counters["passed"] = benchmark::Counter(static_cast<double>(taken) / static_cast<double>(state.iterations()),
                                                  benchmark::Counter::kAvgThreads);
}

/// A client over its limit goes on asking.
template <limit_algorithm algorithm>
void take_refused(benchmark::State& state) {
    using shared = shared_counter<algorithm>;
    benchmark::DoNotOptimize(shared::counter->take(shared::rule, begin, 1, shared::rule.count));
    for (auto _ : state) benchmark::DoNotOptimize(shared::counter->take(shared::rule, begin, 1, 1));
}

/// A worker's turn: asks what remains, takes some in advance, gives back what it did not spend.
template <limit_algorithm algorithm>
void turn(benchmark::State& state) {
    using shared = shared_counter<algorithm>;
    limit_time now = begin;
    for (auto _ : state) {
        now += 20us * state.threads();
        benchmark::DoNotOptimize(shared::counter->standing(shared::rule, now));
        benchmark::DoNotOptimize(shared::counter->take(shared::rule, now, 1, 65));
        shared::counter->give_back(shared::rule, now, 64);
    }
}

template <limit_algorithm algorithm>
void say_why(benchmark::State& state) {
    using shared = shared_counter<algorithm>;
    benchmark::DoNotOptimize(shared::counter->take(shared::rule, begin, 1, shared::rule.count));
    for (auto _ : state) benchmark::DoNotOptimize(shared::counter->refusal(shared::rule, begin, 1));
}

void ask_command_set(benchmark::State& state) {
    const command_set set(std::vector<std::string>{"@write", "-@dangerous", "config|get"});
    const auto table = command_table::built_in();
    const auto rows = table->rows();
    std::size_t next = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(set.contains(*rows[next]));
        if (++next == rows.size()) next = 0;
    }
}

void compile_command_set(benchmark::State& state) {
    const std::vector<std::string> words{"@write", "-@dangerous", "config|get"};
    for (auto _ : state) benchmark::DoNotOptimize(command_set(words));
}

#define FOR_EACH_ALGORITHM(name)                                                                                     \
    BENCHMARK(name<limit_algorithm::gcra>)                                                                           \
        ->Setup(shared_counter<limit_algorithm::gcra>::set_up)                                                       \
        ->Teardown(shared_counter<limit_algorithm::gcra>::tear_down)                                                 \
        ->ThreadRange(1, 2);                                                                                         \
    BENCHMARK(name<limit_algorithm::sliding_window>)                                                                 \
        ->Setup(shared_counter<limit_algorithm::sliding_window>::set_up)                                             \
        ->Teardown(shared_counter<limit_algorithm::sliding_window>::tear_down)                                       \
        ->ThreadRange(1, 2);                                                                                         \
    BENCHMARK(name<limit_algorithm::fixed_window>)                                                                   \
        ->Setup(shared_counter<limit_algorithm::fixed_window>::set_up)                                               \
        ->Teardown(shared_counter<limit_algorithm::fixed_window>::tear_down)                                         \
        ->ThreadRange(1, 2)

FOR_EACH_ALGORITHM(take_one);
FOR_EACH_ALGORITHM(take_refused);
FOR_EACH_ALGORITHM(turn);
FOR_EACH_ALGORITHM(say_why);
BENCHMARK(ask_command_set);
BENCHMARK(compile_command_set);

}  // namespace
}  // namespace weir

BENCHMARK_MAIN();
