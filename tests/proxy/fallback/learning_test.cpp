#include "proxy/fallback/learning.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <optional>
#include <thread>

#include "proxy/fallback/copy_taker.hpp"
#include "protocol/reply_scanner.hpp"
#include "tests/support/fallback_world.hpp"
#include "tests/support/redis_server.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using request = std::vector<std::string>;

std::int64_t wall_clock() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
}

/// Replies as a real Redis sends them.
class raw_client {
public:
    explicit raw_client(const std::string& path) {
        ::sockaddr_un where{};
        where.sun_family = AF_UNIX;
        path.copy(where.sun_path, sizeof(where.sun_path) - 1);
        const auto deadline = std::chrono::steady_clock::now() + 20s;
        do {
            socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
            if (::connect(socket_, reinterpret_cast<const sockaddr*>(&where), sizeof(where)) == 0) return;
            ::close(socket_);
            std::this_thread::yield();
        } while (std::chrono::steady_clock::now() < deadline);
        throw std::runtime_error("no Redis");
    }
    ~raw_client() { ::close(socket_); }
    raw_client(const raw_client&) = delete;
    raw_client& operator=(const raw_client&) = delete;

    std::string ask(const request& words) {
        const test::request_text text(words);
        if (::write(socket_, text.raw().data(), text.raw().size()) < 0) throw std::runtime_error("write");
        std::string reply;
        std::string unread;
        reply_scanner scanner;
        for (;;) {
            const auto status = scanner.scan(unread);
            reply.append(unread, 0, scanner.consumed());
            unread.erase(0, scanner.consumed());
            if (status == scan_status::complete) return reply;
            char more[65'536];
            const auto size = ::read(socket_, more, sizeof(more));
            if (size <= 0 || status == scan_status::error) throw std::runtime_error("read");
            unread.append(more, static_cast<std::size_t>(size));
        }
    }

private:
    int socket_ = -1;
};

/// What the fallback makes of commands and replies, beside a real Redis.
class learning_test : public testing::TestWithParam<resp_version> {
protected:
    learning_test() {
        what.reads = what.writes = true;
        if (GetParam() == resp_version::resp3) redis.ask({"HELLO", "3"});
    }

    /// Redis does it, and the fallback sees it.
    std::string see(const request& words) {
        observation seen = observe(words, {});
        seen.reply = redis.ask(words);
        const auto fresh = own_stamps.next();
        if (writes_what_it_teaches(seen.name)) {
            for (auto& [before, after] : seen.stamps) after = fresh;
            for (std::size_t i = 1; i < words.size(); i += 2) stamps.write(slot(words[i]), fresh);
        } else if (!teaches(seen.name, words.size()) && words.size() > 1) {
            stamps.write(slot(words[1]), fresh);
        }
        if (teaches(seen.name, words.size())) taker.take(seen);
        return seen.reply;
    }
    observation observe(const request& words, std::string reply) {
        static const auto table = command_table::built_in();
        observation seen;
        seen.whose = acme;
        seen.version = GetParam();
        seen.name = table->find(words[0])->name;
        seen.words = words;
        seen.reply = std::move(reply);
        seen.at = wall_clock();
        stamp(seen);
        return seen;
    }
    void stamp(observation& seen) {
        seen.stamps.clear();
        const bool pairs = seen.name == "mset" || seen.name == "msetnx";
        const bool many = pairs || seen.name == "mget";
        for (std::size_t i = 1; i < (many ? seen.words.size() : 2) && i < seen.words.size(); i += pairs ? 2 : 1) {
            const auto now = stamps.now(slot(seen.words[i]));
            seen.stamps.push_back({now, now});
        }
    }
    [[nodiscard]] std::size_t slot(const std::string& key) const { return write_stamps::slot_of(acme->prefix(), 0, key); }

    std::string fallback(const request& words, std::int64_t later = 0) {
        static const auto table = command_table::built_in();
        fallback_job job;
        job.whose = acme;
        job.version = GetParam();
        job.add_command(test::request_text(words).view(), *table->find(words[0]));
        static_cast<void>(memory.answer(job, wall_clock() + later));
        return std::string(job.replies.view());
    }
    bool holds(const std::string& key) { return fallback({"EXISTS", key}) == ":1\r\n"; }
    /// The fallback's answer is Redis'.
    void agree(const request& words) { EXPECT_EQ(fallback(words), redis.ask(words)) << testing::PrintToString(words); }

    temporary_folder folder;
    redis_server server{folder};
    raw_client redis{folder / "redis.sock"};
    remember_options what;
    breaker circuit{breaker_options{}};
    job_runner runner{circuit, 1 << 20};
    write_stamps stamps;
    write_stamps::source own_stamps{0, 1};
    memory_answers memory{runner, 64 << 20, &stamps};
    copy_taker taker{what, memory};
    std::shared_ptr<const tenant> acme = test::fallback_world::tenant_named("acme");
};

TEST_P(learning_test, reads_show_whole_values) {
    redis.ask({"MSET", "s", "text \r\n\0 of bytes"s, "empty", "", "number", "12"});
    redis.ask({"HSET", "h", "f", "1", "g", "2"});
    redis.ask({"RPUSH", "l", "a", "b", "a"});
    redis.ask({"SADD", "set", "x", "y"});
    redis.ask({"SADD", "ints", "3", "1", "2"});
    redis.ask({"ZADD", "z", "1.5", "a", "-inf", "b", "3e100", "c", "0.1", "d"});
    for (const request& words : std::vector<request>{{"GET", "s"},
                                                     {"GET", "empty"},
                                                     {"MGET", "number", "none", "h"},
                                                     {"HGETALL", "h"},
                                                     {"LRANGE", "l", "0", "-1"},
                                                     {"SMEMBERS", "ints"},
                                                     {"ZRANGE", "z", "0", "-1", "WITHSCORES"}}) {
        see(words);
    }
    see({"SMEMBERS", "set"});
    agree({"MGET", "s", "empty", "number", "none"});
    agree({"HGETALL", "h"});
    agree({"HINCRBY", "h", "f", "5"});
    agree({"LRANGE", "l", "0", "-1"});
    agree({"SMEMBERS", "ints"});
    agree({"SMISMEMBER", "set", "x", "y", "z"});
    agree({"ZRANGE", "z", "0", "-1", "WITHSCORES"});
    agree({"TYPE", "z"});
    EXPECT_EQ(memory.values().keys(), 8u);
}

TEST_P(learning_test, parts_of_values_and_errors_show_nothing) {
    redis.ask({"RPUSH", "l", "a", "b"});
    redis.ask({"ZADD", "z", "1", "a", "2", "b"});
    see({"LRANGE", "l", "0", "-2"});
    see({"LRANGE", "l", "1", "-1"});
    see({"ZRANGE", "z", "0", "0", "WITHSCORES"});
    see({"ZRANGE", "z", "0", "-1", "REV"});
    see({"GET", "l"});
    see({"HGETALL", "l"});
    see({"SMEMBERS", "z"});
    see({"SET", "l", "v", "EX", "none"});
    see({"SET", "l", "v", "NX", "XX"});
    EXPECT_EQ(memory.values().keys(), 0u);
}

TEST_P(learning_test, writes_are_judged_by_their_replies) {
    see({"SET", "a", "1"});
    agree({"GET", "a"});
    see({"SET", "a", "2", "NX"});
    EXPECT_FALSE(holds("a")) << "it stayed as it was, but nobody looks that closely";
    see({"SET", "a", "2", "XX"});
    agree({"GET", "a"});
    see({"SET", "none", "2", "XX"});
    EXPECT_FALSE(holds("none"));
    see({"SET", "a", "3", "GET"});
    agree({"GET", "a"});
    see({"SET", "new", "1", "GET"});
    agree({"GET", "new"});
    see({"SET", "a", "4", "NX", "GET"});
    agree({"GET", "a"});
    see({"SET", "newer", "4", "NX", "GET"});
    agree({"GET", "newer"});
    see({"SET", "a", "5", "XX", "GET"});
    agree({"GET", "a"});
    see({"SET", "nothing", "5", "XX", "GET"});
    EXPECT_FALSE(holds("nothing"));
    see({"SETNX", "b", "1"});
    agree({"GET", "b"});
    see({"SETNX", "b", "2"});
    EXPECT_FALSE(holds("b"));
    see({"MSET", "c", "1", "d", "2"});
    agree({"MGET", "c", "d"});
    see({"MSETNX", "e", "1", "f", "2"});
    agree({"MGET", "e", "f"});
    see({"MSETNX", "g", "1", "f", "3"});
    EXPECT_FALSE(holds("g"));
    see({"GETSET", "c", "7"});
    agree({"GET", "c"});
    redis.ask({"LPUSH", "list", "x"});
    see({"GETSET", "list", "7"});
    see({"SET", "list", "7", "GET"});
    EXPECT_FALSE(holds("list"));
    redis.ask({"SET", "a", "6"});
    see({"GET", "a"});
    agree({"GET", "a"});
}

TEST_P(learning_test, writes_tell_when_a_key_expires) {
    const auto expires_like = [&](const std::string& key) {
        const auto time = [](const std::string& reply) { return std::stoll(reply.substr(1)); };
        EXPECT_NEAR(static_cast<double>(time(fallback({"PTTL", key}))),
                    static_cast<double>(time(redis.ask({"PTTL", key}))), 5'000) << key;
    };
    const std::string tomorrow = std::to_string(wall_clock() / 1000 + 86'400);
    see({"SET", "ex", "v", "EX", "100"});
    see({"SET", "px", "v", "px", "100000", "NX"});
    see({"SET", "exat", "v", "EXAT", tomorrow});
    see({"SET", "pxat", "v", "PXAT", tomorrow + "000"});
    see({"SETEX", "setex", "200", "v"});
    see({"PSETEX", "psetex", "200000", "v"});
    see({"SET", "never", "v"});
    for (const auto* key : {"ex", "px", "exat", "pxat", "setex", "psetex", "never"}) expires_like(key);
    see({"SET", "ex", "w", "KEEPTTL"});
    agree({"GET", "ex"});
    expires_like("ex");
    see({"GET", "ex"});
    expires_like("ex");
    what.max_age = 10min;
    EXPECT_EQ(fallback({"EXISTS", "ex", "never"}, 200'000), ":1\r\n") << "expired, and not";
    see({"SET", "ex", "v"});
    expires_like("ex");
}

TEST_P(learning_test, a_copy_is_good_until_it_is_old_or_its_key_is_written) {
    what.max_age = 1min;
    redis.ask({"MSET", "a", "1", "b", "1"});
    see({"MGET", "a", "b"});
    EXPECT_EQ(fallback({"EXISTS", "a", "b"}, 50'000), ":2\r\n");
    see({"INCR", "a"});
    EXPECT_FALSE(holds("a"));
    EXPECT_TRUE(holds("b"));
    EXPECT_EQ(fallback({"DBSIZE"}, 60'001).front(), ':');
    EXPECT_EQ(fallback({"KEYS", "*"}, 60'001), "*0\r\n");
    EXPECT_EQ(fallback({"EXISTS", "b"}, 60'001), ":0\r\n");
}

TEST_P(learning_test, who_saw_a_key_before_it_was_written_tells_nothing) {
    redis.ask({"SET", "a", "1"});
    auto seen = observe({"GET", "a"}, redis.ask({"GET", "a"}));
    see({"SET", "a", "2"});
    taker.take(seen);
    agree({"GET", "a"});
}

TEST_P(learning_test, absent_keys_and_too_long_values_are_forgotten) {
    what.max_value_bytes = 1'000;
    see({"MSET", "a", "1", "b", "1"});
    redis.ask({"DEL", "a"});
    redis.ask({"SET", "b", std::string(2'000, 'x')});
    see({"GET", "a"});
    see({"GET", "b"});
    EXPECT_EQ(memory.values().keys(), 0u);
    see({"SET", "c", std::string(2'000, 'x')});
    EXPECT_EQ(memory.values().keys(), 0u);
}

TEST_P(learning_test, takes_what_it_is_told_to) {
    what.keys = {"session:*"};
    see({"MSET", "session:1", "a", "other", "b"});
    EXPECT_TRUE(holds("session:1"));
    EXPECT_FALSE(holds("other"));
    what.writes = false;
    see({"SET", "session:2", "v"});
    EXPECT_FALSE(holds("session:2"));
    see({"GET", "session:2"});
    EXPECT_TRUE(holds("session:2"));
    what.reads = false;
    redis.ask({"SET", "session:3", "v"});
    see({"GET", "session:3"});
    EXPECT_FALSE(holds("session:3"));
}

TEST_P(learning_test, flushes_forget_what_was_seen_before) {
    see({"SET", "a", "1"});
    auto before = observe({"GET", "a"}, "$1\r\n1\r\n");
    auto flush = observe({"FLUSHDB"}, "");
    taker.take(flush);
    EXPECT_FALSE(holds("a"));
    taker.take(before);
    EXPECT_FALSE(holds("a")) << "it came late";
    auto after = observe({"GET", "a"}, "$1\r\n1\r\n");
    after.at = flush.at + 1;
    taker.take(after);
    EXPECT_TRUE(holds("a"));
    flush = observe({"FLUSHALL"}, "");
    flush.at = after.at;
    flush.database = 5;
    taker.take(flush);
    EXPECT_FALSE(holds("a"));
}

TEST_P(learning_test, what_was_written_here_is_not_overwritten) {
    fallback({"SET", "a", "mine"});
    taker.take(observe({"GET", "a"}, "$1\r\n1\r\n"));
    taker.take(observe({"GET", "a"}, "$-1\r\n"));
    taker.take(observe({"FLUSHDB"}, ""));
    EXPECT_EQ(fallback({"GET", "a"}), "$4\r\nmine\r\n");
    EXPECT_EQ(memory.values().own(), 1u);
}

TEST_P(learning_test, replies_that_are_none_teach_nothing) {
    const std::vector<std::pair<request, std::vector<std::string>>> all{
        {{"GET", "k"}, {"$", "$5", "$5\r\n", "$5\r\nabc\r\n", "$3\r\nabcd\r\n", "$-2\r\n", "$99999999999999999999\r\n",
                        "$3\r\nabc\r\n+more\r\n", "*1\r\n$1\r\na\r\n", ":1\r\n", "$?\r\n;1\r\na\r\n;0\r\n"}},
        {{"MGET", "k", "l"}, {"*1\r\n$1\r\na\r\n", "*2\r\n$1\r\na\r\n", "*-1\r\n", "*2\r\n:1\r\n:2\r\n", "*3\r\n_\r\n_\r\n_\r\n"}},
        {{"HGETALL", "k"}, {"*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n", "*4294967296\r\n", "%1\r\n$1\r\na\r\n", "*2\r\n_\r\n_\r\n"}},
        {{"SMEMBERS", "k"}, {"~1\r\n*0\r\n", "%1\r\n$1\r\na\r\n$1\r\nb\r\n"}},
        {{"LRANGE", "k", "0", "-1"}, {"~1\r\n$1\r\na\r\n", "*2\r\n$1\r\na\r\n"}},
        {{"ZRANGE", "k", "0", "-1", "WITHSCORES"},
         {"*2\r\n$1\r\na\r\n$1\r\nb\r\n", "*1\r\n*2\r\n$1\r\na\r\n,nan\r\n", "*1\r\n*1\r\n$1\r\na\r\n"}},
        {{"SET", "k", "v"}, {":1\r\n", "$1\r\na\r\n", "_\r\n", "-ERR no\r\n"}},
        {{"SETNX", "k", "v"}, {":0\r\n", ":2\r\n", "$1\r\n1\r\n"}},
        {{"SETEX", "k", "1", "v"}, {"-ERR no\r\n", "_\r\n"}},
        {{"GETSET", "k", "v"}, {"-WRONGTYPE\r\n", ":1\r\n"}},
        {{"MSET", "k"}, {"+OK\r\n"}},
        {{"SET", "k"}, {"+OK\r\n"}},
        {{"GET"}, {"$1\r\na\r\n"}},
    };
    for (const auto& [words, replies] : all) {
        for (const auto& reply : replies) {
            taker.take(observe(words, reply));
            EXPECT_EQ(memory.values().keys(), 0u) << testing::PrintToString(words) << ' ' << reply;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(versions, learning_test, testing::Values(resp_version::resp2, resp_version::resp3),
                         [](const auto& each) { return each.param == resp_version::resp2 ? "resp2" : "resp3"; });

}  // namespace
}  // namespace weir
