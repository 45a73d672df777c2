#include "proxy/upstream/call_outcomes.hpp"

#include <utility>

namespace weir {

void call_outcomes::fail(breaker_failure kind, breaker_time sent, breaker_time now) {
    if (circuit_ == nullptr) return;
    flush(now);  // what succeeded before it ends a row of failures
    circuit_->fail(kind, sent, now);
}

void call_outcomes::fall_silent(breaker_time now) {
    flush(now);
    if (circuit_ != nullptr) circuit_->fall_silent(now);
}

void call_outcomes::tried(bool succeeded, breaker_time sent, breaker_time now) {
    if (circuit_ != nullptr) circuit_->tried(succeeded, sent, now);
}

void call_outcomes::untried() {
    if (circuit_ != nullptr) circuit_->untried();
}

bool call_outcomes::is_failure(std::string_view error_line, bool writes) const {
    return circuit_ != nullptr && circuit_->is_failure(error_line, writes);
}

void call_outcomes::flush(breaker_time now) {
    if (succeeded_ == 0) return;
    circuit_->succeed(std::exchange(succeeded_, 0), std::exchange(slow_, 0), now);
}

}  // namespace weir
