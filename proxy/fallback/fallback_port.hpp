#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "config/options.hpp"
#include "policy/reply_interpreter.hpp"
#include "protocol/arguments.hpp"
#include "proxy/fallback/fallback_job.hpp"
#include "proxy/fallback/fallback_service.hpp"

namespace weir {

class script_names;

/// One worker's way to the fallback: jobs while the upstream is away, and while it is not, what its replies say about values
/// that are worth remembering. Belongs to the worker's thread.
class fallback_port {
public:
    using clock = std::chrono::steady_clock;

    /// nullptr: nothing answers while the upstream is away. `options` outlive this; each worker may take its part of
    /// remember.rate.
    fallback_port(fallback_service* service, std::size_t worker, std::size_t workers, const fallback_options& options);

    [[nodiscard]] bool exists() const { return service_ != nullptr; }
    /// Whether the command is one that can be answered; by its name and type alone.
    [[nodiscard]] static bool knows(const command_spec& command);

    /// Leaves at the turn's end; comes back to `from` in a later turn.
    void post(fallback_job job);

    // While the upstream is there. Before a command is sent:
    [[nodiscard]] bool remembers() const { return stamps_ != nullptr; }
    /// What is to read the command's reply, where that is worth remembering; nullptr: nothing. To be called for every
    /// command, as a write that has ended makes void what is remembered of its keys: it has when what reads its reply is
    /// destroyed. Where nothing does, `written` gets the slots of its keys; they are to be given to end() when it is
    /// answered or has failed. `scripts` as reply_rewriter has them.
    using slots = std::vector<std::uint32_t>;
    [[nodiscard]] std::unique_ptr<reply_interpreter> watch(const arguments& request, const command_spec& command,
                                                           const std::shared_ptr<const tenant>& whose, int database,
                                                           resp_version version, clock::time_point now,
                                                           script_names* scripts, slots& written);
    /// The slots of a command whose reply is not looked at, and which are to be given to end() as well.
    void add_slots(const arguments& request, const command_spec& command, const tenant& whose, int database, slots& into) const;
    void end(const slots& written);
    void expect_end(std::uint32_t slot) const { stamps_->expect_write(slot); }
    void end(std::uint32_t slot) { stamps_->write(slot, own_stamps_.next()); }
    /// Whether the command may write what its slots do not say: to another database than the client's, or keys that a script
    /// makes up. See forget_after().
    [[nodiscard]] static bool writes_elsewhere(const arguments& request, const command_spec& command) {
        if (command.runs_script()) return !command.has(command_flag::readonly);
        return command.name == "move" || (command.name == "copy" && request.size() > 3);
    }
    /// When what is returned is gone, nothing that was read of the tenant's keys until then is remembered. Not to outlive this.
    [[nodiscard]] std::shared_ptr<void> forget_after(const std::shared_ptr<const tenant>& whose, int database);
    /// FLUSHDB or FLUSHALL was done.
    void note_flush(std::string_view command, const std::shared_ptr<const tenant>& whose, int database);

    /// At the turn's end.
    void flush();
    void tick();

private:
    class learning_reply;
    class forgetting_reply;

    [[nodiscard]] bool is_teaching(const command_spec& command) const {
        return command.number != command_spec::not_built_in && teaching_[command.number];
    }
    [[nodiscard]] bool has_token(clock::time_point now);
    [[nodiscard]] std::size_t hash_of(const std::shared_ptr<const tenant>& whose, int database);
    [[nodiscard]] bool is_worth(const arguments& request, const command_spec& command) const;
    void add(observation seen);

    fallback_service* service_;
    std::size_t worker_;
    const remember_options& options_;
    write_stamps* stamps_;
    write_stamps::source own_stamps_;
    bool all_keys_;              ///< are worth remembering
    std::vector<bool> teaching_;  ///< by command number
    double tokens_per_second_;
    double tokens_ = 0;
    clock::time_point tokens_at_{};
    std::shared_ptr<const tenant> last_whose_;  ///< whose hash was asked for last
    int last_database_ = 0;
    std::size_t last_hash_ = 0;
    std::vector<fallback_job> outgoing_;
    std::vector<observation> seen_;
};

}  // namespace weir
