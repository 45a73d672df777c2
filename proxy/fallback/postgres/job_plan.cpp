#include "proxy/fallback/postgres/job_plan.hpp"

#include <unordered_map>

#include "protocol/command_keys.hpp"

namespace weir::pg {

namespace {

/// Names of rows are the same bytes each time.
const command_spec* spec_of(std::string_view name) {
    static const auto known = [] {
        std::unordered_map<const char*, const command_spec*> all;
        for (const command_spec* row : command_table::built_in()->rows()) all[row->name.data()] = row;
        return all;
    }();
    const auto found = known.find(name.data());
    if (found != known.end()) return found->second;
    return command_table::built_in()->find_row(name);
}

void add_keys(const fallback_job& job, const fallback_job::command& command, job_plan& to) {
    const command_spec* const spec = spec_of(command.name);
    if (spec == nullptr) return;
    std::vector<argument_slice> slices;
    for (std::size_t i = 0; i < command.words; ++i) {
        const auto& word = job.words[command.first_word + i];
        slices.push_back({static_cast<std::uint32_t>(word.begin - job.words[command.first_word].begin),
                          static_cast<std::uint32_t>(word.size)});
    }
    const arguments request(std::string_view(job.text).substr(job.words[command.first_word].begin), slices);
    std::vector<std::uint32_t> positions;
    for (const key_spec& each : spec->keys()) locate_keys(request, each, positions);
    if (command.name == "sort") {
        visit_sort_names(request, [&](sort_name kind, std::size_t i) {
            if (kind == sort_name::store) positions.push_back(static_cast<std::uint32_t>(i));
        });
    }
    for (const auto i : positions) to.keys.push_back(request[i]);
    to.whole = to.whole || spec->keys().empty();
}

}  // namespace

job_plan plan_of(const fallback_job& job, job_runner& runner) {
    job_plan made;
    for (const auto& command : job.commands) {
        if (command.literal || runner.find(command.name) == nullptr) continue;
        made.writes = made.writes || command.writes;
        add_keys(job, command, made);
    }
    return made;
}

}  // namespace weir::pg
