#include "proxy/fallback/memory_answers.hpp"

namespace weir {

namespace {

/// The upstream may have others; whether a tenant may use a database has been decided before.
constexpr std::int64_t databases = 16;

}  // namespace

answering_store::verdict memory_answers::answer(fallback_job& job, std::int64_t now) {
    engine::keyspace& keys = keys_of(job.whose, job.database);
    runner_.each(job, [&](const fallback_job::command& command, const engine::command_row* row, reply_writer& reply) {
        if (row == nullptr) return runner_.refuse(job, command, reply);
        runner_.run(job, command, *row, keys, reply, now);
        ++job.answered_by_memory;
        trim();
    });
    return verdict::answered;
}

engine::keyspace& memory_answers::keys_of(const std::shared_ptr<const tenant>& whose, int database) {
    const auto place = (reinterpret_cast<std::uintptr_t>(whose.get()) >> 6) + static_cast<unsigned>(database);
    known_database& known = known_[place % known_.size()];
    if (known.whose != whose || known.number != database) {
        known = {whose, database, &store_.database(whose->prefix(), database, databases)};
    }
    return *known.keys;
}

}  // namespace weir
