#include "proxy/fallback/job_runner.hpp"

#include <string>

#include "protocol/errors.hpp"

namespace weir {

const engine::command_row* job_runner::find(std::string_view name) {
    known& place = known_[(reinterpret_cast<std::uintptr_t>(name.data()) >> 2) % known_.size()];
    if (place.name.data() != name.data() || place.name.size() != name.size()) place = {name, engine::find_command(name)};
    return place.row;
}

bool job_runner::run(fallback_job& job, const fallback_job::command& command, const engine::command_row& row,
                     engine::keyspace& keys, reply_writer& reply, std::int64_t now, engine::effects* journal) {
    words_.clear();
    for (std::size_t i = 0; i < command.words; ++i) words_.push_back(job.text_of(command.first_word + i));
    engine::surroundings around{.keys = keys, .reply = reply, .now = now, .random = random_, .journal = journal};
    around.limits.max_result_bytes = max_reply_bytes_;
    engine::run(row, words_, around);
    if (around.obstacle.empty()) return true;
    refuse(job, command, reply, around.obstacle);
    return false;
}

void job_runner::refuse(fallback_job& job, const fallback_job::command& command, reply_writer& reply,
                        std::string_view reason) {
    write_refusal(reply, command.name, reason);
    ++job.refused;
}

void job_runner::refuse_transaction(fallback_job& job, std::string_view reason) {
    reply_writer reply(job.replies, job.version);
    write_refusal(reply, "exec", reason);
    job.refused += job.commands.size();
    job.performed = job.commands.size();
}

void job_runner::write_refusal(reply_writer& reply, std::string_view name, std::string_view reason) const {
    const std::string what = "'" + std::string(name) + "'";
    const auto state = circuit_.passes() ? breaker_state::open : circuit_.state();
    if (!reason.empty()) return reply.error(errors::not_without_upstream(to_string(state), what, reason));
    const auto numbers = circuit_.numbers(std::chrono::steady_clock::now());
    reply.error(errors::not_without_upstream(to_string(state), what, numbers.reason));
}

}  // namespace weir
