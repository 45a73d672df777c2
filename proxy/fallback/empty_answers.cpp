#include "proxy/fallback/empty_answers.hpp"

namespace weir {

namespace {

/// A database without keys, to which nothing is written.
class no_keys final : public engine::keyspace {
public:
    explicit no_keys(std::int64_t number) : number_(number) {}

    engine::entry* find(std::string_view, std::int64_t) override { return nullptr; }
    /// What would be written is thrown away.
    engine::entry& put(std::string_view, engine::entry what) override { return thrown_away_ = std::move(what); }
    void altered(std::string_view, engine::entry&) override {}
    bool remove(std::string_view) override { return false; }
    void clear() override {}
    std::optional<std::string> random_key(engine::random_source&, std::int64_t) override { return std::nullopt; }
    std::uint64_t scan(std::uint64_t, std::uint64_t, std::int64_t, const key_visitor&) override { return 0; }
    std::int64_t number() const override { return number_; }
    keyspace* sibling(std::int64_t) override { return nullptr; }
    void clear_all() override {}

private:
    std::int64_t number_;
    engine::entry thrown_away_;
};

}  // namespace

answering_store::verdict empty_answers::answer(fallback_job& job, std::int64_t now) {
    no_keys keys(job.database);
    runner_.each(job, [&](const fallback_job::command& command, const engine::command_row* row, reply_writer& reply) {
        if (row == nullptr || command.writes || !answers_reads_) return runner_.refuse(job, command, reply);
        if (runner_.run(job, command, *row, keys, reply, now)) ++job.answered_empty;
    });
    return verdict::answered;
}

}  // namespace weir
