#include "proxy/fallback/memory_answers.hpp"

#include <algorithm>
#include <utility>

#include "protocol/errors.hpp"

namespace weir {

namespace {

/// The upstream may have more; whether there is a database, and the tenant may use it, has been decided before.
constexpr std::int64_t least_databases = 16;

/// Whether nothing but such an operation is needed to know the value.
bool is_whole(const std::vector<std::string>& words) {
    return words[0] == "SET" && (words.size() == 3 || (words.size() == 5 && words[3] == "PXAT"));
}

/// Redis may hold what the memory does not: to delete that as well does no harm.
bool deletes(const fallback_job::command& command) {
    return command.name == "del" || command.name == "unlink";
}

engine::effects::operation deletion(const fallback_job& job, const fallback_job::command& command) {
    engine::effects::operation made{job.database, {command.name == "unlink" ? "UNLINK" : "DEL"}};
    for (std::size_t i = 1; i < command.words; ++i) made.words.emplace_back(job.text_of(command.first_word + i));
    return made;
}

bool writes(const fallback_job& job) { return std::ranges::any_of(job.commands, &fallback_job::command::writes); }

/// About what the command will take in the journal.
std::size_t cost(const fallback_job& job, const fallback_job::command& command) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < command.words; ++i) bytes += job.words[command.first_word + i].size;
    return write_journal::cost(bytes, command.words);
}

std::size_t cost(const fallback_job& job) {
    std::size_t bytes = 0;
    for (const auto& command : job.commands) bytes += command.writes ? cost(job, command) : 0;
    return bytes;
}

}  // namespace

void memory_answers::keep_journal(write_journal& journal, circuit_hold& hold,
                                  std::function<bool(std::string_view)> remembers) {
    journal_ = &journal;
    hold_ = &hold;
    remembers_ = std::move(remembers);
}

answering_store::verdict memory_answers::answer(fallback_job& job, std::int64_t now) {
    if (journal_ != nullptr && writes(job)) return answer_and_note(job, now);
    engine::keyspace& keys = keys_of(job.whose, job.database);
    runner_.each(job, [&](const fallback_job::command& command, const engine::command_row* row, reply_writer& reply) {
        if (row == nullptr) return runner_.refuse(job, command, reply);
        if (runner_.run(job, command, *row, keys, reply, now)) ++job.answered_by_memory;
        trim();
    });
    return verdict::answered;
}

answering_store::verdict memory_answers::answer_and_note(fallback_job& job, std::int64_t now) {
    const bool was_held = hold_->is_held();
    if (!hold_->take()) return verdict::returned;
    if (job.transaction && cost(job) > journal_->room(*job.whose)) {
        runner_.refuse_transaction(job, errors::journal_full);
    } else {
        engine::keyspace& keys = keys_of(job.whose, job.database);
        bool joined = false;
        runner_.each(job, [&](const fallback_job::command& command, const engine::command_row* row, reply_writer& reply) {
            if (row == nullptr) return runner_.refuse(job, command, reply);
            const std::size_t room = command.writes ? journal_->room(*job.whose) : 0;
            if (command.writes && !job.transaction && cost(job, command) > room) {
                return runner_.refuse(job, command, reply, errors::journal_full);
            }
            effects_.set_room(room);
            if (!runner_.run(job, command, *row, keys, reply, now, &effects_)) return;
            ++job.answered_by_memory;
            joined = note(job, command, joined);
            trim();
        });
    }
    if (journal_->empty() && !was_held) hold_->release();
    return verdict::answered;
}

/// What the last command did. Whether the next one is joined with what stands in the journal.
bool memory_answers::note(const fallback_job& job, const fallback_job::command& command, bool joined) {
    auto made = effects_.take();
    if (deletes(command)) made = {deletion(job, command)};
    for (auto& [number, words] : made) {
        const auto database = static_cast<int>(number);
        if (is_whole(words) && remembers_(words[1])) {
            const auto slot = write_stamps::slot_of(job.whose->prefix(), database, words[1]);
            store_.vouch(keys_of(job.whose, database), words[1], static_cast<std::uint32_t>(slot));
        }
        journal_->append({.whose = job.whose, .database = database, .words = std::move(words), .joined = joined});
        joined = job.transaction;
    }
    return joined;
}

engine::keyspace& memory_answers::keys_of(const std::shared_ptr<const tenant>& whose, int database) {
    const auto place = (reinterpret_cast<std::uintptr_t>(whose.get()) >> 6) + static_cast<unsigned>(database);
    known_database& known = known_[place % known_.size()];
    if (known.whose != whose || known.number != database) {
        const auto databases = std::max(least_databases, std::int64_t{database} + 1);
        known = {whose, database, &store_.database(whose->prefix(), database, databases)};
    }
    return *known.keys;
}

}  // namespace weir
