#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "proxy/fallback/answering_store.hpp"
#include "proxy/fallback/circuit_hold.hpp"
#include "proxy/fallback/job_runner.hpp"
#include "proxy/fallback/memory_store.hpp"
#include "proxy/fallback/write_journal.hpp"

namespace weir {

/// The store `memory`. With a journal, what its writes do is noted there, and writes for which it has no room are refused.
class memory_answers final : public answering_store {
public:
    /// `stamps` as memory_store has them.
    memory_answers(job_runner& runner, std::size_t max_bytes, const write_stamps* stamps)
        : runner_(runner), store_(max_bytes, stamps) {}

    /// Journal and hold outlive this. `remembers`: whether there may be copies of this key once its value has been replayed.
    void keep_journal(write_journal& journal, circuit_hold& hold, std::function<bool(std::string_view)> remembers);

    [[nodiscard]] verdict answer(fallback_job& job, std::int64_t now) override;

    /// What this tenant has. Valid until expire_some() is called.
    [[nodiscard]] engine::keyspace& keys_of(const std::shared_ptr<const tenant>& whose, int database);
    [[nodiscard]] memory_store& values() { return store_; }
    [[nodiscard]] const memory_store& values() const { return store_; }
    /// As memory_store has it.
    std::size_t expire_some(std::size_t count, std::int64_t now) {
        known_.fill({});
        return store_.expire_some(count, now);
    }
    /// Pushes out what is too much.
    void trim() { evicted_total_ += store_.trim(); }
    [[nodiscard]] std::uint64_t evicted_total() const { return evicted_total_; }

private:
    /// The tenant is held, so that where it stands says who it is.
    struct known_database {
        std::shared_ptr<const tenant> whose;
        int number = 0;
        engine::keyspace* keys = nullptr;
    };

    [[nodiscard]] verdict answer_and_note(fallback_job& job, std::int64_t now);
    [[nodiscard]] bool note(const fallback_job& job, const fallback_job::command& command, bool joined);

    job_runner& runner_;
    memory_store store_;
    write_journal* journal_ = nullptr;
    circuit_hold* hold_ = nullptr;
    std::function<bool(std::string_view)> remembers_;
    engine::effects effects_;
    std::array<known_database, 64> known_{};
    std::uint64_t evicted_total_ = 0;
};

}  // namespace weir
