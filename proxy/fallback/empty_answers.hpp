#pragma once

#include "proxy/fallback/answering_store.hpp"
#include "proxy/fallback/job_runner.hpp"

namespace weir {

/// The last resort. `error`: every command is refused. `empty`: reads are answered as if the tenant had no keys.
class empty_answers final : public answering_store {
public:
    empty_answers(job_runner& runner, bool answers_reads) : runner_(runner), answers_reads_(answers_reads) {}

    [[nodiscard]] verdict answer(fallback_job& job, std::int64_t now) override;

private:
    job_runner& runner_;
    bool answers_reads_;
};

}  // namespace weir
