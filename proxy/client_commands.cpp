#include "proxy/client_commands.hpp"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/errors.hpp"
#include "protocol/reply_writer.hpp"
#include "proxy/client_filter.hpp"
#include "proxy/session.hpp"
#include "proxy/tenants/tenant_account.hpp"
#include "proxy/worker.hpp"

namespace weir {

namespace {

/// A command that puts a question to all workers. Questions run on their threads: they hold no more than
/// constants.
class asking_command : public emulated_command {
public:
    explicit asking_command(session& client)
        : emulated_command(client), inquiries_(client.owner().inquiries()) {}
    ~asking_command() override {
        if (asked_) inquiries_.forget(*asked_);
    }
    asking_command(const asking_command&) = delete;
    asking_command& operator=(const asking_command&) = delete;

protected:
    template <class Answer>
    void ask(std::function<Answer(worker&)> question, std::function<void(std::vector<Answer>)> take) {
        asked_ = inquiries_.ask<Answer>(
            std::move(question),
            [this, take = std::move(take)](std::vector<Answer> answers) {
                asked_.reset();
                take(std::move(answers));
            },
            [this] {
                asked_.reset();
                finish_with_error(errors::workers_silent);
            });
    }

    /// What is wrong with the request itself.
    void refuse(std::string_view error) { finish_with_error(error, command_result::local); }
    [[nodiscard]] reply_writer writer(buffer& out) { return {out, client().client().version}; }

private:
    void on_reply(const redisReply&) override {}

    worker_inquiries& inquiries_;
    std::optional<worker_inquiries::ticket> asked_;
};

/// The sessions of a tenant on one worker that a filter may mean.
template <class Visit>
void visit_sessions(worker& here, const std::shared_ptr<tenant_account>& whose, const client_filter& filter, Visit visit) {
    for (const auto& one : here.sessions()) {
        if (!one->closed() && one->account() == whose && filter.may_be(one->id())) visit(*one);
    }
}

class client_list_command final : public asking_command {
public:
    client_list_command(session& client, const arguments& request)
        : asking_command(client), wanted_(read_client_list(request)) {}

    void start() override {
        if (!wanted_.error.empty()) return refuse(wanted_.error);
        ask<found_lines>(
            [whose = client().account(),
             filter = std::make_shared<const client_filter>(wanted_.filter)](worker& asked) {
                found_lines found;
                visit_sessions(asked, whose, *filter, [&](session& one) {
                    const client_facts facts = one.describe();
                    if (filter->matches(facts)) found.emplace(facts.id, client_line(facts));
                });
                return found;
            },
            [this](std::vector<found_lines> answers) { answer(answers); });
    }

private:
    using found_lines = std::map<std::uint64_t, std::string>;

    void answer(std::vector<found_lines>& answers) {
        found_lines all;
        for (found_lines& one : answers) all.merge(one);
        std::string text;
        if (wanted_.order.empty()) {
            for (const auto& [id, line] : all) text += line;
        }
        // A client that is asked for again is shown once: a request must not make a reply that is longer by
        // any factor.
        for (const auto id : wanted_.order) {
            if (const auto line = all.extract(id)) text += line.mapped();
        }
        buffer out;
        writer(out).verbatim(text);
        finish(out, command_result::local);
    }

    client_list_request wanted_;
};

class client_kill_command final : public asking_command {
public:
    /// A tenant has no users but those that its clients are: the server's own are nobody's business here.
    client_kill_command(session& client, const arguments& request)
        : asking_command(client),
          wanted_(
              read_client_kill(request, client.id(), [user = client.describe().user](std::string_view name) {
                  return name == user || name == "default";
              })) {}

    void start() override {
        if (!wanted_.error.empty()) return refuse(wanted_.error);
        ask<victims>(
            [whose = client().account(), filter = std::make_shared<const client_filter>(wanted_.filter),
             killer = client().id()](worker& asked) {
                victims killed;
                visit_sessions(asked, whose, *filter, [&](session& one) {
                    if (!filter->matches(one.describe())) return;
                    ++killed.count;
                    if (one.id() == killer) {
                        killed.killer_too = true;  // it gets its reply first
                    } else {
                        one.close();
                    }
                });
                return killed;
            },
            [this](const std::vector<victims>& answers) { answer(answers); });
    }

private:
    struct victims {
        std::size_t count = 0;
        bool killer_too = false;
    };

    void answer(const std::vector<victims>& answers) {
        victims all;
        for (const victims& one : answers) {
            all.count += one.count;
            all.killer_too = all.killer_too || one.killer_too;
        }
        if (wanted_.old_form && all.count == 0) return refuse(errors::no_such_client);
        buffer out;
        if (wanted_.old_form) {
            writer(out).simple("OK");
        } else {
            writer(out).integer(static_cast<std::int64_t>(all.count));
        }
        finish(out, command_result::local);
        if (all.killer_too && !client().closed()) client().close_after_replies();
    }

    client_kill_request wanted_;
};

/// The blocked client is found by weir's id; the server is asked by the id that it knows the client's own
/// connection by. The session that is asked for that id sees to it that the connection serves nobody else
/// afterwards, so the request cannot meet another client that has been given it meanwhile.
///
/// weir says that a client is blocked as soon as its command is on its way, and this request, on a connection of its own,
/// may be there first. So when the server knows of no wait, and the client still waits, it is asked again: by then the
/// worker has written the command out.
class client_unblock_command final : public asking_command {
public:
    client_unblock_command(session& client, const arguments& request)
        : asking_command(client), wanted_(read_client_unblock(request)) {}

    void start() override {
        if (!wanted_.error.empty()) return refuse(wanted_.error);
        look();
    }

private:
    using upstream_id = std::optional<std::uint64_t>;

    /// The command may still stand behind this request in the server's turn, and then once more.
    static constexpr unsigned most_tries = 10;

    void look() {
        client_filter filter;
        filter.ids = {wanted_.id};
        ask<upstream_id>(
            [whose = client().account(), filter = std::move(filter)](worker& asked) {
                upstream_id found;
                visit_sessions(asked, whose, filter,
                               [&](session& one) { found = one.blocked_upstream_id(); });
                return found;
            },
            [this](const std::vector<upstream_id>& answers) { answer(answers); });
    }

    void answer(const std::vector<upstream_id>& answers) {
        const auto blocked =
            std::ranges::find_if(answers, [](const upstream_id& one) { return one.has_value(); });
        if (blocked == answers.end()) return finish_with(0);
        send({"CLIENT", "UNBLOCK", std::to_string(**blocked), wanted_.with_error ? "ERROR" : "TIMEOUT"});
    }

    void on_reply(const redisReply& reply) override {
        const std::int64_t unblocked = reply.type == REDIS_REPLY_INTEGER ? reply.integer : 0;
        if (unblocked == 0 && ++tries_ < most_tries) return look();
        finish_with(unblocked);
    }

    void finish_with(std::int64_t unblocked) {
        buffer out;
        writer(out).integer(unblocked);
        finish(out);
    }

    client_unblock_request wanted_;
    unsigned tries_ = 0;
};

}  // namespace

std::unique_ptr<emulated_command> make_client_command(session& client, const command_spec& command,
                                                      const arguments& request) {
    if (command.name == "client|list") return std::make_unique<client_list_command>(client, request);
    if (command.name == "client|kill") return std::make_unique<client_kill_command>(client, request);
    if (command.name == "client|unblock") return std::make_unique<client_unblock_command>(client, request);
    return nullptr;
}

}  // namespace weir
