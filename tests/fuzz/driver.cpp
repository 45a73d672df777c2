// Stands in for libFuzzer where there is none: main() runs a target over its seeds, then over mutations of
// them.
//
//     NAME_fuzz [--dict FILE] [--runs N] [--seed N] FOLDER    seeds, then N mutations
//     NAME_fuzz FILE                                          one input again

#include <csignal>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "tests/fuzz/fuzz_target.hpp"
#include "tests/fuzz/mutation.hpp"

// There when a sanitizer is.
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace weir::fuzz {
namespace {

struct settings {
    std::filesystem::path inputs;
    std::filesystem::path dictionary;
    std::uint64_t runs = 1'000;
    std::uint64_t seed = std::random_device{}();
};

std::string current_input;

/// As printf(1) takes it, to make a file of: printf '…' > input.
void print_current_input() {
    std::fputs("input: ", stderr);
    for (const char c : current_input) std::fprintf(stderr, "\\%03o", static_cast<unsigned char>(c));
    std::fputs("\n", stderr);
}

void on_abort(int signal_number) {
    print_current_input();
    std::signal(signal_number, SIG_DFL);
    std::raise(signal_number);
}

void run(std::string input) {
    current_input = std::move(input);
    // Memory of its own size, so that ASan sees a look past its end.
    const std::vector<std::uint8_t> bytes(current_input.begin(), current_input.end());
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

settings read_settings(int count, char** words) {
    settings chosen;
    for (int i = 1; i < count; ++i) {
        const std::string word = words[i];
        const bool has_value = i + 1 < count;
        if (word == "--dict" && has_value) {
            chosen.dictionary = words[++i];
        } else if (word == "--runs" && has_value) {
            chosen.runs = std::stoull(words[++i]);
        } else if (word == "--seed" && has_value) {
            chosen.seed = std::stoull(words[++i]);
        } else {
            chosen.inputs = word;
        }
    }
    return chosen;
}

void run_all(const settings& chosen) {
    if (!std::filesystem::is_directory(chosen.inputs)) {
        std::ifstream from(chosen.inputs, std::ios::binary);
        return run({std::istreambuf_iterator<char>(from), {}});
    }
    const std::vector<std::string> seeds = read_seeds(chosen.inputs);
    std::printf("%zu seeds, %llu mutations with --seed %llu\n", seeds.size(),
                static_cast<unsigned long long>(chosen.runs), static_cast<unsigned long long>(chosen.seed));
    std::fflush(stdout);
    for (const std::string& seed : seeds) run(seed);
    mutator mutations(seeds, read_dictionary(chosen.dictionary), chosen.seed);
    for (std::uint64_t i = 0; i < chosen.runs; ++i) run(mutations.next());
}

}  // namespace
}  // namespace weir::fuzz

int main(int count, char** words) {
    std::signal(SIGABRT, weir::fuzz::on_abort);
    if (__sanitizer_set_death_callback != nullptr)
        __sanitizer_set_death_callback(weir::fuzz::print_current_input);
    try {
        weir::fuzz::run_all(weir::fuzz::read_settings(count, words));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
