#include "proxy/fallback/replay_batch.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weir {

namespace {

/// Not because of the command, but because of the server's state: later it may be otherwise.
constexpr std::array<std::string_view, 9> states{"LOADING",     "READONLY",   "OOM",  "MISCONF", "MASTERDOWN",
                                                 "CLUSTERDOWN", "NOREPLICAS", "BUSY", "NOAUTH"};

std::string code_of(std::string_view error) { return std::string(error.substr(0, error.find(' '))); }

bool is_state(std::string_view error) { return std::ranges::find(states, code_of(error)) != states.end(); }

}  // namespace

bool replay_batch::forbids_writes(std::string_view error) {
    const std::string code = code_of(error);
    return code == "OOM" || code == "MISCONF" || code == "NOREPLICAS" || code == "NOPERM";
}

namespace {

/// An operation as the rewriter takes requests.
struct request_bytes {
    std::string raw;
    std::vector<argument_slice> slices;

    explicit request_bytes(const std::vector<std::string>& words) {
        raw = "*" + std::to_string(words.size()) + "\r\n";
        for (const std::string& word : words) {
            raw.append("$").append(std::to_string(word.size())).append("\r\n");
            slices.push_back({static_cast<std::uint32_t>(raw.size()), static_cast<std::uint32_t>(word.size())});
            raw.append(word).append("\r\n");
        }
    }
};

}  // namespace

void append_request(std::string& out, std::span<const std::string_view> words) {
    out.append("*").append(std::to_string(words.size())).append("\r\n");
    for (const std::string_view word : words) {
        out.append("$").append(std::to_string(word.size())).append("\r\n").append(word).append("\r\n");
    }
}

void replay_batch::add(std::initializer_list<std::string_view> words) {
    append_request(requests_, std::span(words.begin(), words.size()));
}

void replay_batch::select(int database) {
    if (std::exchange(database_, database) == database) return;
    add({"SELECT", std::to_string(database)});
    commands_.push_back(not_an_operation);
}

void replay_batch::begin(bool is_last_try) {
    requests_.clear();
    commands_.clear();
    refused_.clear();
    error_.clear();
    database_ = 0;
    is_last_try_ = is_last_try;
    add({"MULTI"});
}

void replay_batch::build(const write_journal& journal, std::size_t count, const replay_marker& marker, std::uint64_t number) {
    begin(false);
    for (std::size_t i = 0; i < count; ++i) {
        if (!journal[i].words.empty()) add_operation(journal[i], i);
    }
    select(0);
    add({"SET", marker.name, std::to_string(number), "PX", marker.milliseconds});
    commands_.push_back(not_an_operation);
    add({"EXEC"});
    add({"WATCH", marker.name});
}

void replay_batch::build_last_try(const write_journal& journal, const replay_marker& marker) {
    begin(true);
    if (!journal[0].words.empty()) add_operation(journal[0], 0);
    select(0);
    add({"EXEC"});
    add({"WATCH", marker.name});
}

void replay_batch::add_operation(const write_journal::operation& operation, std::size_t place) {
    const command_spec* const command = table_->find(operation.words.front());
    const bool is_sent = command != nullptr && command->route == command_route::forward && !command->runs_script();
    buffer rewritten;
    if (is_sent) {
        const request_bytes request(operation.words);
        const arguments view(request.raw, request.slices);
        if (rewriter_.rewrite(view, *command, *operation.whose, rewritten) == rewrite_status::ok) {
            select(operation.database);
            requests_.append(rewritten.view());
            commands_.push_back(place);
            return;
        }
    }
    refused_.push_back({place, "ERR"});
}

replay_batch::outcome replay_batch::judge(const std::vector<control_reply>& replies) {
    const control_reply& exec = replies[commands_.size() + 1];
    if (exec.type == control_reply::kind::nil) return outcome::disturbed;
    if (!exec.is_array() || exec.elements.size() != commands_.size()) return judge_abortion(replies);
    for (std::size_t i = 0; i < commands_.size(); ++i) {
        if (!exec.elements[i].is_error() || commands_[i] == not_an_operation) continue;
        refused_.push_back({commands_[i], code_of(exec.elements[i].text)});
    }
    return outcome::done;
}

replay_batch::outcome replay_batch::judge_abortion(const std::vector<control_reply>& replies) {
    bool refuses_operations = false;
    for (std::size_t i = 0; i < commands_.size(); ++i) {
        const control_reply& queued = replies[i + 1];
        if (!queued.is_error()) continue;
        const bool in_vain = is_last_try_ && forbids_writes(queued.text);
        if (replies.front().is_error() || commands_[i] == not_an_operation || (is_state(queued.text) && !in_vain)) {
            error_ = queued.text;
            return outcome::unable;
        }
        refused_.push_back({commands_[i], code_of(queued.text)});
        refuses_operations = true;
    }
    if (refuses_operations) return outcome::aborted;
    error_ = replies[commands_.size() + 1].text;
    return outcome::unable;
}

}  // namespace weir
