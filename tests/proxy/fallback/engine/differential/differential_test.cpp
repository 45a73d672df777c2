// The engine against a real Redis: the same random commands, the same clock, the same bytes.
// WEIR_ENGINE_SECONDS sets how long (15 otherwise), WEIR_ENGINE_SEED repeats a run, WEIR_ENGINE_ONLY=ZADD,GET takes
// only these commands.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <set>

#include "tests/proxy/fallback/engine/differential/comparison.hpp"

namespace weir::engine {
namespace {

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
    const char* const text = std::getenv(name);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(differential_test, replies_are_those_of_redis_byte_for_byte) {
    const std::uint64_t seed = setting("WEIR_ENGINE_SEED", std::random_device{}());
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(setting("WEIR_ENGINE_SECONDS", 15));
    std::cout << "seed " << seed << std::endl;
    comparison compared(seed);
    while (std::chrono::steady_clock::now() < end && compared.differences() < 10) compared.run_batch();
    for (const auto& [name, count] : compared.counts()) std::cout << name << ' ' << count << "  ";
    std::cout << '\n' << compared.total() << " commands compared, " << compared.errors() << " of them errors, "
              << compared.differences() << " differences, " << compared.refused() << " refused as too long\n";
    EXPECT_EQ(compared.differences(), 0u);
    EXPECT_LT(compared.refused(), compared.total() / 10'000);
}

}  // namespace
}  // namespace weir::engine
