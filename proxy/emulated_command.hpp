#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/arguments.hpp"
#include "protocol/buffer.hpp"
#include "protocol/command_table.hpp"
#include "proxy/counters.hpp"
#include "proxy/upstream/reply_target.hpp"

struct redisReply;

namespace weir {

class session;

/// A command whose reply weir makes of several answers: one that means the whole keyspace, done as upstream commands that
/// touch the tenant's part alone, or one that asks all workers. One at a time a session, while nothing else of it is in
/// flight; other sessions' commands go on in between. It ends with one reply (session::finish_emulated), or, when its
/// session has closed, after the answer under way.
class emulated_command : public reply_target {
public:
    virtual ~emulated_command() = default;

    virtual void start() = 0;
    /// Nothing will call it any more.
    [[nodiscard]] bool finished() const { return finished_; }

    void take_replies(std::string_view bytes, std::size_t completed) override;
    void finish_replies() override {}
    void take_failure(std::string_view error) override;
    void take_broken_reply(std::string_view error) override { take_failure(error); }

protected:
    explicit emulated_command(session& client);

    /// Sends one command to the client's database, or another one; its reply comes to on_reply(), an error reply ends
    /// the whole with that error.
    void send(const std::vector<std::string_view>& words);
    void send_to(int database, const std::vector<std::string_view>& words);
    /// SCAN over the tenant's keys; its reply comes to on_reply().
    void scan(int database, std::string_view cursor);
    virtual void on_reply(const redisReply& reply) = 0;

    /// Gives the client its reply; nothing when it has gone meanwhile.
    void finish(const buffer& reply, command_result result = command_result::ok);
    void finish_with_error(std::string_view error, command_result result = command_result::failed);
    [[nodiscard]] session& client() { return client_; }

private:
    session& client_;
    std::string collected_;
    bool finished_ = false;
};

/// Starts one; the command's route is emulate.
[[nodiscard]] std::unique_ptr<emulated_command> start_emulated(session& client, const command_spec& command,
                                                               const arguments& request);

}  // namespace weir
