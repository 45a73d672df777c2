#include "proxy/fallback/fallback_port.hpp"

#include <algorithm>
#include <utility>

#include "policy/observing_reply.hpp"
#include "policy/reply_rewriter.hpp"
#include "protocol/command_keys.hpp"
#include "protocol/glob.hpp"
#include "proxy/fallback/engine/commands.hpp"

namespace weir {

namespace {

/// More observations are not kept back.
constexpr std::size_t max_kept_observations = 256;
/// What is not used of the rate in one moment is there in the next, for so long.
constexpr double burst_seconds = 1;

template <typename Predicate>
std::vector<bool> by_number(Predicate holds) {
    std::vector<bool> table;
    for (const command_spec* row : command_table::built_in()->rows()) {
        if (row->number >= table.size()) table.resize(row->number + std::size_t{1});
        table[row->number] = holds(*row);
    }
    return table;
}

/// Names, lengths and line ends beside a value.
constexpr std::size_t overhead_bytes = 1'024;

/// What a script does is known from its keys alone.
bool may_write(const command_spec& command) {
    return command.has(command_flag::write) || (command.runs_script() && !command.has(command_flag::readonly));
}

/// Calls visit(key) for each key of the request.
template <typename Visit>
void visit_keys(const arguments& request, const command_spec& command, Visit visit) {
    for (const key_spec& spec : command.keys()) {
        const key_range range = find_keys(request, spec);
        for (std::size_t i = range.first; i < range.end; i += range.step) visit(request[i]);
    }
    if (command.name == "sort") {
        visit_sort_names(request, [&](sort_name kind, std::size_t i) {
            if (kind == sort_name::store) visit(request[i]);
        });
    } else if (command.name == "georadius" || command.name == "georadiusbymember") {
        visit_georadius_stores(request, command, [&](std::size_t i) { visit(request[i]); });
    }
}

std::int64_t wall_clock_now() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace

fallback_port::fallback_port(fallback_service* service, std::size_t worker, std::size_t workers, const fallback_options& options)
    : service_(service),
      worker_(worker),
      options_(options.remember),
      stamps_(service == nullptr ? nullptr : service->stamps()),
      own_stamps_(worker, workers),
      all_keys_(std::ranges::find(options_.keys, "*") != options_.keys.end()),
      teaching_(by_number([this](const command_spec& row) {
          return teaches(row.name, 0) && (row.has(command_flag::write) ? options_.writes : options_.reads);
      })),
      tokens_per_second_(static_cast<double>(options_.rate.count) * 1'000 /
                         static_cast<double>(options_.rate.period.count()) / static_cast<double>(workers)) {}

bool fallback_port::knows(const command_spec& command) {
    static const std::vector<bool> known =
        by_number([](const command_spec& row) { return engine::find_command(row.name) != nullptr; });
    return command.number != command_spec::not_built_in && known[command.number];
}

// ---- jobs ----------------------------------------------------------------------------------------------------------

void fallback_port::post(fallback_job job) {
    job.worker = worker_;
    outgoing_.push_back(std::move(job));
}

void fallback_port::flush() {
    if (outgoing_.empty()) return;
    tick();  // what was seen comes before what is asked
    service_->post(std::exchange(outgoing_, {}));
}

void fallback_port::tick() {
    if (!seen_.empty()) service_->observe(std::exchange(seen_, {}));
}

// ---- what is remembered --------------------------------------------------------------------------------------------

/// What a command and its reply tell. The slots of a write are this one's: it has ended when this is destroyed.
class fallback_port::learning_reply final : public observing_reply {
public:
    learning_reply(fallback_port& port, observation seen, slots written)
        : observing_reply(seen.whose->prefix(), port.options_.max_value_bytes + overhead_bytes),
          port_(port),
          seen_(std::move(seen)),
          written_(std::move(written)) {}
    ~learning_reply() override { port_.end(written_); }
    learning_reply(const learning_reply&) = delete;
    learning_reply& operator=(const learning_reply&) = delete;

private:
    void show(std::string reply) override {
        seen_.reply = std::move(reply);
        const auto fresh = port_.own_stamps_.next();
        bool alone = true;
        for (std::size_t i = 0; i < written_.size(); ++i) {
            alone = port_.stamps_->write_alone(written_[i], seen_.stamps[i].before, fresh) && alone;
        }
        // Where others have written meanwhile, nobody knows who was last.
        if (alone && !written_.empty()) {
            for (auto& [before, after] : seen_.stamps) after = fresh;
        }
        written_.clear();
        port_.add(std::move(seen_));
    }

    fallback_port& port_;
    observation seen_;
    slots written_;
};

/// Of a write whose keys are not all known. It passes as it would otherwise.
class fallback_port::forgetting_reply final : public reply_interpreter {
public:
    forgetting_reply(std::shared_ptr<void> forgetting, reply_rule rule, std::string_view prefix, script_names* scripts)
        : forgetting_(std::move(forgetting)), rewriter_(rule, prefix, scripts) {}

    [[nodiscard]] bool feed(std::string_view piece, bool, buffer& out) override { return rewriter_.feed(piece, out); }

private:
    std::shared_ptr<void> forgetting_;
    reply_rewriter rewriter_;
};

std::unique_ptr<reply_interpreter> fallback_port::watch(const arguments& request, const command_spec& command,
                                                        const std::shared_ptr<const tenant>& whose, int database,
                                                        resp_version version, clock::time_point now,
                                                        script_names* scripts, slots& written) {
    const bool writes = may_write(command);
    const bool teaches = is_teaching(command) && has_token(now);
    if (!writes && !teaches) return nullptr;
    const std::size_t hash = hash_of(whose, database);
    const auto slot_of = [hash](std::string_view key) { return write_stamps::slot_of(hash, key); };
    if (writes) {
        visit_keys(request, command, [&](std::string_view key) {
            written.push_back(static_cast<std::uint32_t>(slot_of(key)));
        });
        if (writes_elsewhere(request, command)) {
            return std::make_unique<forgetting_reply>(forget_after(whose, database), command.reply, whose->prefix(), scripts);
        }
    }
    if (!teaches || !is_worth(request, command)) return nullptr;
    tokens_ -= 1;
    observation seen{whose, database, version, command.name, {}, {}, {}, wall_clock_now()};
    visit_keys(request, command, [&](std::string_view key) {
        const auto stamp = stamps_->now(slot_of(key));
        seen.stamps.push_back({stamp, stamp});
    });
    seen.words.reserve(request.size());
    for (std::size_t i = 0; i < request.size(); ++i) seen.words.emplace_back(request[i]);
    return std::make_unique<learning_reply>(*this, std::move(seen), std::exchange(written, {}));
}

void fallback_port::add_slots(const arguments& request, const command_spec& command, const tenant& whose, int database,
                              slots& into) const {
    if (!may_write(command)) return;
    const std::size_t hash = write_stamps::hash_of(whose.prefix(), database);
    visit_keys(request, command, [&](std::string_view key) {
        into.push_back(static_cast<std::uint32_t>(write_stamps::slot_of(hash, key)));
    });
}

void fallback_port::end(const slots& written) {
    if (written.empty()) return;
    const auto stamp = own_stamps_.next();
    for (const auto slot : written) stamps_->write(slot, stamp);
}

std::shared_ptr<void> fallback_port::forget_after(const std::shared_ptr<const tenant>& whose, int database) {
    return {this, [this, whose, database](void*) { note_flush("flushall", whose, database); }};
}

void fallback_port::note_flush(std::string_view command, const std::shared_ptr<const tenant>& whose, int database) {
    seen_.push_back({whose, database, resp_version::resp2, command, {std::string(command)}, {}, {}, wall_clock_now()});
    tick();  // other workers' clients may know of it
}

/// `now` is the turn's, so that most commands are done with one comparison.
bool fallback_port::has_token(clock::time_point now) {
    if (tokens_ >= 1) return true;
    if (now == tokens_at_) return false;
    const std::chrono::duration<double> passed = now - tokens_at_;
    tokens_ = std::min(tokens_ + passed.count() * tokens_per_second_, std::max(1.0, tokens_per_second_ * burst_seconds));
    tokens_at_ = now;
    return tokens_ >= 1;
}

std::size_t fallback_port::hash_of(const std::shared_ptr<const tenant>& whose, int database) {
    if (last_whose_ != whose || last_database_ != database) {
        last_whose_ = whose;
        last_database_ = database;
        last_hash_ = write_stamps::hash_of(whose->prefix(), database);
    }
    return last_hash_;
}

/// Of a command with several keys one is enough: the others cost little more.
bool fallback_port::is_worth(const arguments& request, const command_spec& command) const {
    if (request.raw().size() > options_.max_value_bytes + overhead_bytes) return false;
    bool worth = all_keys_;
    if (worth) return true;
    visit_keys(request, command, [&](std::string_view key) {
        worth = worth || std::ranges::any_of(options_.keys, [&](const auto& pattern) { return glob_match(pattern, key); });
    });
    return worth;
}

void fallback_port::add(observation seen) {
    seen_.push_back(std::move(seen));
    if (seen_.size() >= max_kept_observations) tick();
}

}  // namespace weir
