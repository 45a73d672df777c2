#include "proxy/fallback/fallback_port.hpp"

#include <utility>

#include "proxy/fallback/engine/commands.hpp"

namespace weir {

namespace {

std::vector<bool> known_commands() {
    std::vector<bool> known;
    for (const command_spec* row : command_table::built_in()->rows()) {
        if (row->number >= known.size()) known.resize(row->number + std::size_t{1});
        known[row->number] = engine::find_command(row->name) != nullptr;
    }
    return known;
}

}  // namespace

bool fallback_port::knows(const command_spec& command) {
    static const std::vector<bool> known = known_commands();
    return command.number != command_spec::not_built_in && known[command.number];
}

void fallback_port::post(fallback_job job) {
    job.worker = worker_;
    outgoing_.push_back(std::move(job));
}

void fallback_port::flush() {
    if (!outgoing_.empty()) service_->post(std::exchange(outgoing_, {}));
}

}  // namespace weir
