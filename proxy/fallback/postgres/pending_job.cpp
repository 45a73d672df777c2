#include "proxy/fallback/postgres/pending_job.hpp"

#include "protocol/errors.hpp"
#include "proxy/fallback/postgres/texts.hpp"

namespace weir::pg {

namespace {

/// Redis may hold what the table does not: to delete that as well does no harm.
bool deletes(const fallback_job::command& command) { return command.name == "del" || command.name == "unlink"; }

engine::effects::operation as_told(const fallback_job& job, const fallback_job::command& command) {
    engine::effects::operation told{job.database, {}};
    for (std::size_t i = 0; i < command.words; ++i) told.words.emplace_back(job.text_of(command.first_word + i));
    return told;
}

/// About what the command will take in the journal.
std::size_t cost(const fallback_job& job, const fallback_job::command& command) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < command.words; ++i) bytes += job.words[command.first_word + i].size;
    return transaction_notes::cost(bytes, command.words);
}

std::size_t cost(const fallback_job& job) {
    std::size_t bytes = 0;
    for (const auto& command : job.commands) bytes += command.writes ? cost(job, command) : 0;
    return bytes;
}

}  // namespace

void transaction_notes::add(noted_operation made) {
    std::size_t bytes = 0;
    for (const std::string& word : made.words) bytes += word.size();
    made.bytes = cost(bytes, made.words.size());
    bytes_ += made.bytes;
    room_ -= std::min(room_, made.bytes);
    operations_.push_back(std::move(made));
}

void pending_job::run(tenant_rows& rows, job_runner& runner, transaction_notes* notes, std::size_t number) {
    if (notes != nullptr && job_.transaction && cost(job_) > notes->room()) {
        return runner.refuse_transaction(job_, errors::journal_full);
    }
    row_keyspace& keys = rows.database(job_.database);
    engine::effects effects;
    runner.each(job_, [&](const fallback_job::command& command, const engine::command_row* row, reply_writer& reply) {
        if (row == nullptr) return runner.refuse(job_, command, reply);
        if (notes == nullptr) {
            job_.answered_by_postgres += runner.run(job_, command, *row, keys, reply, now_);
            return;
        }
        if (command.writes && !job_.transaction && cost(job_, command) > notes->room()) {
            return runner.refuse(job_, command, reply, errors::journal_full);
        }
        effects.set_room(notes->room());
        if (!runner.run(job_, command, *row, keys, reply, now_, &effects)) return;
        ++job_.answered_by_postgres;
        auto made = effects.take();
        if (deletes(command)) made = {as_told(job_, command)};
        for (auto& [database, words] : made) notes->add({database, std::move(words), number, job_.transaction});
    });
}

void pending_job::rewind() {
    job_.replies.truncate_end(job_.replies.size() - replies_);
    job_.performed = performed_;
    job_.answered_by_postgres = answered_;
    job_.refused = refused_;
    job_.overflowed = false;
}

void pending_job::refuse(job_runner& runner, std::string_view reason) {
    rewind();
    if (job_.transaction) {
        runner.refuse_transaction(job_, reason);
    } else {
        runner.each(job_, [&](const fallback_job::command& command, const engine::command_row*, reply_writer& reply) {
            runner.refuse(job_, command, reply, reason);
        });
    }
    answer();
}

void pending_job::answer_unknown() {
    const std::size_t performed = job_.performed;
    rewind();
    reply_writer reply(job_.replies, job_.version);
    if (job_.transaction) reply.error(texts::lost_write);
    for (std::size_t i = performed_; i < performed; ++i, ++job_.refused) {
        const auto& command = job_.commands[i];
        if (job_.transaction) continue;
        if (command.literal) {
            job_.replies.append(job_.text_of(command.first_word));
        } else {
            reply.error(texts::lost_write);
        }
    }
    job_.performed = performed;
    answer();
}

}  // namespace weir::pg
