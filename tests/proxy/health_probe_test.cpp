#include "proxy/upstream/health_probe.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <sstream>
#include <string>

#include "policy/breaker.hpp"
#include "proxy/upstream/control_client.hpp"
#include "tests/support/redis_server.hpp"

namespace weir {
namespace {

namespace asio = boost::asio;
using testing::HasSubstr;
using testing::StartsWith;
using namespace std::chrono_literals;
using local = asio::local::stream_protocol;

/// Runs a probe until what a test waits for has happened.
class health_probe_test : public testing::Test {
protected:
    health_probe_test() { upstream_.address = {"", 0, folder_ / "redis.sock"}; }

    void watch() {
        probe_ = std::make_unique<health_probe>(
            context_, upstream_, [this](auto snapshot) { seen_.push_back(std::move(snapshot)); },
            probe_timing{10ms, 50ms, 20ms});
        probe_->start();
    }

    static asio::awaitable<void> change_setting(control_client& administrator, std::string path) {
        const std::vector<socket_address> addresses{*socket_address::unix_path(path)};
        const upstream_options upstream;
        const auto deadline = control_client::clock::now() + 20s;
        if (!co_await administrator.connect(addresses, upstream, deadline)) co_return;
        std::vector<std::string> command{"CONFIG", "SET", "slowlog-max-len", "77"};
        co_await administrator.command(std::move(command), deadline);
    }

    /// The first new snapshot that `wanted` takes; nullptr when none came in time.
    template <class Wanted>
    std::shared_ptr<const upstream_snapshot> until(Wanted wanted) {
        const auto deadline = std::chrono::steady_clock::now() + 30s;
        while (std::chrono::steady_clock::now() < deadline) {
            while (!seen_.empty()) {
                const auto next = seen_.front();
                seen_.pop_front();
                if (wanted(*next)) return next;
            }
            context_.run_one_for(100ms);
        }
        return nullptr;
    }
    std::shared_ptr<const upstream_snapshot> until_connected() {
        return until([](const upstream_snapshot& s) { return s.connected; });
    }
    std::shared_ptr<const upstream_snapshot> until_away() {
        return until([](const upstream_snapshot& s) { return !s.connected; });
    }

    temporary_folder folder_;
    upstream_options upstream_;
    asio::io_context context_{1};
    std::deque<std::shared_ptr<const upstream_snapshot>> seen_;
    std::unique_ptr<health_probe> probe_;
};

TEST_F(health_probe_test, learns_what_the_server_is) {
    redis_server redis(folder_, {"--databases", "5"});
    watch();
    const auto snapshot = until_connected();
    ASSERT_NE(snapshot, nullptr);
    EXPECT_EQ(snapshot->reason, "");
    EXPECT_THAT(std::string(snapshot->server_version()), StartsWith("7."));
    EXPECT_EQ(snapshot->databases, 5);
    EXPECT_EQ(snapshot->settings.at("databases"), "5");
    EXPECT_EQ(snapshot->settings.at("save"), "");
    EXPECT_EQ(snapshot->settings.count("dir"), 0u);
    EXPECT_TRUE(snapshot->ping);
    ASSERT_EQ(snapshot->addresses.size(), 1u);
    EXPECT_EQ(snapshot->addresses[0].to_string(), "unix:" + folder_ / "redis.sock");
    ASSERT_NE(snapshot->commands, nullptr);
    EXPECT_NE(snapshot->commands, command_table::built_in());
}

TEST_F(health_probe_test, says_why_it_cannot_connect_and_goes_on_trying) {
    watch();
    const auto away = until_away();
    ASSERT_NE(away, nullptr);
    EXPECT_THAT(away->reason, HasSubstr("No such file or directory"));
    redis_server redis(folder_);
    EXPECT_NE(until_connected(), nullptr);
}

TEST_F(health_probe_test, notices_that_a_setting_was_changed) {
    redis_server redis(folder_);
    watch();
    ASSERT_NE(until_connected(), nullptr);
    control_client administrator(context_.get_executor());
    asio::co_spawn(context_, change_setting(administrator, folder_ / "redis.sock"), asio::detached);
    const auto is_changed = [](const upstream_snapshot& s) {
        const auto found = s.settings.find("slowlog-max-len");
        return found != s.settings.end() && found->second == "77";
    };
    EXPECT_NE(until(is_changed), nullptr);
}

TEST_F(health_probe_test, notices_that_the_server_died_and_came_back) {
    redis_server redis(folder_);
    watch();
    ASSERT_NE(until_connected(), nullptr);
    redis.kill();
    const auto away = until_away();
    ASSERT_NE(away, nullptr);
    EXPECT_FALSE(away->reason.empty());
    EXPECT_FALSE(away->ping);
    EXPECT_FALSE(away->server_version().empty()) << "what it said last stays";
    redis.start();
    EXPECT_NE(until_connected(), nullptr);
}

TEST_F(health_probe_test, notices_a_server_that_is_there_but_says_nothing) {
    upstream_.command_timeout = 500ms;
    redis_server redis(folder_);
    watch();
    ASSERT_NE(until_connected(), nullptr);
    redis.freeze();
    const auto away = until_away();
    ASSERT_NE(away, nullptr);
    EXPECT_THAT(away->reason, HasSubstr("timed out"));
    redis.thaw();
    EXPECT_NE(until_connected(), nullptr);
}

TEST_F(health_probe_test, logs_in_and_tells_when_it_may_not) {
    redis_server redis(folder_,
                       {"--user", "weir", "on", ">secret", "~*", "&*", "+@all", "--requirepass", "other"});
    upstream_.username = "weir";
    upstream_.password = "wrong";
    watch();
    const auto refused =
        until([](const upstream_snapshot& s) { return s.reason.starts_with("the server refused"); });
    ASSERT_NE(refused, nullptr);
    EXPECT_THAT(refused->reason, HasSubstr("WRONGPASS"));
    EXPECT_THAT(refused->reason, testing::Not(HasSubstr("wrong")));
    upstream_.password = "secret";
    seen_.clear();
    watch();
    EXPECT_NE(until_connected(), nullptr);
}

TEST_F(health_probe_test, does_with_a_user_that_may_do_nothing_but_get) {
    redis_server redis(folder_, {"--user", "weir", "on", ">secret", "~*", "+get"});
    upstream_.username = "weir";
    upstream_.password = "secret";
    watch();
    const auto snapshot = until_connected();
    ASSERT_NE(snapshot, nullptr);
    EXPECT_EQ(snapshot->commands, command_table::built_in());
    EXPECT_FALSE(snapshot->databases);
    EXPECT_TRUE(snapshot->settings.empty());
}

TEST_F(health_probe_test, calls_nobody_after_stop) {
    redis_server redis(folder_);
    watch();
    ASSERT_NE(until_connected(), nullptr);
    probe_->stop();
    seen_.clear();
    context_.run();  // ends: nothing is left to do
    EXPECT_TRUE(seen_.empty());
}

/// A probe that tells a breaker.
class breaker_probe_test : public health_probe_test {
protected:
    breaker_probe_test() {
        rules_.open_for = 1ms;
        rules_.max_open_for = 1ms;
        rules_.probe_interval = 10ms;
    }

    void report() {
        circuit_.emplace(rules_, [this](const breaker_transition& change) { changes_.push_back(change.to); });
        probe_ = std::make_unique<health_probe>(
            context_, upstream_, [this](auto snapshot) { seen_.push_back(std::move(snapshot)); },
            probe_timing{1h, 50ms, 20ms});
        probe_->report_to(*circuit_);
        probe_->start();
    }
    bool until_state(breaker_state wanted) {
        const auto deadline = std::chrono::steady_clock::now() + 30s;
        while (circuit_->state() != wanted && std::chrono::steady_clock::now() < deadline) context_.run_one_for(10ms);
        return circuit_->state() == wanted;
    }
    std::uint64_t failures() const {
        return circuit_->numbers(std::chrono::steady_clock::now()).failures_total[static_cast<std::size_t>(breaker_failure::probe)];
    }
    /// Closes so many connections as soon as they come.
    asio::awaitable<void> slam(local::acceptor& acceptor, int times) {
        for (; slammed_ < times; ++slammed_) co_await acceptor.async_accept(asio::use_awaitable);
    }
    bool until_slammed(int times) {
        local::acceptor acceptor(context_, local::endpoint(folder_ / "redis.sock"));
        asio::co_spawn(context_, slam(acceptor, times), asio::detached);
        const auto deadline = std::chrono::steady_clock::now() + 30s;
        while (slammed_ < times && std::chrono::steady_clock::now() < deadline) context_.run_one_for(100ms);
        return slammed_ == times;
    }
    /// What a client of its own is told.
    control_reply ask(std::vector<std::string> command) {
        control_reply reply;
        bool done = false;
        asio::co_spawn(context_, ask_for(std::move(command), reply), [&](const std::exception_ptr&) { done = true; });
        context_.restart();
        while (!done) context_.run_one();
        return reply;
    }
    /// So that the probe does not meet a server that has only just been started.
    void until_up() {
        const auto deadline = std::chrono::steady_clock::now() + 30s;
        while (ask({"PING"}).text != "PONG") ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    }
    asio::awaitable<void> ask_for(std::vector<std::string> command, control_reply& reply) {
        control_client client(context_.get_executor());
        const std::vector<socket_address> addresses{*socket_address::unix_path(folder_ / "redis.sock")};
        const upstream_options upstream;
        const auto deadline = control_client::clock::now() + 20s;
        if (!co_await client.connect(addresses, upstream, deadline)) co_return;
        auto answer = co_await client.command(std::move(command), deadline);
        if (answer) reply = *std::move(answer);
    }

    breaker_options rules_;
    std::optional<breaker> circuit_;
    std::vector<breaker_state> changes_;
    int slammed_ = 0;
};

TEST_F(breaker_probe_test, measures_set_and_get_of_a_key_that_goes_away) {
    redis_server redis(folder_);
    until_up();
    report();
    const auto snapshot = until([](const upstream_snapshot& s) { return s.connected && s.set && s.get; });
    ASSERT_NE(snapshot, nullptr);
    EXPECT_EQ(snapshot->fault, "");
    const auto keys = ask({"KEYS", "*"});
    ASSERT_EQ(keys.elements.size(), 1u);
    EXPECT_THAT(keys.elements[0].text, StartsWith("\x01weir:probe:"));
    EXPECT_GT(keys.elements[0].text.size(), probe_key("").size() + 8);
    EXPECT_GT(ask({"PTTL", keys.elements[0].text}).integer, 0);
    EXPECT_EQ(failures(), 0u);
}

TEST_F(breaker_probe_test, writes_nothing_where_nobody_is_to_be_told) {
    redis_server redis(folder_);
    watch();
    ASSERT_NE(until_connected(), nullptr);
    const auto second = until_connected();
    ASSERT_NE(second, nullptr);
    EXPECT_FALSE(second->set);
    EXPECT_FALSE(second->get);
    EXPECT_EQ(ask({"DBSIZE"}).integer, 0);
}

TEST_F(breaker_probe_test, opens_and_closes_it_without_any_client) {
    upstream_.command_timeout = 500ms;
    redis_server redis(folder_);
    until_up();
    report();
    ASSERT_NE(until_connected(), nullptr);
    redis.freeze();
    ASSERT_TRUE(until_state(breaker_state::open));
    EXPECT_GE(failures(), 5u);
    redis.thaw();
    ASSERT_TRUE(until_state(breaker_state::closed));
    EXPECT_THAT(changes_, testing::ElementsAre(breaker_state::open, breaker_state::half_open, breaker_state::closed));
}

TEST_F(breaker_probe_test, a_server_that_takes_no_writes_cannot_serve_those_who_write) {
    redis_server redis(folder_);
    until_up();
    report();
    ASSERT_NE(until_connected(), nullptr);
    ask({"REPLICAOF", "127.0.0.1", "1"});
    const auto unknown = until([](const upstream_snapshot& s) { return s.connected && !s.set; });
    ASSERT_NE(unknown, nullptr);
    EXPECT_EQ(unknown->fault, "") << "nobody may want to write";
    circuit_->fail(breaker_failure::reply, std::chrono::steady_clock::now());
    const auto snapshot = until([](const upstream_snapshot& s) { return !s.fault.empty(); });
    ASSERT_NE(snapshot, nullptr);
    EXPECT_THAT(snapshot->fault, StartsWith("READONLY"));
    EXPECT_TRUE(snapshot->connected);
    EXPECT_TRUE(snapshot->ping);
    EXPECT_FALSE(snapshot->set);
    EXPECT_TRUE(snapshot->get) << "it serves reads";
    ASSERT_TRUE(until_state(breaker_state::open));
    ask({"REPLICAOF", "NO", "ONE"});
    EXPECT_TRUE(until_state(breaker_state::closed));
}

TEST_F(breaker_probe_test, a_read_only_server_is_enough_for_those_who_say_so) {
    rules_.failure_replies = {"LOADING"};
    redis_server redis(folder_, {"--replicaof", "127.0.0.1 1"});
    report();
    const auto snapshot = until([](const upstream_snapshot& s) { return s.connected && s.get; });
    ASSERT_NE(snapshot, nullptr);
    EXPECT_EQ(snapshot->fault, "");
    EXPECT_FALSE(snapshot->set);
}

TEST_F(breaker_probe_test, what_it_may_not_do_is_unknown_and_not_asked_again) {
    redis_server redis(folder_, {"--user", "weir", "on", ">secret", "~*", "+ping"});
    until_up();
    upstream_.username = "weir";
    upstream_.password = "secret";
    report();
    ASSERT_NE(until_connected(), nullptr);
    for (int i = 0; i < 5; ++i) {
        const auto next = until_connected();
        ASSERT_NE(next, nullptr);
        EXPECT_FALSE(next->set);
        EXPECT_FALSE(next->get);
        EXPECT_EQ(next->fault, "");
    }
    EXPECT_EQ(failures(), 0u);
    const auto log = ask({"ACL", "LOG"});
    for (const auto& entry : log.elements) {
        if (entry.elements.at(7).text == "set" || entry.elements.at(7).text == "get") {
            EXPECT_EQ(entry.elements.at(1).integer, 1) << entry.elements.at(7).text;
        }
    }
}

TEST_F(breaker_probe_test, a_server_that_is_being_restarted_is_one_failed_call_and_not_many) {
    rules_.probe_interval = 1h;
    report();
    ASSERT_TRUE(until_slammed(6));
    EXPECT_EQ(failures(), 1u);
    EXPECT_EQ(circuit_->state(), breaker_state::closed);
}

TEST_F(breaker_probe_test, tries_again_soon_while_the_breaker_waits_for_it) {
    const auto started = std::chrono::steady_clock::now();
    rules_.probe_interval = 1ms;
    report();
    circuit_->force_open(started, "the test");
    ASSERT_TRUE(until_slammed(40));
    // 40 of the usual delays are at least 25 ms + 50 ms + … = 20 s.
    EXPECT_LT(std::chrono::steady_clock::now() - started, 10s);
    EXPECT_GE(failures(), 39u);
}

/// A server that answers whatever it is sent with the same bytes.
class control_client_test : public testing::Test {
protected:
    control_client_test()
        : address_(*socket_address::unix_path(folder_ / "s")),
          acceptor_(context_, local::endpoint(folder_ / "s")) {}

    /// What `PING` gives when the server says `bytes` and closes; nullopt: see `failure_`.
    std::optional<control_reply> told(std::string bytes) {
        std::optional<control_reply> answer;
        asio::co_spawn(context_, say(acceptor_, std::move(bytes)), rethrow);
        asio::co_spawn(context_, ping(*this, answer), rethrow);
        context_.restart();
        context_.run();
        return answer;
    }

    static void rethrow(const std::exception_ptr& error) {
        if (error) std::rethrow_exception(error);
    }
    static asio::awaitable<void> say(local::acceptor& acceptor, std::string bytes) {
        auto socket = co_await acceptor.async_accept(asio::use_awaitable);
        std::string request;
        co_await asio::async_read_until(socket, asio::dynamic_buffer(request), "PING\r\n",
                                        asio::use_awaitable);
        boost::system::error_code ignored;  // it may have heard enough before the end
        co_await asio::async_write(socket, asio::buffer(bytes),
                                   asio::redirect_error(asio::use_awaitable, ignored));
    }
    static asio::awaitable<void> ping(control_client_test& test, std::optional<control_reply>& answer) {
        control_client client(test.context_.get_executor());
        const std::vector<socket_address> addresses{test.address_};
        const upstream_options upstream;
        const auto deadline = control_client::clock::now() + 20s;
        if (co_await client.connect(addresses, upstream, deadline)) {
            std::vector<std::string> command{"PING"};
            answer = co_await client.command(std::move(command), deadline);
        }
        test.failure_ = client.failure();
        EXPECT_EQ(client.is_open(), answer.has_value());
    }

    temporary_folder folder_;
    asio::io_context context_{1};
    socket_address address_;
    local::acceptor acceptor_;
    std::string failure_;
};

TEST_F(control_client_test, reads_every_kind_of_reply) {
    const auto array = told("*6\r\n+ok\r\n-ERR no\r\n:-5\r\n$3\r\na\0b\r\n$-1\r\n*2\r\n*0\r\n$0\r\n\r\n");
    EXPECT_FALSE(array) << "a NUL cut the C string: the length was wrong";
    using namespace std::string_literals;
    const auto full = told("*6\r\n+ok\r\n-ERR no\r\n:-5\r\n$3\r\na\0b\r\n$-1\r\n*2\r\n*0\r\n$0\r\n\r\n"s);
    ASSERT_TRUE(full);
    ASSERT_EQ(full->elements.size(), 6u);
    EXPECT_EQ(full->elements[0].type, control_reply::kind::status);
    EXPECT_TRUE(full->elements[1].is_error());
    EXPECT_EQ(full->elements[2].integer, -5);
    EXPECT_EQ(full->elements[3].text, "a\0b"s);
    EXPECT_EQ(full->elements[4].type, control_reply::kind::nil);
    ASSERT_EQ(full->elements[5].elements.size(), 2u);
    EXPECT_TRUE(full->elements[5].elements[0].is_array());
}

TEST_F(control_client_test, takes_hostile_replies_for_failures) {
    for (const char* hostile :
         {"$\r\n", "*\r\n", ":\r\n", "?what\r\n", "*99999999999999999999\r\n", "$-2\r\n",
          "$9223372036854775807\r\nx", "*2147483647\r\n:1\r\n", "+PONG\r\n+more\r\n", "",
          "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "HTTP/1.1 200"}) {
        EXPECT_FALSE(told(hostile)) << hostile;
        EXPECT_THAT(failure_, StartsWith("PING: ")) << hostile;
    }
}

TEST_F(control_client_test, gives_up_on_a_reply_without_end) {
    std::string endless = "*2147483647\r\n";
    for (int i = 0; i < 600'000; ++i) endless += ":1\r\n";
    EXPECT_FALSE(told(endless));
    EXPECT_THAT(failure_, HasSubstr("too large"));
    EXPECT_FALSE(told("$1000000000\r\n" + std::string(std::size_t{40} << 20, 'x')));
    EXPECT_THAT(failure_, HasSubstr("too large"));
}

TEST(resolve, answers_literals_and_names) {
    asio::io_context context(1);
    const auto ask = [&](endpoint address) {
        resolved_addresses out;
        asio::co_spawn(
            context, resolve(std::move(address), std::chrono::steady_clock::now() + 20s),
            [&](const std::exception_ptr&, resolved_addresses result) { out = std::move(result); });
        context.restart();
        context.run();
        return out;
    };
    EXPECT_EQ(ask({"127.0.0.1", 6379, ""}).addresses.at(0).to_string(), "127.0.0.1:6379");
    EXPECT_EQ(ask({"::1", 6379, ""}).addresses.at(0).to_string(), "[::1]:6379");
    EXPECT_FALSE(ask({"localhost", 6379, ""}).addresses.empty());
    EXPECT_THAT(ask({"no such host", 1, ""}).failure, StartsWith("cannot resolve no such host: "));
    EXPECT_FALSE(ask({"", 0, std::string(300, 'x')}).failure.empty());
}

// COMMAND's reply, spelled as a tree.
control_reply text(std::string value) {
    return {control_reply::kind::string, std::move(value), 0, {}};
}
control_reply number(long long value) {
    return {control_reply::kind::integer, {}, value, {}};
}
control_reply list(std::vector<control_reply> elements) {
    return {control_reply::kind::array, {}, 0, std::move(elements)};
}
control_reply spec(control_reply begin_spec, control_reply find_spec, const char* begin = "index",
                   const char* find = "range") {
    return list({text("notes"), text("n"), text("flags"), list({text("RW")}), text("begin_search"),
                 list({text("type"), text(begin), text("spec"), std::move(begin_spec)}), text("find_keys"),
                 list({text("type"), text(find), text("spec"), std::move(find_spec)})});
}
control_reply begin_at(long long index) {
    return list({text("index"), number(index)});
}
control_reply range(long long last, long long step, long long limit) {
    return list({text("lastkey"), number(last), text("keystep"), number(step), text("limit"), number(limit)});
}
control_reply command(control_reply specs, control_reply subcommands = list({}), long long first_key = 0) {
    return list(
        {list({text("JSON.Set"), number(-4), list({text("write")}), number(first_key), number(0), number(0),
               list({text("@write")}), list({}), std::move(specs), std::move(subcommands)})});
}
bool locatable(const control_reply& reply) {
    const auto facts = parse_command_reply(reply);
    return facts.at(0).specs.at(0).value.locatable();
}

TEST(parse_command_reply, reads_names_flags_and_key_specifications) {
    const auto facts = parse_command_reply(command(list(
        {spec(begin_at(1), range(-1, 2, 0)),
         spec(list({text("keyword"), text("STREAMS"), text("startfrom"), number(-2)}),
              list({text("keynumidx"), number(0), text("firstkey"), number(1), text("keystep"), number(1)}),
              "keyword", "keynum")})));
    ASSERT_EQ(facts.size(), 1u);
    EXPECT_EQ(facts[0].name, "json.set");
    EXPECT_EQ(facts[0].arity, -4);
    EXPECT_EQ(facts[0].flags, std::vector<std::string>{"write"});
    EXPECT_EQ(facts[0].categories, std::vector<std::string>{"write"});
    ASSERT_EQ(facts[0].specs.size(), 2u);
    const auto& first = facts[0].specs[0];
    EXPECT_TRUE(first.value.locatable());
    EXPECT_EQ(first.flags, std::vector<std::string>{"RW"});
    EXPECT_EQ(first.value.index, 1);
    EXPECT_EQ(first.value.last_key, -1);
    EXPECT_EQ(first.value.key_step, 2);
    const auto& second = facts[0].specs[1];
    EXPECT_EQ(second.value.begin, key_spec::begin_kind::keyword);
    EXPECT_EQ(second.keyword, "STREAMS");
    EXPECT_EQ(second.value.index, -2);
    EXPECT_EQ(second.value.find, key_spec::find_kind::keynum);
    EXPECT_EQ(second.value.first_key, 1);
}

TEST(parse_command_reply, takes_no_broken_specification_for_one_that_finds_keys) {
    EXPECT_TRUE(locatable(command(list({spec(begin_at(1), range(0, 1, 0))}))));
    EXPECT_FALSE(locatable(command(list({spec(begin_at(100'000), range(0, 1, 0))}))));
    EXPECT_FALSE(locatable(command(list({spec(begin_at(1), range(0, 0, 0))}))));
    EXPECT_FALSE(locatable(command(list({spec(begin_at(1), range(0, -1, 0))}))));
    EXPECT_FALSE(locatable(command(list({spec(list({}), range(0, 1, 0))}))));
    EXPECT_FALSE(locatable(command(list({spec(begin_at(1), text("?"))}))));
    EXPECT_FALSE(locatable(command(list({spec(begin_at(1), range(0, 1, 0), "later", "range")}))));
    EXPECT_FALSE(locatable(command(list({text("no list")}))));
}

TEST(parse_command_reply, takes_no_command_for_keyless_that_may_have_keys) {
    EXPECT_TRUE(parse_command_reply(command(list({}))).at(0).specs.empty());
    EXPECT_FALSE(locatable(command(list({}), list({}), 1)));
    EXPECT_FALSE(locatable(command(text("no list"))));
    const auto before_7 =
        list({list({text("x"), number(1), list({}), number(0), number(0), number(0), list({})})});
    EXPECT_FALSE(locatable(before_7));
}

TEST(parse_command_reply, leaves_out_what_is_no_command) {
    EXPECT_TRUE(parse_command_reply(text("NOPERM")).empty());
    EXPECT_TRUE(parse_command_reply(list({{},
                                          text("get"),
                                          number(1),
                                          list({}),
                                          list({text("get")}),
                                          list({text(""), number(1)}),
                                          list({text("x"), number(1'000'000)})}))
                    .empty());
}

TEST(parse_command_reply, goes_into_subcommands) {
    const auto facts = parse_command_reply(command(
        list({}), list({list({text("json.set|path"), number(3), list({}), number(2), number(2), number(1),
                              list({}), list({}), list({spec(begin_at(2), range(0, 1, 0))}), list({})})})));
    ASSERT_EQ(facts.at(0).subcommands.size(), 1u);
    EXPECT_EQ(facts[0].subcommands[0].name, "json.set|path");
    EXPECT_EQ(facts[0].subcommands[0].specs.at(0).value.index, 2);
}

}  // namespace
}  // namespace weir
