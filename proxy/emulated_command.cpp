#include "proxy/emulated_command.hpp"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <boost/unordered/unordered_flat_set.hpp>
#include <random>

#include "policy/reply_rewriter.hpp"
#include "protocol/ascii.hpp"
#include "protocol/errors.hpp"
#include "proxy/client_commands.hpp"
#include "proxy/session.hpp"
#include "proxy/worker.hpp"

namespace weir {

namespace {

/// Keys that one SCAN looks at: large enough to be quick, small enough not to hold up the server (under a millisecond).
constexpr std::string_view scan_count = "1000";

struct reply_deleter {
    void operator()(redisReply* reply) const noexcept { ::freeReplyObject(reply); }
};
using reply_pointer = std::unique_ptr<redisReply, reply_deleter>;

/// nullptr for what is no RESP2 reply.
reply_pointer decode(std::string_view bytes) {
    const std::unique_ptr<redisReader, decltype(&::redisReaderFree)> reader(::redisReaderCreate(), &::redisReaderFree);
    void* reply = nullptr;
    if (reader == nullptr || ::redisReaderFeed(reader.get(), bytes.data(), bytes.size()) != REDIS_OK ||
        ::redisReaderGetReply(reader.get(), &reply) != REDIS_OK) {
        return nullptr;
    }
    return reply_pointer(static_cast<redisReply*>(reply));
}

std::string_view text_of(const redisReply& reply) { return {reply.str, reply.len}; }

/// One page of SCAN: the next cursor and the keys that do begin with the prefix, whatever the server matched.
struct scan_page {
    std::string cursor;
    std::vector<std::string_view> keys;
    [[nodiscard]] bool is_last() const { return cursor == "0"; }
};

scan_page read_page(const redisReply& reply, std::string_view prefix) {
    scan_page page{"0", {}};
    if (reply.type != REDIS_REPLY_ARRAY || reply.elements != 2) return page;
    page.cursor = text_of(*reply.element[0]);
    const redisReply& keys = *reply.element[1];
    for (std::size_t i = 0; i < keys.elements; ++i) {
        if (text_of(*keys.element[i]).starts_with(prefix)) page.keys.push_back(text_of(*keys.element[i]));
    }
    return page;
}

/// DBSIZE: counts by SCAN. The server may show a key twice while its table is being resized, so keys are told apart by
/// hash, up to a bound on memory; a database beyond it may be overcounted while it is being resized.
class dbsize_command final : public emulated_command {
public:
    explicit dbsize_command(session& client) : emulated_command(client) {}
    void start() override { scan(client().client().database, "0"); }

private:
    static constexpr std::size_t max_hashes = 1 << 20;

    void on_reply(const redisReply& reply) override {
        const scan_page page = read_page(reply, client().whose().prefix());
        for (const auto key : page.keys) {
            if (seen_.size() >= max_hashes) {
                ++uncertain_;
            } else {
                seen_.insert(std::hash<std::string_view>{}(key));
            }
        }
        if (!page.is_last()) return scan(client().client().database, page.cursor);
        buffer out;
        reply_writer(out, client().client().version).integer(static_cast<std::int64_t>(seen_.size() + uncertain_));
        finish(out);
    }

    boost::unordered_flat_set<std::size_t> seen_;
    std::size_t uncertain_ = 0;
};

/// FLUSHDB and FLUSHALL: SCAN and UNLINK, page by page, so that the server never stands still. Every key that was there
/// when the command began is gone when it replies (SCAN's guarantee); keys written meanwhile may stay.
class flush_command final : public emulated_command {
public:
    flush_command(session& client, bool every_database) : emulated_command(client), every_database_(every_database) {}

    void start() override {
        if (every_database_) return send({"INFO", "keyspace"});
        databases_.push_back(client().client().database);
        next_database();
    }

private:
    enum class step : std::uint8_t { listing, scanning, deleting };

    void on_reply(const redisReply& reply) override {
        switch (step_) {
            case step::listing:
                list_databases(text_of(reply));
                return next_database();
            case step::scanning: return delete_page(read_page(reply, client().whose().prefix()));
            case step::deleting: return cursor_ == "0" ? next_database() : next_page();
        }
    }

    /// Lines `dbN:keys=…`.
    void list_databases(std::string_view keyspace) {
        for (std::size_t at = 0; (at = keyspace.find("\ndb", at)) != std::string_view::npos; ++at) {
            const auto end = keyspace.find(':', at);
            const auto number = parse_integer(keyspace.substr(at + 3, end - at - 3));
            if (number && client().whose().may_select(*number)) databases_.push_back(static_cast<int>(*number));
        }
    }

    void next_database() {
        if (databases_.empty()) {
            buffer out;
            reply_writer(out, client().client().version).simple("OK");
            return finish(out);
        }
        database_ = databases_.back();
        databases_.pop_back();
        cursor_ = "0";
        next_page();
    }

    void next_page() {
        step_ = step::scanning;
        scan(database_, cursor_);
    }

    void delete_page(const scan_page& page) {
        cursor_ = page.cursor;
        if (page.keys.empty()) return page.is_last() ? next_database() : next_page();
        step_ = step::deleting;
        std::vector<std::string_view> words{"UNLINK"};
        words.insert(words.end(), page.keys.begin(), page.keys.end());
        send_to(database_, words);
    }

    bool every_database_;
    step step_ = step::listing;
    std::vector<int> databases_;
    int database_ = 0;
    std::string cursor_;
};

/// RANDOMKEY: the server's own a few times, as long as it names a foreign key; then the first page with keys of the
/// tenant's in a SCAN that begins anywhere, and at last in one from the beginning, which sees every key.
class randomkey_command final : public emulated_command {
public:
    explicit randomkey_command(session& client)
        : emulated_command(client), random_(static_cast<std::uint32_t>(client.owner().loop().now_microseconds())) {}

    void start() override { send({"RANDOMKEY"}); }

private:
    static constexpr int native_tries = 4;

    void on_reply(const redisReply& reply) override {
        if (tries_ < native_tries) return take_native(reply);
        const scan_page page = read_page(reply, client().whose().prefix());
        if (!page.keys.empty()) return finish_with_key(page.keys[random_() % page.keys.size()]);
        if (!page.is_last()) return scan(client().client().database, page.cursor);
        if (from_beginning_) return finish_with_nothing();
        from_beginning_ = true;
        scan(client().client().database, "0");
    }

    void take_native(const redisReply& reply) {
        ++tries_;
        if (reply.type != REDIS_REPLY_STRING) return finish_with_nothing();  // the whole database is empty
        if (text_of(reply).starts_with(client().whose().prefix())) return finish_with_key(text_of(reply));
        if (tries_ < native_tries) return send({"RANDOMKEY"});
        scan(client().client().database, std::to_string(random_()));
    }

    void finish_with_key(std::string_view key) {
        buffer out;
        reply_writer(out, client().client().version).bulk(key.substr(client().whose().prefix().size()));
        finish(out);
    }

    void finish_with_nothing() {
        buffer out;
        reply_writer(out, client().client().version).null();
        finish(out);
    }

    std::mt19937 random_;
    int tries_ = 0;
    bool from_beginning_ = false;
};

/// What cannot begin: ends at once, as an emulated command so that the reply takes the same way.
class failing_command final : public emulated_command {
public:
    failing_command(session& client, std::string_view error) : emulated_command(client), error_(error) {}
    void start() override { finish_with_error(error_); }

private:
    void on_reply(const redisReply&) override {}
    std::string_view error_;
};

std::unique_ptr<emulated_command> make(session& client, const command_spec& command, const arguments& request) {
    if (auto made = make_client_command(client, command, request)) return made;
    if (command.name == "dbsize") return std::make_unique<dbsize_command>(client);
    if (command.name == "randomkey") return std::make_unique<randomkey_command>(client);
    const bool plain = request.size() == 1;
    const bool known = request.size() == 2 && (equals_ignoring_case(request[1], "async") ||
                                               equals_ignoring_case(request[1], "sync"));
    if (!plain && !known) return std::make_unique<failing_command>(client, errors::syntax);
    return std::make_unique<flush_command>(client, command.name == "flushall");
}

}  // namespace

emulated_command::emulated_command(session& client) : reply_target(nullptr, {}), client_(client) {}

void emulated_command::send(const std::vector<std::string_view>& words) { send_to(client_.client().database, words); }

void emulated_command::send_to(int database, const std::vector<std::string_view>& words) {
    upstream_connection& upstream = client_.owner().shared_connection({resp_version::resp2, database});
    if (const auto fault = upstream.unavailable(); !fault.empty()) return finish_with_error(fault);
    const std::size_t size_before = upstream.output().size();
    reply_writer writer(upstream.output(), resp_version::resp2);
    writer.array(words.size());
    for (const auto word : words) writer.bulk(word);
    upstream.submit(*this, size_before, {.writes = words.front() == "UNLINK", .repeatable = words.front() != "UNLINK"});
}

void emulated_command::scan(int database, std::string_view cursor) {
    const std::string pattern = std::string(client_.whose().prefix_pattern()) + "*";
    const std::string position(cursor);  // it may stand in the reply that send_to() makes room for
    send_to(database, {"SCAN", position, "MATCH", pattern, "COUNT", scan_count});
}

void emulated_command::take_replies(std::string_view bytes, std::size_t completed) {
    collected_.append(bytes);
    if (completed == 0) return;
    const reply_pointer reply = decode(std::exchange(collected_, {}));
    if (client_.closed()) {
        finished_ = true;
    } else if (reply == nullptr) {
        finish_with_error(errors::upstream_protocol);
    } else if (reply->type == REDIS_REPLY_ERROR) {
        finish_with_error(strip_prefix_from_error(text_of(*reply), client_.whose().prefix()));
    } else {
        on_reply(*reply);
    }
}

void emulated_command::take_failure(std::string_view error) { finish_with_error(error); }

void emulated_command::finish(const buffer& reply, command_result result) {
    finished_ = true;
    client_.counters()->result(result).add();
    if (!client_.closed()) client_.finish_emulated(reply);
}

void emulated_command::finish_with_error(std::string_view error, command_result result) {
    buffer line;
    reply_writer(line, resp_version::resp2).error(error);
    finish(line, result);
}

std::unique_ptr<emulated_command> start_emulated(session& client, const command_spec& command,
                                                 const arguments& request) {
    auto emulated = make(client, command, request);
    emulated->start();
    return emulated;
}

}  // namespace weir
