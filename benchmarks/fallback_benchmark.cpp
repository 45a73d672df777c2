#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "policy/breaker.hpp"
#include "proxy/fallback/fallback_service.hpp"

// What answers without the upstream cost: from post() to the delivery, on the fallback's one thread.

namespace weir {
namespace {

/// A worker's turns: posts them, and waits for the answers of the one before the last, so that the fallback never waits.
class turns {
public:
    explicit turns(std::size_t keys) {
        settings_.fallback.order = {fallback_store::memory};
        settings_.fallback.memory.max_bytes = std::size_t{1} << 30;
        service_ = std::make_unique<fallback_service>(settings_, circuit_, 1,
                                                      [this](std::size_t, std::vector<fallback_job> done) {
                                                          delivered_ += done.size();
                                                          delivered_.notify_one();
                                                      });
        circuit_.force_open(std::chrono::steady_clock::now(), "the benchmark");
        for (std::size_t i = 0; i < keys; ++i) post("set", {"SET", key(i), "value of some length"}, 1);
        wait(0);
    }

    static std::string key(std::size_t i) { return "session:" + std::to_string(i); }

    void post(std::string_view row, const std::vector<std::string>& words, std::size_t jobs) {
        std::vector<fallback_job> turn(jobs);
        for (auto& job : turn) {
            job.whose = whose_;
            job.commands.push_back({command_table::built_in()->find(row)->name, 0, words.size(), row == "set"});
            for (const auto& word : words) job.add_word(word);
        }
        posted_ += jobs;
        service_->post(std::move(turn));
    }
    void post(std::vector<fallback_job> turn) {
        posted_ += turn.size();
        service_->post(std::move(turn));
    }
    void wait(std::size_t ahead) {
        for (auto now = delivered_.load(); now + ahead < posted_; now = delivered_.load()) delivered_.wait(now);
    }

private:
    options settings_;
    breaker circuit_{breaker_options{}};
    std::shared_ptr<const tenant> whose_ = std::make_shared<const tenant>("acme", tenant_options{});
    std::atomic<std::size_t> delivered_{0};
    std::size_t posted_ = 0;
    std::unique_ptr<fallback_service> service_;
};

/// Jobs of `jobs` clients a turn, each of `commands` GETs.
void get(benchmark::State& state) {
    constexpr std::size_t keys = 10'000;
    turns all(keys);
    const auto jobs = static_cast<std::size_t>(state.range(0));
    const auto commands = static_cast<std::size_t>(state.range(1));
    const auto whose = std::make_shared<const tenant>("acme", tenant_options{});
    const auto name = command_table::built_in()->find("get")->name;
    std::size_t i = 0;
    for (auto _ : state) {
        std::vector<fallback_job> turn(jobs);
        for (auto& job : turn) {
            job.whose = whose;
            for (std::size_t n = 0; n < commands; ++n) {
                job.commands.push_back({name, job.words.size(), 2, false});
                job.add_word("GET");
                job.add_word(turns::key(++i * 7919 % keys));
            }
        }
        all.post(std::move(turn));
        all.wait(jobs);
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(static_cast<std::size_t>(state.iterations()) * jobs * commands));
}
BENCHMARK(get)->Args({64, 1})->Args({64, 16})->Args({1, 64})->Args({1, 1})->UseRealTime();

}  // namespace
}  // namespace weir

BENCHMARK_MAIN();
